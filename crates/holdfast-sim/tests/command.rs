//! The command itself, as whoever runs it sees it.

use std::io::Read;
use std::process::{Command, Output, Stdio};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-sim"));
    command.args(arguments).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn counts_sales_and_writes_no_progress_into_a_file() {
    let output = run(&["run", "--sales", "20", "--seed", "5"]);
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}");
    let played = out.lines().find_map(|line| line.strip_prefix("played ")).expect("it says so");
    let numbers: Vec<u64> = played.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [sales, runs] = numbers[..] else { panic!("{played}") };
    assert!((20..=22).contains(&sales) && runs <= sales, "{played}");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn the_threads_do_not_matter() {
    let trace = |threads| {
        let output = run(&["run", "--sales", "20", "--seed", "5", "--threads", threads]);
        let out = text(&output.stdout);
        out.lines().find(|line| line.starts_with("trace ")).map(str::to_owned)
    };
    assert!(trace("1").is_some());
    assert_eq!(trace("1"), trace("3"));
}

#[test]
fn a_reader_who_has_read_enough_does_no_harm() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_holdfast-sim"))
        .args(["run", "--sales", "20", "--seed", "5"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut first = [0];
    child.stdout.take().expect("a pipe").read_exact(&mut first).expect("a byte");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(text(&output.stderr), "");
    assert!(output.status.success());
}

/// Without this a run that panics might hang the series, or end it without a word.
#[cfg(feature = "planted")]
#[test]
fn a_panic_ends_the_series_and_names_its_seed() {
    let output = run(&["run", "--sales", "1000000", "--seed", "5", "--panic-in", "7"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(101), "{out}");
    let seed = holdfast_sim::rng::seed_of(5, 7);
    assert!(out.contains(&format!("holdfast-sim replay --seed {seed}")), "{out}");
    assert!(text(&output.stderr).contains("as was asked for"));
}

#[test]
fn tells_the_same_stories_each_time() {
    let told = || {
        let output = run(&["cluster", "--stories", "4", "--from", "3"]);
        let out = text(&output.stdout);
        assert!(output.status.success(), "{out}");
        assert_eq!(text(&output.stderr), "");
        let lines = out.lines().filter(|line| !line.starts_with("took "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let first = told();
    assert!(first[0].starts_with("told        4 stories from seed 3"), "{first:?}");
    assert_eq!(first, told());
}
