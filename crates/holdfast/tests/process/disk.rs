//! Disks that fail under a real process: an error from the flush, and a disk that is full.
//!
//! Needs strace, and the right to make a mount namespace of one's own.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Server, command, reserve};
use serde_json::Value;

/// Runs `command` under another program: `wrapper… -- command…`, with the same environment.
fn under(wrapper: &mut Command, command: &Command) {
    wrapper.arg(command.get_program()).args(command.get_args());
    wrapper.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // A group of its own: whatever the wrapper started ends with it.
    wrapper.process_group(0);
}

#[test]
fn a_failed_flush_claims_nothing_until_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.open_sale(100, 86_400);
    server.kill();

    let log = folder.path().join("strace.log");
    let mut strace = Command::new("strace");
    // The first flushes belong to the start; from the 40th on the disk is gone.
    let inject = "inject=fdatasync:error=EIO:when=40+";
    strace.args(["-f", "-qq", "-e", "trace=fdatasync", "-e", inject]);
    // The journal's flushes, not the ledger's.
    for number in 1..=9 {
        let name = format!("journal/journal-{number:010}.log");
        strace.arg("-P").arg(folder.path().join(name));
    }
    strace.arg("-o").arg(&log);
    under(&mut strace, &command(folder.path()));
    let server = Server::spawn(&mut strace);
    // Nobody holds a unit, so no flush is the engine's own: the one that fails is a request's.
    let (mut told, mut failed) = (100, None);
    for capacity in 101..300 {
        let body = serde_json::json!({ "capacity": capacity });
        match server.ask("PATCH", "/v1/sales/club/tiers/ga", &body) {
            (200, _) => told = capacity,
            (503, problem) => {
                failed = Some(problem["code"].as_str().unwrap().to_owned());
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(failed.as_deref(), Some("outcome_unknown"), "the flush that failed says so");
    for path in ["/readyz", "/v1/sales/club", "/v1/sales/club/holds"] {
        let (status, problem) = server.ask("GET", path, &Value::Null);
        assert_eq!((status, &problem["code"]), (503, &"store_unavailable".into()), "{path}");
    }
    let (status, problem) = reserve(&server.address, "late").unwrap();
    assert_eq!((status, &problem["code"]), (503, &"store_unavailable".into()));
    end_group(&server);

    let server = Server::start(folder.path());
    let there = server.tier()["capacity"].as_u64().unwrap();
    assert!(there == told || there == told + 1, "{there} there, {told} told, one unknown");
    assert_eq!(server.tier()["held"], 0, "who was refused holds nothing");
}

#[test]
fn a_full_disk_is_refused_honestly_and_left_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=3m tmpfs \"$0\" && exec \"$@\"";
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", mount]).arg(folder.path());
    let mut serve = command(folder.path());
    // One segment fits on the disk and no second one.
    serve.args(["--journal-segment-bytes", "2097152"]);
    under(&mut unshare, &serve);
    let server = Server::spawn(&mut unshare);
    server.open_sale(10_000_000, 86_400);
    let told = fill(&server);
    let tier = server.tier();
    assert_eq!(tier["held"].as_u64().unwrap(), told, "what was told is there, and no more");

    // Room again: the disk grows, nobody restarts.
    let grow = Command::new("nsenter")
        .args(["--user", "--mount", "--preserve-credentials", "--target"])
        .arg(server.child.id().to_string())
        .args(["mount", "-o", "remount,size=100m"])
        .arg(folder.path())
        .status()
        .unwrap();
    assert!(grow.success());
    let deadline = Instant::now() + Duration::from_secs(10);
    while reserve(&server.address, "after").unwrap().0 != 201 {
        assert!(Instant::now() < deadline, "there is room, and still it refuses");
        std::thread::sleep(Duration::from_millis(50));
    }
    end_group(&server);
}

/// Fills the disk by holds until one is refused; returns how many were told. Every append takes a
/// sector at least, so many callers at a time would only share frames: one at a time fills faster.
fn fill(server: &Server) -> u64 {
    for n in 0..200_000_u64 {
        match reserve(&server.address, &format!("buyer-{n}")).unwrap() {
            (201, _) => {}
            (503, problem) => {
                assert_eq!(problem["code"], "store_unavailable");
                assert!(problem["detail"].as_str().unwrap().contains("disk is full"), "{problem}");
                return n;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("the disk never filled");
}

/// Ends the wrapper and the server under it.
fn end_group(server: &Server) {
    let group = format!("-{}", server.child.id());
    let ended = Command::new("kill").args(["-KILL", "--", &group]).status().unwrap();
    assert!(ended.success());
}
