//! How long a restart takes with many holds: from the journal's folder to the first answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use holdfast_core::{BuyerId, Command, Reserve, SaleId, TierId};
use holdfast_engine::{Engine, Request, SaleRef, keep};
use holdfast_store::journal::{self, Journal};
use holdfast_store::{SystemClock, SystemDisk};

use crate::rules::config;
use crate::sample::median;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Holds to restart with.
    #[arg(long, default_value_t = 1_000_000)]
    holds: usize,
    /// Restarts of each kind.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Where the journal goes.
    #[arg(long, default_value = "target")]
    folder: PathBuf,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.folder)?;
    let folder = tempfile::tempdir_in(&options.folder)?;
    fill(folder.path(), options.holds)?;
    println!("holds      from        restart_ms");
    let replay = restarts(folder.path(), options.runs)?;
    println!("{:<10} {:<11} {replay:.0}", options.holds, "the log");
    let engine = open(folder.path())?;
    keep(engine.records().as_ref(), &engine.logs(), 0)?;
    drop(engine);
    let snapshot = restarts(folder.path(), options.runs)?;
    println!("{:<10} {:<11} {snapshot:.0}", options.holds, "a snapshot");
    Ok(())
}

fn open(folder: &Path) -> anyhow::Result<Engine<Journal, ()>> {
    let clock = Arc::new(SystemClock::new());
    let disk = Arc::new(SystemDisk::open(folder)?);
    let journal = Journal::open(disk, clock.clone(), journal::Options::default())?;
    Ok(Engine::open(journal, clock, 1)?)
}

/// Median milliseconds from the folder to an engine that answers.
fn restarts(folder: &Path, runs: usize) -> anyhow::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..runs {
        let started = Instant::now();
        let mut engine = open(folder)?;
        ask(&mut engine, [Command::Open])?;
        times.push(started.elapsed());
    }
    Ok(median(times.iter().map(Duration::as_secs_f64).collect()) * 1_000.0)
}

fn fill(folder: &Path, holds: usize) -> anyhow::Result<()> {
    let tier = TierId::new("standing")?;
    let mut engine = open(folder)?;
    let config = config(tier, u32::try_from(holds)?);
    ask(&mut engine, [Command::Configure(Box::new(config))])?;
    ask(&mut engine, [Command::Open])?;
    let numbers: Vec<usize> = (0..holds).collect();
    for batch in numbers.chunks(10_000) {
        let reserve = |&number: &usize| {
            let buyer = BuyerId::new(&format!("{number:016x}"))?;
            Ok(Command::Reserve(Reserve { buyer, tier, quantity: 1, key: None }))
        };
        ask(&mut engine, batch.iter().map(reserve).collect::<anyhow::Result<Vec<_>>>()?)?;
    }
    Ok(())
}

fn ask(
    engine: &mut Engine<Journal, ()>,
    commands: impl IntoIterator<Item = Command>,
) -> anyhow::Result<()> {
    let sale = SaleRef::Id(SaleId::new("benchmark")?);
    let request = |command| Request::Do { sale, command, reply: () };
    let mut requests: Vec<_> = commands.into_iter().map(request).collect();
    let (asked, mut replies) = (requests.len(), Vec::new());
    engine.turn(&mut requests, &mut replies);
    ensure!(replies.len() == asked && replies.iter().all(|(_, reply)| reply.is_ok()), "no answer");
    Ok(())
}
