//! Several servers over one Redis.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use holdfast_testkit::{Postgres, Redis, RedisOptions, Sentinel, SentinelOptions, Trio};
use serde_json::{Value, json};

use crate::edge::{metric, metrics};
use crate::support::{Server, command, complaint, holdfast, reserve, wait_for};

/// What all servers share, but for Redis.
pub(crate) struct Shared {
    folder: tempfile::TempDir,
    postgres: Postgres,
    provider: Server,
}

impl Shared {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut provider = holdfast(folder.path());
        provider.args(["provider", "--listen", "127.0.0.1:0", "--data-dir", "bank"]);
        let provider = Server::spawn(&mut provider);
        Self { folder, postgres: Postgres::start().unwrap(), provider }
    }

    fn node_folder(&self, node: &str) -> PathBuf {
        self.folder.path().join(node)
    }

    /// A node, with the key that the first one made.
    pub(crate) fn command(&self, node: &str, store: &str, data_nodes: u32) -> Command {
        let folder = self.node_folder(node);
        let first = self.node_folder("node-0").join("receipt.key");
        if first.exists() && !folder.join("receipt.key").exists() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::copy(first, folder.join("receipt.key")).unwrap();
        }
        let mut command = command(&folder);
        command.args(["--store", store, "--redis-data-nodes", &data_nodes.to_string()]);
        command.args(["--ledger", &self.postgres.url(), "--payments"]);
        command.arg(format!("simulated=http://{}", self.provider.address));
        command.arg("--provider-secret-file").arg(self.secret());
        command.args(["--payments-per-second", "1000"]);
        command
    }

    fn secret(&self) -> PathBuf {
        self.folder.path().join("bank/provider.secret")
    }

    pub(crate) fn node(&self, node: &str, store: &str, data_nodes: u32) -> Server {
        Server::spawn(&mut self.command(node, store, data_nodes))
    }
}

fn sentinels(trio: &Trio) -> String {
    let hosts: Vec<String> = trio.sentinel_addresses().iter().map(ToString::to_string).collect();
    format!("redis+sentinel://{}/{}", hosts.join(","), Sentinel::MASTER)
}

/// Asks one node after another until one says what there is to say.
fn buy(nodes: &[String], first: usize, buyer: &str) -> (u16, Value, Duration) {
    let (begun, mut slowest) = (Instant::now(), Duration::ZERO);
    for turn in first.. {
        let asked = Instant::now();
        let answer = reserve(&nodes[turn % nodes.len()], buyer);
        slowest = slowest.max(asked.elapsed());
        match answer {
            Ok((503, _)) | Err(_) => {}
            Ok((status, body)) => return (status, body, slowest),
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{buyer} gets no answer");
        thread::sleep(Duration::from_millis(50));
    }
    unreachable!()
}

#[test]
fn three_servers_sell_one_sale_through_a_failover() {
    let shared = Shared::start();
    let mut trio = Trio::start(&RedisOptions::default(), &SentinelOptions::default()).unwrap();
    let store = sentinels(&trio);
    let servers: Vec<Server> =
        (0..3).map(|node| shared.node(&format!("node-{node}"), &store, 3)).collect();
    servers[0].open_sale(60, 60);
    let nodes: Vec<String> = servers.iter().map(|server| server.address.clone()).collect();
    let told = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for worker in 0..6 {
            let (nodes, told) = (&nodes, &told);
            scope.spawn(move || {
                for nth in 0..20 {
                    let buyer = format!("buyer-{}", worker * 20 + nth);
                    let answer = buy(nodes, worker, &buyer);
                    told.lock().unwrap().push((buyer, answer));
                    thread::sleep(Duration::from_millis(20));
                }
            });
        }
        thread::sleep(Duration::from_millis(200));
        trio.servers[0].kill();
    });
    let told = told.into_inner().unwrap();
    let held: Vec<_> = told.iter().filter(|(_, (status, ..))| *status < 300).collect();
    assert_eq!((told.len(), held.len()), (120, 60));
    let slowest = told.iter().map(|(_, (.., slowest))| *slowest).max().unwrap();
    assert!(slowest < Duration::from_millis(2_500), "an answer took {slowest:?}");
    for (nth, (buyer, (_, hold, _))) in held.iter().enumerate() {
        // The same request gets the same hold, from whichever node.
        let (status, again, _) = buy(&nodes, nth, buyer);
        assert_eq!((status, &again["id"]), (200, &hold["id"]));
    }
    for server in &servers {
        let tier = server.tier();
        let counts = ["free", "held", "sold", "withheld"].map(|count| tier[count].clone());
        assert_eq!(counts, [0, 60, 0, 0].map(Value::from), "{tier}");
        let (status, audit) = server.ask("GET", "/v1/sales/club/audit", &Value::Null);
        assert_eq!((status, &audit["ok"]), (200, &json!(true)), "{audit}");
        let counted = metrics(&server.address);
        let counts = ["redis_up", "redis_epoch", "nodes"];
        let counts = counts.map(|name| metric(&counted, &format!("holdfast_{name}")));
        assert_eq!(counts, [1.0, 2.0, 3.0].map(Some));
        let rounds = metric(&counted, "holdfast_redis_round_seconds_count");
        assert!(rounds.is_some_and(|rounds| rounds >= 20.0), "{rounds:?}");
    }
    drop(trio);
    let is_up = || metric(&metrics(&servers[0].address), "holdfast_redis_up");
    wait_for("the store is away", || is_up().filter(|&up| up < 1.0));
}

#[test]
fn what_was_lost_with_node_and_redis_is_claimed_by_its_id_and_sold_to_nobody_else() {
    let shared = Shared::start();
    let mut redis = Redis::start(&RedisOptions::default()).unwrap();
    let node = shared.node("node-0", &redis.url(), 1);
    node.open_sale(3, 20);
    let (status, known) = reserve(&node.address, "known").unwrap();
    assert_eq!(status, 201, "{known}");
    let before = redis.backup().unwrap();
    let (status, lost) = reserve(&node.address, "lost").unwrap();
    assert_eq!(status, 201, "{lost}");
    // The node dies, and Redis is what it was a moment ago.
    node.kill();
    redis.kill();
    redis.roll_back(&before).unwrap();
    redis.restart().unwrap();
    let node = shared.node("node-1", &redis.url(), 1);
    let tier = node.tier();
    assert_eq!(
        (&tier["free"], &tier["held"], &tier["withheld"]),
        (&json!(0), &json!(1), &json!(2))
    );
    let (status, refused) = reserve(&node.address, "another").unwrap();
    assert_eq!((status, &refused["code"]), (409, &json!("all_held")), "{refused}");
    let hold = |id: &Value, buyer: &str| {
        let path = format!("/v1/holds/{}?buyer={buyer}", id.as_str().unwrap());
        node.ask("GET", &path, &Value::Null)
    };
    assert_eq!(hold(&lost["id"], "thief").0, 404, "it is signed for somebody else");
    let (status, claimed) = hold(&lost["id"], "lost");
    assert_eq!((status, &claimed["id"], &claimed["status"]), (200, &lost["id"], &json!("held")));
    assert_eq!(hold(&known["id"], "known").0, 200);
    wait_for("it is held again", || (node.tier()["held"] == json!(2)).then_some(()));
    let (status, audit) = node.ask("GET", "/v1/sales/club/audit", &Value::Null);
    assert_eq!((status, &audit["ok"]), (200, &json!(true)), "{audit}");
}

#[test]
fn a_server_that_is_killed_takes_its_place_again_at_once() {
    let shared = Shared::start();
    let redis = Redis::start(&RedisOptions::default()).unwrap();
    let node = shared.node("node-0", &redis.url(), 1);
    node.open_sale(3, 60);
    let (_, hold) = reserve(&node.address, "buyer").unwrap();
    node.kill();
    let node = shared.node("node-0", &redis.url(), 1);
    assert!(node.started_in < Duration::from_secs(4), "{:?}", node.started_in);
    let (status, again) = reserve(&node.address, "buyer").unwrap();
    assert_eq!((status, &again["id"]), (200, &hold["id"]));
    assert_eq!(node.tier()["free"], json!(2));
}

#[test]
fn units_come_back_though_the_node_that_gave_them_is_dead() {
    let shared = Shared::start();
    let redis = Redis::start(&RedisOptions::default()).unwrap();
    let first = shared.node("node-0", &redis.url(), 1);
    let second = shared.node("node-1", &redis.url(), 1);
    first.open_sale(1, 2);
    assert_eq!(reserve(&first.address, "buyer").unwrap().0, 201);
    first.kill();
    let begun = Instant::now();
    wait_for("the unit is free", || (second.tier()["free"] == json!(1)).then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(reserve(&second.address, "another").unwrap().0, 201);
}

#[test]
fn what_several_servers_cannot_share_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |args: &[&str]| {
        let mut command = command(folder.path());
        complaint(&command.args(["--store", "redis://127.0.0.1:1"]).args(args).output().unwrap())
    };
    let postgres = ["--ledger", "postgres://127.0.0.1:1/x"];
    let provider = ["--payments", "simulated=http://127.0.0.1:1"];
    let (both, why) = ([postgres, provider].concat(), refused(&[]));
    assert!(why.contains("orders in PostgreSQL"), "{why}");
    let why = refused(&postgres);
    assert!(why.contains("one provider"), "{why}");
    let why = refused(&both);
    assert!(why.contains("--redis-data-nodes"), "{why}");
}

#[test]
fn a_server_with_another_key_is_refused() {
    let shared = Shared::start();
    let redis = Redis::start(&RedisOptions::default()).unwrap();
    let _first = shared.node("node-0", &redis.url(), 1);
    let mut stranger = shared.command("node-1", &redis.url(), 1);
    std::fs::remove_file(shared.node_folder("node-1").join("receipt.key")).unwrap();
    let why = complaint(&stranger.output().unwrap());
    assert!(why.contains("copy receipt.key"), "{why}");
}

/// A certificate for this machine, and its key.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE", "-out"]).arg(&certificate);
    let made = openssl.arg("-keyout").arg(&key).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    (certificate, key)
}

#[test]
fn redis_is_reached_over_tls_and_with_a_password_if_its_certificate_is_known() {
    let shared = Shared::start();
    let (certificate, key) = certificate(shared.folder.path());
    let port = holdfast_testkit::Port::claim().unwrap();
    let settings = [
        format!("tls-port {}", port.number()),
        format!("tls-cert-file {}", certificate.display()),
        format!("tls-key-file {}", key.display()),
        format!("tls-ca-cert-file {}", certificate.display()),
        "tls-auth-clients no".to_owned(),
        "user holdfast on >a-password ~* &* +@all".to_owned(),
    ];
    let options = RedisOptions { settings: settings.into(), ..RedisOptions::default() };
    let _redis = Redis::start(&options).unwrap();
    let store = format!("rediss://holdfast:a-password@localhost:{}", port.number());
    let mut command = shared.command("node-0", &store, 1);
    let node = Server::spawn(command.env("SSL_CERT_FILE", &certificate));
    node.open_sale(1, 60);
    assert_eq!(reserve(&node.address, "buyer").unwrap().0, 201);
}
