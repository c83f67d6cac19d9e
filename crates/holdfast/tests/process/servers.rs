//! Several servers over one Redis, one PostgreSQL and one provider, for tests.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use holdfast_testkit::{Postgres, Redis, RedisOptions};
use serde_json::{Value, json};

use crate::support::{Server, ask, ask_as, command, holdfast, wait_for};

const SECRET: &str = "a-secret-for-the-tests";

/// Everything but the servers.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    pub(crate) redis: Redis,
    _postgres: Postgres,
    ledger: String,
    bank: Server,
    wire: Wire,
    started: AtomicUsize,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let redis = Redis::start(&RedisOptions::default()).unwrap();
        let postgres = Postgres::start().unwrap();
        let ledger = postgres.create("orders").unwrap();
        let mut bank = holdfast(folder.path());
        bank.args(["provider", "--listen", "127.0.0.1:0", "--secret", SECRET]);
        let bank = Server::spawn(bank.args(["--per-second", "1000"]));
        let wire = Wire::to(&bank.address);
        let started = AtomicUsize::new(0);
        Self { folder, redis, _postgres: postgres, ledger, bank, wire, started }
    }

    /// One more server; the first one's key is everybody's.
    pub(crate) fn command(&self) -> Command {
        let data = |nth: usize| self.folder.path().join(format!("node-{nth}"));
        let nth = self.started.fetch_add(1, Ordering::Relaxed);
        if nth > 0 {
            std::fs::create_dir(data(nth)).unwrap();
            std::fs::copy(data(0).join("receipt.key"), data(nth).join("receipt.key")).unwrap();
        }
        let mut command = command(&data(nth));
        let redis = format!("redis://127.0.0.1:{}", self.redis.port());
        command.args(["--store", &redis, "--redis-data-nodes", "1", "--ledger", &self.ledger]);
        command.args(["--payments", &format!("simulated=http://{}", self.wire.address)]);
        command.args(["--payments-per-second", "1000"]);
        command.env("HOLDFAST_PROVIDER_SECRET", SECRET);
        command
    }

    pub(crate) fn server(&self) -> Server {
        Server::spawn(&mut self.command())
    }

    /// How often the provider was asked to authorise and to capture.
    pub(crate) fn calls(&self) -> (usize, usize) {
        let seen = self.wire.seen.lock().unwrap();
        let count = |what: &str| seen.matches(what).count();
        (count("POST /payments HTTP"), count("/capture HTTP"))
    }

    /// How ill the provider behaves from now on.
    pub(crate) fn behave(&self, manners: &Value) {
        let set = ask_as(SECRET, &self.bank.address, "PUT", "/manners", manners);
        assert_eq!(set.unwrap().0, 200);
    }

    /// The provider's payments, by what they are.
    pub(crate) fn payments(&self) -> Vec<String> {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/payments{after}");
            let answer = ask_as(SECRET, &self.bank.address, "GET", &path, &Value::Null);
            let page = answer.unwrap().1["payments"].as_array().unwrap().clone();
            let Some(last) = page.last() else { return found };
            after = format!("?after={}", last["id"].as_str().unwrap());
            found.extend(page.iter().map(|it| it["status"].as_str().unwrap().to_owned()));
        }
    }
}

/// Makes a sale with one tier, and opens it.
pub(crate) fn open_sale(server: &Server, sale: &str, capacity: u32, seconds: u32) {
    let price = json!({ "amount": 100, "currency": "EUR" });
    let tier = json!({ "id": "ga", "name": "GA", "capacity": capacity, "price": price });
    let body = json!({
        "name": sale, "hold_seconds": seconds, "checkout_grace_seconds": 1, "tiers": [tier],
    });
    assert_eq!(server.ask("PUT", &format!("/v1/sales/{sale}"), &body).0, 201);
    assert_eq!(server.ask("POST", &format!("/v1/sales/{sale}/open"), &Value::Null).0, 200);
}

/// A buyer's hold goes to the checkout; `None`: the server is gone, or refuses.
pub(crate) fn check_out(at: &str, sale: &str, buyer: &str, simulate: &str) -> Option<String> {
    let body = json!({ "tier": "ga", "quantity": 1, "buyer": buyer });
    let (_, hold) = ask(at, "POST", &format!("/v1/sales/{sale}/holds"), &body).ok()?;
    let id = hold["id"].as_str()?.to_owned();
    let path = format!("/v1/holds/{id}/checkout");
    let (status, _) = ask(at, "POST", &path, &json!({ "simulate": simulate })).ok()?;
    (status == 200).then_some(id)
}

/// What is said of a hold's payment.
pub(crate) fn payment(at: &str, hold: &str) -> Value {
    let looked = ask(at, "GET", &format!("/v1/holds/{hold}"), &Value::Null);
    looked.map_or(Value::Null, |(_, hold)| hold["payment"]["status"].clone())
}

/// Waits until a hold is paid; returns its order.
pub(crate) fn order(at: &str, hold: &str) -> String {
    wait_for("it is paid", || {
        let (_, found) = ask(at, "GET", &format!("/v1/holds/{hold}"), &Value::Null).ok()?;
        (found["payment"]["status"] == "paid").then(|| found["order"].as_str().unwrap().to_owned())
    })
}

/// The audit of a sale; `None`: something is still under way.
pub(crate) fn audit_at_rest(at: &str, sale: &str) -> Option<Value> {
    let asked = ask(at, "GET", &format!("/v1/sales/{sale}/audit"), &Value::Null);
    let (status, audit) = asked.ok()?;
    (status == 200 && audit["money"]["under_way"] == 0).then_some(audit)
}

/// Passes what is said to the provider on, and keeps what servers say.
struct Wire {
    address: String,
    seen: Arc<Mutex<String>>,
}

impl Wire {
    fn to(provider: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (provider, seen) = (provider.to_owned(), Arc::<Mutex<String>>::default());
        let kept = Arc::clone(&seen);
        thread::spawn(move || {
            for server in listener.incoming().map_while(Result::ok) {
                let Ok(bank) = TcpStream::connect(&provider) else { continue };
                let back = (bank.try_clone().unwrap(), server.try_clone().unwrap());
                let seen = Arc::clone(&kept);
                thread::spawn(move || pass(server, bank, Some(&seen)));
                thread::spawn(move || pass(back.0, back.1, None));
            }
        });
        Self { address, seen }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, seen: Option<&Mutex<String>>) {
    let mut buffer = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if let Some(seen) = seen {
            seen.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
