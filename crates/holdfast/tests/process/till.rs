//! Checkouts where something is short: the database is away, or the provider's budget is small.

use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use holdfast_testkit::Postgres;
use serde_json::{Value, json};

use crate::support::{
    KEY, Server, ask, ask_as, command, complaint, holdfast, reserve, signal, wait_for,
};

/// Sends a buyer's hold to the checkout; returns its id.
fn check_out(address: &str, buyer: &str) -> String {
    let (status, hold) = reserve(address, buyer).unwrap();
    assert_eq!(status, 201, "{hold}");
    let id = hold["id"].as_str().unwrap().to_owned();
    let (status, paying) = pay(address, &id);
    assert_eq!(status, 200, "{paying}");
    id
}

fn pay(address: &str, hold: &str) -> (u16, Value) {
    ask(address, "POST", &format!("/v1/holds/{hold}/checkout"), &json!({})).unwrap()
}

fn payment(address: &str, hold: &str) -> Value {
    let (status, hold) = ask(address, "GET", &format!("/v1/holds/{hold}"), &Value::Null).unwrap();
    assert_eq!(status, 200, "{hold}");
    hold["payment"]["status"].clone()
}

fn open_sale(server: &Server, capacity: usize, hold_seconds: u64) {
    let price = json!({ "amount": 100, "currency": "EUR" });
    let tier = json!({ "id": "ga", "name": "GA", "capacity": capacity, "price": price });
    let sale = json!({
        "name": "Club", "tiers": [tier],
        "hold_seconds": hold_seconds, "checkout_grace_seconds": hold_seconds * 2 / 5,
    });
    assert_eq!(server.ask("PUT", "/v1/sales/club", &sale).0, 201);
    assert_eq!(server.ask("POST", "/v1/sales/club/open", &Value::Null).0, 200);
}

/// The audit, once nothing is under way.
fn audit_at_rest(server: &Server, patience: Duration) -> Value {
    let begun = Instant::now();
    loop {
        // Thousands of payments take their time to be listed: who waits too long asks again.
        let answer = ask(&server.address, "GET", "/v1/sales/club/audit", &Value::Null);
        let (status, audit) = answer.unwrap_or((0, Value::Null));
        if status == 200 && audit["money"]["under_way"] == 0 {
            return audit;
        }
        assert!(begun.elapsed() < patience, "it does not come to rest: {audit}");
        thread::sleep(Duration::from_millis(100));
    }
}

fn seconds(variable: &str, default: u64) -> u64 {
    let named = std::env::var(variable).ok().and_then(|seconds| seconds.parse().ok());
    named.unwrap_or(default)
}

/// `HOLDFAST_OUTAGE_SECONDS=60` stops it for a minute; without it for a few seconds.
#[test]
fn while_postgres_is_away_holds_go_on_and_nothing_is_captured_without_its_order() {
    let outage = Duration::from_secs(seconds("HOLDFAST_OUTAGE_SECONDS", 4));
    let mut postgres = Postgres::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut serve = command(folder.path());
    serve.env("HOLDFAST_LEDGER", postgres.url()).args(["--payments-per-second", "200"]);
    let server = Server::spawn(&mut serve);
    open_sale(&server, 1_000, 600);
    let before: Vec<_> = (0..5).map(|nth| check_out(&server.address, &format!("a{nth}"))).collect();
    let is_paid = |hold: &String| (payment(&server.address, hold) == "paid").then_some(());
    before.iter().for_each(|hold| wait_for("it is paid", || is_paid(hold)));

    postgres.stop();
    let (begun, mut during) = (Instant::now(), Vec::new());
    while begun.elapsed() < outage {
        let asked = Instant::now();
        during.push(check_out(&server.address, &format!("b{}", during.len())));
        assert!(
            asked.elapsed() < Duration::from_secs(2),
            "a hold or a checkout waited for the ledger"
        );
        thread::sleep(Duration::from_millis(200));
    }
    for hold in &during {
        let status = payment(&server.address, hold);
        assert!(
            ["queued", "processing", "authorised"].contains(&status.as_str().unwrap()),
            "{status}"
        );
    }
    assert_eq!(server.ask("GET", "/v1/sales/club/audit", &Value::Null).0, 503);
    let order = server.ask("GET", "/v1/sales/club/orders", &Value::Null);
    assert_eq!((order.0, &order.1["code"]), (503, &json!("store_unavailable")));

    postgres.resume().unwrap();
    let audit = audit_at_rest(&server, Duration::from_secs(60));
    let all = before.len() + during.len();
    assert_eq!((&audit["ok"], &audit["money"]["paid"]), (&json!(true), &json!(all)), "{audit}");
    assert_eq!(audit["money"]["captured"], all, "{audit}");
}

/// Started with its database, or before it: the port is taken by something that is none yet.
#[test]
fn a_server_waits_for_its_postgres() {
    let mut postgres = Postgres::start().unwrap();
    postgres.stop();
    let not_yet = TcpListener::bind(("127.0.0.1", postgres.port())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut serve = command(folder.path());
    serve.env("HOLDFAST_LEDGER", postgres.url());
    let server = thread::spawn(move || Server::spawn(&mut serve));
    not_yet.set_nonblocking(true).unwrap();
    // It has asked, and is told nothing.
    drop(wait_for("it asks for its ledger", || not_yet.accept().ok()));
    assert!(!server.is_finished(), "it started without its ledger");
    drop(not_yet);
    postgres.resume().unwrap();
    let server = server.join().unwrap();
    open_sale(&server, 1, 600);
    let hold = check_out(&server.address, "alice");
    wait_for("it is paid", || (payment(&server.address, &hold) == "paid").then_some(()));
}

/// As many as a provider with 25 calls a second takes two thirds of a hold's time for. Ten times
/// faster than that; `HOLDFAST_PACE=1` plays it as it is.
#[test]
fn nobody_who_checks_out_in_time_loses_the_hold_to_the_providers_budget() {
    const BUYERS: usize = 5_000;
    let faster = seconds("HOLDFAST_PACE", 10);
    let folder = tempfile::tempdir().unwrap();
    let mut serve: Command = command(folder.path());
    serve.args(["--payments-per-second", &(25 * faster).to_string()]);
    let server = Server::spawn(&mut serve);
    open_sale(&server, BUYERS, 300 / faster);
    let (next, address) = (AtomicUsize::new(0), &server.address);
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let nth @ 0..BUYERS = next.fetch_add(1, Ordering::Relaxed) {
                    check_out(address, &format!("buyer-{nth}"));
                }
            });
        }
    });
    println!("{BUYERS} at the checkout after {:?}", begun.elapsed());
    let audit = audit_at_rest(&server, Duration::from_secs(600 / faster + 60));
    println!("paid after {:?}: {}", begun.elapsed(), audit["money"]);
    let holds = json!({ "held": 0, "paying": 0, "sold": BUYERS, "cancelled": 0, "expired": 0 });
    assert_eq!((&audit["ok"], &audit["holds"]), (&json!(true), &holds));
    assert_eq!(
        (&audit["money"]["paid"], &audit["money"]["captured"]),
        (&json!(BUYERS), &json!(BUYERS))
    );
}

/// A port that nothing listens at.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn webhooks_in_any_order_and_answers_that_are_lost_have_one_effect() {
    const SECRET: &str = "a-secret-for-the-tests";
    const BUYERS: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut provider = holdfast(folder.path());
    provider.args(["provider", "--listen", "127.0.0.1:0", "--secret", SECRET]);
    provider.args(["--webhooks", &format!("http://127.0.0.1:{port}/v1/webhooks/simulated")]);
    let bank = Server::spawn(&mut provider);
    let ill = json!({
        "lost": 0.1, "lost_error": 0.1, "busy": 0.05,
        "webhook_twice": 0.5, "webhook_reordered": 0.5, "webhook_late": 0.3, "webhook_never": 0.2,
    });
    let put = ask_as(SECRET, &bank.address, "PUT", "/manners", &ill).unwrap();
    assert!(put.0 < 300, "{put:?}");
    let mut serve = holdfast(folder.path());
    serve.args(["serve", "--data-dir", "data", "--listen", &format!("127.0.0.1:{port}")]);
    serve.env("HOLDFAST_MERCHANT_KEY", KEY).args(["--payments-per-second", "500"]);
    serve.arg("--payments").arg(format!("simulated=http://{}", bank.address));
    serve.env("HOLDFAST_PROVIDER_SECRET", SECRET);
    let server = Server::spawn(&mut serve);
    open_sale(&server, BUYERS, 600);
    let holds: Vec<_> =
        (0..BUYERS).map(|nth| check_out(&server.address, &format!("buyer-{nth}"))).collect();
    // Whoever does not hear an answer asks again, and no second payment comes of it.
    for hold in &holds {
        assert_eq!(pay(&server.address, hold).0, 200);
    }
    let audit = audit_at_rest(&server, Duration::from_secs(120));
    let money = json!([BUYERS, BUYERS, BUYERS * 100, BUYERS * 100]);
    let told = &audit["money"];
    let told =
        json!([told["paid"], told["captured"], told["paid_amount"], told["captured_amount"]]);
    assert_eq!((&audit["ok"], told), (&json!(true), money), "{audit}");
}

#[test]
fn a_server_does_not_start_with_a_ledger_or_a_provider_that_is_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    open_sale(&server, 2, 600);
    let hold = check_out(&server.address, "alice");
    wait_for("it is paid", || (payment(&server.address, &hold) == "paid").then_some(()));
    server.kill();
    let refused = |data: &str| {
        let output = command(&folder.path().join(data)).output().unwrap();
        assert!(!output.status.success());
        complaint(&output)
    };
    let away = |what: &str| std::fs::rename(data.join(what), folder.path().join(what)).unwrap();
    let back = |what: &str| std::fs::rename(folder.path().join(what), data.join(what)).unwrap();

    std::fs::create_dir(folder.path().join("other")).unwrap();
    std::fs::copy(data.join("ledger.sqlite"), folder.path().join("other/ledger.sqlite")).unwrap();
    std::fs::copy(data.join("ledger.sqlite-wal"), folder.path().join("other/ledger.sqlite-wal"))
        .unwrap();
    assert!(refused("other").contains("has the orders of another data folder"));

    away("provider");
    assert!(refused("data").contains("provider is missing"), "{}", refused("data"));
    back("provider");
    for file in ["ledger.sqlite", "ledger.sqlite-wal"] {
        away(file);
    }
    let _ = std::fs::remove_file(data.join("ledger.sqlite-shm"));
    assert!(refused("data").contains("is empty, and this folder's sales have had payments"));
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = std::fs::remove_file(data.join(file));
    }
    std::fs::write(data.join("ledger.sqlite"), "this is no database, and long enough to see")
        .unwrap();
    assert!(refused("data").contains("not a database"), "{}", refused("data"));
    for file in ["ledger.sqlite", "ledger.sqlite-wal"] {
        back(file);
    }
    let mut server = Server::start(&data);
    assert_eq!(audit_at_rest(&server, Duration::from_secs(10))["ok"], true);

    // A stop leaves everything in the one file.
    signal(&server.child, "-TERM");
    assert!(server.child.wait().unwrap().success());
    assert!(!data.join("ledger.sqlite-wal").exists(), "a backup of the file would miss something");
}
