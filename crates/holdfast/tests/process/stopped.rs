//! SIGSTOP: a process that was stopped costs its buyers at most one step of the sale clock, and one of
//! several says nothing that is over.

use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use holdfast_testkit::{Redis, RedisOptions};
use serde_json::{Value, json};

use crate::cluster::Shared;
use crate::edge::{metric, metrics};
use crate::support::{Server, reserve, signal, wait_for};

const HOLD_SECONDS: u32 = 3;
const STOPPED: Duration = Duration::from_secs(4);

/// Holds one unit, stops the process for longer than the hold lasts, and says what is left of the
/// hold: its status and the milliseconds that remain. Then waits until the unit is free again.
fn hold_and_stop(server: &Server) -> (String, u64) {
    server.open_sale(1, HOLD_SECONDS);
    let (status, hold) = reserve(&server.address, "alice").unwrap();
    assert_eq!(status, 201);
    let path = format!("/v1/holds/{}", hold["id"].as_str().unwrap());
    signal(&server.child, "-STOP");
    sleep(STOPPED);
    signal(&server.child, "-CONT");
    let look = server.ask("GET", &path, &Value::Null).1;
    (look["status"].as_str().unwrap().to_owned(), look["remaining_ms"].as_u64().unwrap())
}

#[test]
fn a_stopped_process_costs_a_buyer_less_than_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (status, remaining_ms) = hold_and_stop(&server);
    assert_eq!(status, "held");
    // One step of 500 ms, and what passed before and after the stop.
    assert!(remaining_ms > 2_000, "{remaining_ms} ms left of 3,000");

    let deadline = Instant::now() + Duration::from_millis(remaining_ms);
    assert_eq!(reserve(&server.address, "bob").unwrap().1["code"], "all_held");
    sleep(deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(250));
    assert_eq!(server.tier()["free"], 1, "offered again by itself");
}

/// The control: a clock that takes steps of any length is caught.
#[cfg(feature = "planted")]
#[test]
fn a_clock_that_jumps_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::spawn(
        crate::support::command(folder.path()).env("HOLDFAST_PLANTED", "clock_uncapped"),
    );
    let (status, _) = hold_and_stop(&server);
    assert_eq!(status, "expired", "the stop went unnoticed");
}

#[test]
fn a_node_that_stood_still_says_nothing_that_is_over_and_does_no_harm() {
    let shared = Shared::start();
    let redis = Redis::start(&RedisOptions::default()).unwrap();
    let still = shared.node("node-0", &redis.url(), 1);
    let other = shared.node("node-1", &redis.url(), 1);
    still.open_sale(1, 60);
    wait_for("the other knows the sale", || (other.tier()["free"] == json!(1)).then_some(()));
    signal(&still.child, "-STOP");
    let (status, hold) = reserve(&other.address, "quick").unwrap();
    assert_eq!(status, 201, "{hold}");
    let nodes = || metric(&metrics(&other.address), "holdfast_nodes");
    wait_for("it is taken off the roll", || nodes().filter(|&nodes| nodes < 2.0));
    // It hears them when it goes on.
    let address = still.address.clone();
    let asking: Vec<_> = (0..8)
        .map(|nth| {
            let address = address.clone();
            thread::spawn(move || reserve(&address, &format!("late-{nth}")))
        })
        .collect();
    sleep(Duration::from_millis(200));
    signal(&still.child, "-CONT");
    for answer in asking {
        let (status, body) = answer.join().unwrap().unwrap();
        assert!(matches!(status, 409 | 503), "{status} {body}");
    }
    // It is back, as somebody else, and knows what it has missed.
    let again = wait_for("it answers", || {
        reserve(&still.address, "quick").ok().filter(|(status, _)| *status != 503)
    });
    assert_eq!((again.0, &again.1["id"]), (200, &hold["id"]), "{}", again.1);
    assert_eq!(reserve(&still.address, "late-0").unwrap().0, 409);
    wait_for("both live", || nodes().filter(|&nodes| nodes > 1.0));
    let epochs = [&still, &other].map(|it| metric(&metrics(&it.address), "holdfast_redis_epoch"));
    assert_eq!(epochs, [Some(1.0); 2]);
}
