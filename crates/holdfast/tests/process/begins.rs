//! A server over Redis that begins, and one that cannot: what is wrong is said before anything that is shared
//! is touched, nobody is left waiting, and the log says what happens once.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use holdfast_testkit::{Postgres, Redis, RedisOptions};

use crate::support::{Server, command, complaint, holdfast, reserve, signal, wait_for};

const SECRET: &str = "a-secret-for-the-tests";

/// Nobody is there: whoever came as far as that would wait for a minute.
const NOWHERE: &str = "postgres://127.0.0.1:1/nowhere";

/// A server over Redis.
fn shared(folder: &Path, store: &str, ledger: &str, provider: &str) -> Command {
    let mut command = command(folder);
    command.args(["--store", store, "--redis-data-nodes", "1", "--ledger", ledger]);
    command.args(["--payments", &format!("simulated=http://{provider}")]);
    command.env("HOLDFAST_PROVIDER_SECRET", SECRET);
    command
}

#[track_caller]
fn refused_at_once(command: &mut Command, words: &str) {
    let begun = Instant::now();
    let why = complaint(&command.output().unwrap());
    assert!(why.contains(words), "{why}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn what_is_set_wrong_is_found_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = || shared(&data, "redis://127.0.0.1:1", NOWHERE, "127.0.0.1:1");
    refused_at_once(server().env_remove("HOLDFAST_PROVIDER_SECRET"), "wants its secret");
    let missing = folder.path().join("missing.pem");
    refused_at_once(server().arg("--buyer-key").arg(missing), "missing.pem");
    refused_at_once(server().env("HOLDFAST_MERCHANT_KEY", "sha256:no-hash-at-all"), "sha256:");
    assert!(!data.exists(), "the data folder was made");
}

#[test]
fn a_redis_that_lets_nobody_in_is_said_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(&RedisOptions::default()).unwrap();
    let place = format!("redis://holdfast:a-wrong-password@{}", redis.address());
    let mut server = shared(&folder.path().join("data"), &place, NOWHERE, "127.0.0.1:1");
    refused_at_once(&mut server, "WRONGPASS");
    let why = complaint(&server.output().unwrap());
    assert!(!why.contains("a-wrong-password") && why.contains("--store-file"), "{why}");
    let _: String = redis.ask(&["CONFIG", "SET", "appendfsync", "no"]).unwrap();
    let mut server = shared(&folder.path().join("data"), &redis.url(), NOWHERE, "127.0.0.1:1");
    refused_at_once(&mut server, "appendfsync no");
}

#[test]
fn a_redis_that_is_not_there_yet_is_waited_for_and_it_is_said_for_how_long() {
    let folder = tempfile::tempdir().unwrap();
    let mut redis = Redis::start(&RedisOptions::default()).unwrap();
    let postgres = Postgres::start().unwrap();
    redis.kill();
    let log = folder.path().join("log");
    let data = folder.path().join("data");
    let mut server = shared(&data, &redis.url(), &postgres.url(), "127.0.0.1:1");
    let server = server
        .env("RUST_LOG", "info")
        .stdout(File::options().append(true).create(true).open(&log).unwrap());
    let mut server =
        server.stderr(File::options().append(true).open(&log).unwrap()).spawn().unwrap();
    let says = |words: &str| fs::read_to_string(&log).unwrap().contains(words).then_some(());
    wait_for("it is said", || says("waiting for the store, 60s at most"));
    assert!(says("Connection refused").is_some(), "it is said why");
    redis.restart().unwrap();
    wait_for("it begins", || says("listening on"));
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_server_that_cannot_begin_leaves_the_roll() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(&RedisOptions::default()).unwrap();
    let postgres = Postgres::start().unwrap();
    let mut bank = holdfast(folder.path());
    let bank =
        Server::spawn(bank.args(["provider", "--listen", "127.0.0.1:0", "--secret", SECRET]));
    let data = folder.path().join("data");
    let mut server = shared(&data, &redis.url(), &postgres.url(), &bank.address);
    let why = server.env("HOLDFAST_PROVIDER_SECRET", "another-secret-for-tests").output().unwrap();
    assert!(complaint(&why).contains("cannot be worked with"), "{}", complaint(&why));
    let row = postgres.ask("SELECT document FROM control").unwrap();
    assert!(row.contains(r#""roll":[]"#), "{row}");
    // The control.
    let server = Server::spawn(&mut shared(&data, &redis.url(), &postgres.url(), &bank.address));
    let row = postgres.ask("SELECT document FROM control").unwrap();
    assert!(!row.contains(r#""roll":[]"#), "{row}");
    server.kill();
}

#[test]
fn the_log_of_an_ordinary_start_warns_of_nothing_and_an_outage_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut redis = Redis::start(&RedisOptions::default()).unwrap();
    let postgres = Postgres::start().unwrap();
    let mut bank = holdfast(folder.path());
    let bank =
        Server::spawn(bank.args(["provider", "--listen", "127.0.0.1:0", "--secret", SECRET]));
    let log = folder.path().join("log");
    let data = folder.path().join("data");
    let mut server = shared(&data, &redis.url(), &postgres.url(), &bank.address);
    server.env("RUST_LOG", "info").env("HOLDFAST_LOOK_MS", "50");
    let mut server = Server::spawn(server.stderr(File::create(&log).unwrap()));
    let lines = |words: &str| {
        let text = fs::read_to_string(&log).unwrap();
        text.lines().filter(|line| line.contains(words)).map(str::to_owned).collect::<Vec<_>>()
    };
    // Without a buyer's key only merchants can buy: that is worth a warning.
    let warned = lines(" WARN ");
    assert!(warned.iter().all(|line| line.contains("--buyer-key")), "{warned:?}");
    assert_eq!(lines("the store is there").len(), 1, "the control: it does log");

    server.open_sale(5, 86_400);
    redis.kill();
    wait_for("it is noticed", || (!lines("the store is away").is_empty()).then_some(()));
    // For as long as the checkout looks in vain three times.
    std::thread::sleep(Duration::from_millis(2_500));
    redis.restart().unwrap();
    wait_for("it sells", || reserve(&server.address, "alice").ok().filter(|it| it.0 == 201));
    wait_for("it is said", || (lines("the store is there again").len() == 1).then_some(()));
    let away = lines("the store is away");
    assert!(away.len() <= 5, "{away:?}");
    for line in lines(" WARN ") {
        let same = lines(line.split_once(" WARN ").unwrap().1);
        assert_eq!(same.len(), 1, "{same:?}");
    }

    #[cfg(feature = "planted")]
    {
        let _: String = redis.ask(&["CONFIG", "SET", "appendfsync", "everysec"]).unwrap();
        wait_for("it is seen", || lines("Redis may lose what is promised").first().cloned());
        let _: String = redis.ask(&["CONFIG", "SET", "appendfsync", "always"]).unwrap();
        wait_for("it is seen", || lines("set to keep everything again").first().cloned());
    }
    signal(&server.child, "-TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}
