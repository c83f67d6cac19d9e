//! The kit's Redis servers do what tests take for granted.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use holdfast_testkit::{Persistence, Program, Proxy, Redis, RedisOptions, Way};

fn set(redis: &Redis, value: &str) {
    redis.ask::<()>(&["SET", "key", value]).unwrap();
}

fn get(redis: &Redis) -> Option<String> {
    redis.ask(&["GET", "key"]).unwrap()
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// Guards the comparison of programs: each is the one that is asked for.
#[test]
fn each_program_is_the_one_it_says() {
    for program in Program::ALL {
        let redis = Redis::start(&RedisOptions::of(program)).unwrap();
        let (name, version) = match program {
            Program::Redis7 => ("redis_version", "7.0."),
            Program::Redis8 => ("redis_version", "8.2."),
            Program::Valkey8 => ("valkey_version", "8.1."),
        };
        let said = redis.info(name).unwrap();
        assert!(said.starts_with(version), "{program:?}: {said}");
        let policy: Vec<String> = redis.ask(&["CONFIG", "GET", "maxmemory-policy"]).unwrap();
        assert_eq!(policy[1], "noeviction");
    }
}

/// Guards what a restart after kill -9 means: the flushed log is there, RDB alone is not (its
/// control), and what is wiped or rolled back is as it is said to be.
#[test]
fn a_killed_server_comes_back_with_what_it_kept() {
    for (persistence, kept) in
        [(Persistence::Always, Some("2")), (Persistence::Rdb, None), (Persistence::None, None)]
    {
        let options = RedisOptions { persistence, ..RedisOptions::default() };
        let mut redis = Redis::start(&options).unwrap();
        set(&redis, "1");
        let backup = redis.backup().unwrap();
        assert!(redis.roll_back(&backup).is_err(), "the files of a server that lives were changed");
        set(&redis, "2");
        let (port, first) = (redis.port(), redis.id().unwrap());
        redis.restart().unwrap();
        assert_eq!(get(&redis).as_deref(), kept, "{persistence:?}");
        assert_eq!(redis.port(), port);
        assert_ne!(redis.id().unwrap(), first);
        assert!(!is_alive(first));

        redis.kill();
        redis.roll_back(&backup).unwrap();
        redis.restart().unwrap();
        assert_eq!(get(&redis).as_deref(), kept.and(Some("1")), "{persistence:?}");

        redis.kill();
        redis.wipe().unwrap();
        redis.restart().unwrap();
        assert_eq!(get(&redis), None);
    }
}

/// Guards the tests of paused servers: a stopped one answers nothing, and acts on what it was
/// sent once it is resumed. Also: one that is stopped is gone when it is dropped.
#[test]
fn a_stopped_server_acts_once_it_is_resumed() {
    let redis = Redis::start(&RedisOptions::default()).unwrap();
    let pid = redis.id().unwrap();
    let mut connection = redis.connect().unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    redis.stop().unwrap();
    let said = redis::cmd("SET").arg("key").arg("late").query::<()>(&mut connection);
    assert!(said.unwrap_err().is_timeout());
    redis.resume().unwrap();
    let begun = Instant::now();
    while get(&redis).is_none() {
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    redis.stop().unwrap();
    assert!(is_alive(pid));
    drop(redis);
    assert!(!is_alive(pid));
}

/// Not a test: the program that the next one kills.
#[test]
#[ignore = "is started by another test"]
fn a_program_with_a_server() {
    let redis = Redis::start(&RedisOptions::default()).unwrap();
    redis.stop().unwrap();
    println!("pid={}", redis.id().unwrap());
    std::thread::park();
}

/// Guards the machine from what killed tests leave: their servers end with them, also stopped ones.
#[test]
fn no_server_outlives_a_program_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("TMPDIR", folder.path());
    command.args(["--exact", "a_program_with_a_server", "--ignored", "--nocapture"]);
    let mut program = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map_while(Result::ok);
    let pid = lines.find_map(|line| line.split_once("pid=")?.1.trim().parse().ok()).unwrap();
    assert!(is_alive(pid));
    program.kill().unwrap();
    program.wait().unwrap();
    let begun = Instant::now();
    while is_alive(pid) {
        assert!(begun.elapsed() < Duration::from_secs(5), "a server has outlived its test");
    }
}

/// Guards the tests of clocks: the wall clock steps, and only that of the server that has one.
#[test]
fn a_servers_own_clock_steps() {
    for program in [Program::Redis8, Program::Valkey8] {
        let options = RedisOptions { has_own_clock: true, ..RedisOptions::of(program) };
        let redis = Redis::start(&options).unwrap();
        redis.ask::<()>(&["SET", "key", "1", "EX", "300"]).unwrap();
        redis.set_clock(290).unwrap();
        assert_eq!(get(&redis).as_deref(), Some("1"), "{program:?}");
        redis.set_clock(310).unwrap();
        let begun = Instant::now();
        while get(&redis).is_some() {
            assert!(begun.elapsed() < Duration::from_secs(5), "{program:?}: no time has passed");
        }
    }
    let redis7 = RedisOptions { has_own_clock: true, ..RedisOptions::default() };
    assert!(Redis::start(&redis7).is_err());
    let usual = Redis::start(&RedisOptions::default()).unwrap();
    assert!(usual.set_clock(1).is_err());
}

/// Guards the tests of replication: what passes a proxy is seen by the replica, and when it is
/// frozen it is not until it is healed.
#[test]
fn a_replica_behind_a_frozen_proxy_lags() {
    let master = Redis::start(&RedisOptions::default()).unwrap();
    let proxy = Proxy::to(master.port()).unwrap();
    let options = RedisOptions { replica_of: Some(proxy.port()), ..RedisOptions::default() };
    let replica = Redis::start(&options).unwrap();
    replica.await_link().unwrap();
    let replicated = |value: &str, within: &str| {
        let mut connection = master.connect().unwrap();
        redis::cmd("SET").arg("key").arg(value).exec(&mut connection).unwrap();
        redis::cmd("WAIT").arg(1).arg(within).query::<u32>(&mut connection).unwrap()
    };
    assert_eq!(replicated("1", "5000"), 1);
    assert_eq!(get(&replica).as_deref(), Some("1"));
    proxy.freeze(Way::ToClient);
    assert_eq!(replicated("2", "100"), 0);
    assert_eq!(get(&replica).as_deref(), Some("1"));
    proxy.heal();
    assert_eq!(replicated("3", "5000"), 1);
    assert_eq!(get(&replica).as_deref(), Some("3"));
}
