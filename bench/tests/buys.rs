//! The benchmark of buys, on real processes: those servers that need no Go.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use serde_json::Value;

/// The benchmark of these servers, short, in a folder of its own.
fn buys(folder: &Path, servers: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_holdfast-bench"));
    let mut command = Command::new(program);
    let last_core = available_parallelism().map_or(1, usize::from) - 1;
    command
        .args(["buys", "--only", servers, "--patience", "0"])
        .args(["--load-core", &last_core.min(1).to_string(), "--folder"])
        .arg(folder);
    // Whoever tests the whole workspace has built the server already.
    let server = program.with_file_name("holdfast");
    if server.is_file() {
        command.arg("--server").arg(server);
    }
    command
}

/// Whether any process was started with this folder, and lives.
fn is_used(folder: &Path) -> bool {
    let folder = folder.as_os_str().as_encoded_bytes();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut told = processes.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
    told.any(|line| line.windows(folder.len()).any(|part| part == folder))
}

fn assert_nothing_is_left(folder: &Path) {
    assert!(!is_used(folder), "a server lives on");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "a server's folder is still there");
}

/// What one round of these servers came to. Nothing is left of it.
fn rows(servers: &str, arguments: &[&str]) -> Vec<Value> {
    let (folder, out) = (tempfile::tempdir_in(".").unwrap(), tempfile::tempdir().unwrap());
    let folder = folder.path().canonicalize().unwrap();
    let json = out.path().join("results.json");
    let mut command = buys(&folder, servers);
    command.args(["--rounds", "1", "--connections", "8", "--json"]).arg(&json).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_nothing_is_left(&folder);
    let results: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    results["rows"].as_array().unwrap().clone()
}

#[test]
fn every_server_answers_every_load_and_nothing_is_left() {
    let mut seen: Vec<String> = Vec::new();
    for row in rows("holdfast,axum,epoll", &["--seconds", "0.1"]) {
        assert!(row["runs"][0]["answered"].as_u64().unwrap() > 0, "{row}");
        let (workload, server) = (row["workload"].as_str(), row["server"].as_str());
        seen.push(format!("{} {}", workload.unwrap(), server.unwrap()));
    }
    let all = ["winners", "mix", "fresh"]
        .map(|load| ["holdfast", "axum", "epoll"].map(|server| format!("{load} {server}")));
    assert_eq!(seen, all.concat());
}

#[test]
fn on_redis_its_own_share_is_counted_apart() {
    let servers = "redis,redis-three,three-on-redis";
    let rows = rows(servers, &["--seconds", "0.3", "--workloads", "winners"]);
    assert_eq!(rows.len(), 3);
    for row in rows {
        let run = &row["runs"][0];
        let figure = |name: &str| run[name].as_f64().unwrap();
        assert!(figure("answered") > 0.0 && figure("p50_us") > 0.0, "{row}");
        assert!(figure("redis_us") > 0.0 && figure("process_us") > figure("redis_us"), "{row}");
    }
}

#[test]
fn ctrl_c_stops_the_server_and_removes_its_folder() {
    let folder = tempfile::tempdir_in(".").unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let mut command = buys(&folder, "holdfast,axum,epoll");
    let mut child =
        command.args(["--rounds", "1", "--seconds", "30"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
    while !is_used(&folder.join("buys-")) {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        std::thread::yield_now();
    }
    assert!(
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success()
    );
    assert!(!child.wait().unwrap().success());
    assert_nothing_is_left(&folder);
}
