//! kill -9 under load: every hold that a client was told of is there after the restart.
//!
//! `HOLDFAST_KILLS=50` kills fifty times; without it five times.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Server, command, reserve};
use serde_json::Value;

/// Units a round: fewer than a crowd takes, so that the sale is full in the end and no sooner.
const UNITS_A_ROUND: u32 = 300;
const CROWD: usize = 4;

#[test]
fn a_hold_that_was_told_survives_kill_9() {
    let kills = std::env::var("HOLDFAST_KILLS").ok().and_then(|kills| kills.parse().ok());
    let folder = tempfile::tempdir().unwrap();
    let lost = kill_and_count(folder.path(), kills.unwrap_or(5), Server::start);
    assert_eq!(lost, BTreeSet::new());
}

/// The control: a server that answers before it writes is caught.
#[cfg(feature = "planted")]
#[test]
fn a_server_that_answers_before_it_writes_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let planted =
        |folder: &Path| Server::spawn(command(folder).env("HOLDFAST_PLANTED", "answers_first"));
    assert!(!kill_and_count(folder.path(), 5, planted).is_empty(), "a lost hold went unnoticed");
}

/// Kills the server again and again under load; returns the holds that were told and are gone.
fn kill_and_count(folder: &Path, kills: u64, start: impl Fn(&Path) -> Server) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    let mut server = start(folder);
    let capacity = UNITS_A_ROUND * u32::try_from(kills).unwrap();
    server.open_sale(capacity, 86_400);
    let mut restarts = Vec::new();
    for round in 0..kills {
        // Not evenly spaced, and the same in every run.
        let moment = Duration::from_millis(40 + round * 37 % 160);
        told.extend(crowd_until_kill(server, round, moment));
        server = start(folder);
        restarts.push(server.started_in);
        let there = holds(&server);
        assert!(there.len() <= capacity as usize, "{} holds of {capacity}", there.len());
        let tier = server.tier();
        assert_eq!(tier["held"], there.len());
        let lost: BTreeSet<String> = told.difference(&there).cloned().collect();
        if !lost.is_empty() {
            return lost;
        }
    }
    restarts.sort_unstable();
    println!(
        "{} holds told, restart median {:?}, longest {:?}",
        told.len(),
        restarts[restarts.len() / 2],
        restarts.last()
    );
    assert!(told.len() > 20, "too few holds to prove anything: {}", told.len());
    BTreeSet::new()
}

/// Several buyers at a time ask until the server is killed; returns the holds they were told of.
fn crowd_until_kill(server: Server, round: u64, moment: Duration) -> BTreeSet<String> {
    let (address, over) = (server.address.clone(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let buyers = |thread: usize| {
            let (address, over) = (&address, &over);
            move || {
                let mut told = Vec::new();
                for n in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let answer = reserve(address, &format!("buyer-{round}-{thread}-{n}"));
                    if let Ok((201, hold)) = answer {
                        told.push(hold["id"].as_str().unwrap().to_owned());
                    }
                }
                told
            }
        };
        let threads: Vec<_> = (0..CROWD).map(|thread| scope.spawn(buyers(thread))).collect();
        let begun = Instant::now();
        std::thread::sleep(moment.saturating_sub(begun.elapsed()));
        server.kill();
        over.store(true, Ordering::Relaxed);
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// The ids of all live holds.
fn holds(server: &Server) -> BTreeSet<String> {
    let (mut all, mut path) = (BTreeSet::new(), "/v1/sales/club/holds?limit=1000".to_owned());
    loop {
        let (status, page) = server.ask("GET", &path, &Value::Null);
        assert_eq!(status, 200);
        for hold in page["items"].as_array().unwrap() {
            assert_eq!(hold["status"], "held");
            all.insert(hold["id"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else { return all };
        path = format!("/v1/sales/club/holds?limit=1000&after={next}");
    }
}

#[test]
fn a_second_server_on_the_same_folder_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(folder.path());
    let second = command(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    assert!(said.contains(&format!("in use by process {}", first.child.id())), "{said}");
}
