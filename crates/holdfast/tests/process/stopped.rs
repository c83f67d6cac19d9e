//! SIGSTOP: a process that was stopped costs its buyers at most one step of the sale clock.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{Server, reserve, signal};
use serde_json::Value;

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
