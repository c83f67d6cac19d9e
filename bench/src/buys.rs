//! Buys over HTTP: what a core spends on each, beside a bare axum handler, a bare epoll responder,
//! and the common design of a Go service in front of Redis.
//!
//! The server has one core, the load another. Every server runs once a round, in turn, on a fresh
//! state; medians are taken over rounds. See docs/benchmarks.md.

mod build;
mod cpu;
mod disk;
mod load;
mod process;
mod redis;
mod requests;
mod results;
mod server;
mod shop;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueEnum;
use holdfast_testkit::interrupt;
use serde::Serialize;

use cpu::Meter;
use load::Plan;
use requests::Requests;
use results::{Measured, Results};
use server::{Kind, Stage};

pub(crate) const SALE: &str = "benchmark";
/// The tier that has units for all.
pub(crate) const OPEN: &str = "open";
/// The tier whose only unit is held before the first buy.
pub(crate) const GONE: &str = "gone";

/// Not measured: connections open, memory is touched, the runtime of Go finds its heap.
const WARM_UP: Duration = Duration::from_millis(700);
/// Tokens are made for a run of so many seconds, at most.
const SECONDS_MAX: f64 = 600.0;
/// What other programs may use without a run being disturbed, in cores.
const QUIET: f64 = 0.05;
/// How long it takes to see whether they do.
const LOOK: Duration = Duration::from_millis(250);
/// Buyers made for each second of a run; more than Holdfast or Redis answer.
const BUYERS_PER_SECOND: f64 = 120_000.0;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds; in each, every server runs once.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each run, after a warm-up of at most 0.7.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Connections that are open at a time, each with one request at a time.
    #[arg(long, value_delimiter = ',', default_value = "64,256")]
    connections: Vec<usize>,
    /// Servers to run [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Kind>,
    /// What is asked of them [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    workloads: Vec<Workload>,
    /// Where servers keep what must survive; on a real disk.
    #[arg(long, default_value = "target")]
    folder: PathBuf,
    /// Seconds to wait, in each run, for other programs to leave the machine alone. After that the
    /// run that was disturbed least counts.
    #[arg(long, default_value_t = 60.0)]
    patience: f64,
    /// The core on which servers run.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The core from which the load comes.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// The server to measure, instead of one that is built now from this source.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Also write all results as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Workload {
    /// Every buy wins, on connections that stay open. This is the one that binds.
    Winners,
    /// One buy in ten wins, for the others every unit is held; connections stay open.
    Mix,
    /// Every buy wins, each on a connection of its own.
    Fresh,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let kinds = or_all(&options.only);
    std::fs::create_dir_all(&options.folder)?;
    let disk = disk::of(&options.folder)?;
    let server = options.server.clone();
    interrupt::note()?;
    let stage = Stage::new(&options.folder, &kinds, options.server_core, server)?;
    process::pin(options.load_core)?;
    let buyers = options.buyers();
    eprintln!("signing {buyers} tokens; data in {}, on {disk}", options.folder.display());
    let mut requests = Requests::new(stage.secret(), buyers)?;
    let mut results = Results::default();
    for round in 1..=options.rounds {
        for (workload, connections) in options.loads() {
            requests.set(workload);
            let seconds = Duration::from_secs_f64(options.seconds.clamp(0.0, SECONDS_MAX));
            let warm_up = WARM_UP.min(seconds);
            let is_fresh = workload == Workload::Fresh;
            let plan = Plan { connections, is_fresh, warm_up, seconds };
            for &kind in &kinds {
                let measured = undisturbed(&stage, kind, &requests, &plan, options)
                    .with_context(|| format!("{kind:?}, {workload:?}"))?;
                let what = measured.describe();
                eprintln!("round {round}, {workload:?} {connections}, {kind:?}: {what}");
                results.push(kind, workload, connections, measured);
            }
        }
    }
    results.print();
    let Some(path) = &options.json else { return Ok(()) };
    let json = serde_json::to_string_pretty(&results)?;
    std::fs::write(path, json).with_context(|| format!("write {}", path.display()))
}

fn or_all<T: ValueEnum>(chosen: &[T]) -> Vec<T> {
    if chosen.is_empty() { T::value_variants().to_vec() } else { chosen.to_vec() }
}

impl Options {
    /// What is asked, on how many connections: the one that binds on all, the others on the most.
    fn loads(&self) -> Vec<(Workload, usize)> {
        let mut loads = Vec::new();
        for workload in or_all(&self.workloads) {
            let last = self.connections.len().saturating_sub(1);
            let first = if workload == Workload::Winners { 0 } else { last };
            loads.extend(self.connections[first..].iter().map(|&count| (workload, count)));
        }
        loads
    }

    /// The server's core and the load's.
    fn cores(&self) -> (usize, usize) {
        (self.server_core, self.load_core)
    }

    fn buyers(&self) -> usize {
        let seconds = WARM_UP.as_secs_f64() + self.seconds;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let buyers = (BUYERS_PER_SECOND * seconds.clamp(0.1, SECONDS_MAX)) as usize;
        buyers
    }
}

/// Runs until one run was undisturbed, or patience is at its end.
fn undisturbed(
    stage: &Stage,
    kind: Kind,
    requests: &Requests,
    plan: &Plan,
    options: &Options,
) -> anyhow::Result<Measured> {
    let end = Instant::now() + Duration::from_secs_f64(options.patience.clamp(0.0, 86_400.0));
    let nobody = Meter::new(options.cores(), BTreeSet::new(), BTreeSet::new());
    let mut best: Option<Measured> = None;
    loop {
        while nobody.others_during(LOOK)? > QUIET && Instant::now() < end {
            interrupt::check()?;
        }
        let measured = one(stage, kind, requests, plan, options)?;
        if best.as_ref().is_none_or(|best| measured.others < best.others) {
            best = Some(measured);
        }
        if let Some(best) = best.take_if(|best| best.others <= QUIET || Instant::now() >= end) {
            return Ok(best);
        }
    }
}

/// A server from its start to its end.
fn one(
    stage: &Stage,
    kind: Kind,
    requests: &Requests,
    plan: &Plan,
    options: &Options,
) -> anyhow::Result<Measured> {
    let server = stage.start(kind)?;
    let meter = Meter::new(options.cores(), server.pids(), server.data_pids());
    let load = load::run(server.addresses(), requests, plan, || meter.read())?;
    server.stop()?;
    Ok(Measured::new(&load))
}
