//! A node and Redis' last seconds are lost while payments are in every stage: orders come back from the
//! ledger, holds by their ids, and nobody pays twice.

use holdfast_testkit::{Redis, RedisOptions};
use serde_json::{Value, json};

use crate::cluster::Shared;
use crate::support::{Server, ask, wait_for};

const BUYERS: usize = 20;

fn buyer(nth: usize) -> String {
    format!("buyer-{nth}")
}

fn hold(node: &Server, nth: usize) -> String {
    let body = json!({ "tier": "ga", "quantity": 1, "buyer": buyer(nth) });
    let (status, hold) = node.ask("POST", "/v1/sales/club/holds", &body);
    assert_eq!(status, 201, "{hold}");
    hold["id"].as_str().unwrap().to_owned()
}

fn check_out(node: &Server, hold: &str, simulate: &str) {
    let body = json!({ "simulate": simulate });
    let (status, answer) = node.ask("POST", &format!("/v1/holds/{hold}/checkout"), &body);
    assert_eq!(status, 200, "{answer}");
}

/// As the merchant sees it, without claiming it for anybody.
fn look(node: &Server, hold: &str) -> Value {
    node.ask("GET", &format!("/v1/holds/{hold}"), &Value::Null).1
}

fn wait_until_payment_is(status: &str, node: &Server, hold: &str) {
    wait_for(status, || (look(node, hold)["payment"]["status"] == status).then_some(()));
}

/// Sells, loses and goes on. Returns the node that goes on, and all holds: the first was refunded, seven
/// were paid, four payments take their time, four have just begun, and four buyers only hold.
fn lose(shared: &Shared, redis: &mut Redis, bug: Option<&str>) -> (Server, Vec<String>) {
    let node = shared.node("node-0", &redis.url(), 1);
    node.open_sale(60, 60);
    let before = redis.backup().unwrap();
    let holds: Vec<String> = (0..BUYERS).map(|nth| hold(&node, nth)).collect();
    holds[8..12].iter().for_each(|hold| check_out(&node, hold, "slow"));
    holds[..8].iter().for_each(|hold| check_out(&node, hold, "approve"));
    holds[..8].iter().for_each(|hold| wait_until_payment_is("paid", &node, hold));
    let order = look(&node, &holds[0])["order"].as_str().unwrap().to_owned();
    assert_eq!(node.ask("POST", &format!("/v1/orders/{order}/refund"), &json!({})).0, 202);
    wait_for("it is refunded", || {
        let order = node.ask("GET", &format!("/v1/orders/{order}"), &Value::Null).1;
        (order["status"] == "refunded").then_some(())
    });
    holds[12..16].iter().for_each(|hold| check_out(&node, hold, "approve"));
    node.kill();
    redis.kill();
    redis.roll_back(&before).unwrap();
    redis.restart().unwrap();
    let mut command = shared.command("node-1", &redis.url(), 1);
    command.envs(bug.map(|bug| ("HOLDFAST_PLANTED", bug)));
    (Server::spawn(&mut command), holds)
}

/// Whoever has a hold and no order shows its id, and pays. What was authorised before is found.
fn claim_and_pay(node: &Server, holds: &[String]) {
    for (nth, hold) in holds.iter().enumerate().skip(8) {
        let path = format!("/v1/holds/{hold}?buyer={}", buyer(nth));
        let (status, claimed) = node.ask("GET", &path, &Value::Null);
        assert_eq!(status, 200, "{claimed}");
        assert_eq!(claimed["id"], hold.as_str());
        check_out(node, hold, "approve");
    }
    holds[8..].iter().for_each(|hold| wait_until_payment_is("paid", node, hold));
}

fn audit_at_rest(node: &Server) -> Value {
    wait_for("nothing is under way", || {
        let asked = ask(&node.address, "GET", "/v1/sales/club/audit", &Value::Null);
        let (status, audit) = asked.ok()?;
        (status == 200 && audit["money"]["under_way"] == 0).then_some(audit)
    })
}

#[test]
fn what_was_paid_is_sold_again_and_whoever_held_pays_once() {
    let shared = Shared::start();
    let mut redis = Redis::start(&RedisOptions::default()).unwrap();
    let (node, holds) = lose(&shared, &mut redis, None);
    let sale = node.ask("GET", "/v1/sales/club", &Value::Null).1;
    assert!(sale["doubt_until"].is_string(), "{sale}");
    holds[1..8].iter().for_each(|hold| wait_until_payment_is("paid", &node, hold));
    wait_until_payment_is("refunded", &node, &holds[0]);
    claim_and_pay(&node, &holds);
    let audit = audit_at_rest(&node);
    assert_eq!(audit["ok"], true, "{audit}");
    let money = ["orders", "paid", "captured"].map(|count| audit["money"][count].clone());
    assert_eq!(money, [20, 19, 19].map(Value::from), "{audit}");
    let tier = node.tier();
    let counts = ["free", "held", "sold", "withheld"].map(|count| tier[count].clone());
    assert_eq!(counts, [0, 0, 19, 41].map(Value::from), "{tier}");
}

#[cfg(feature = "planted")]
#[test]
fn a_server_that_leaves_orders_out_is_caught_by_the_audit() {
    let shared = Shared::start();
    let mut redis = Redis::start(&RedisOptions::default()).unwrap();
    let (node, holds) = lose(&shared, &mut redis, Some("forgets_orders"));
    claim_and_pay(&node, &holds);
    let audit = audit_at_rest(&node);
    assert_eq!(audit["ok"], false, "{audit}");
}
