//! Durable decisions through the engine's handle, beside the disk's own flush and beside the
//! same handle with next to no rules.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use holdfast_core::{BuyerId, Command, Reserve, SaleId, TierId};
use holdfast_engine::{Engine, Handle, Options as ServiceOptions, SaleRef, Service};
use holdfast_store::journal::{self, Journal};
use holdfast_store::{SystemClock, SystemDisk};

use crate::rules::config;
use crate::sample::{median, rate};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Numbers of callers, each with one request at a time.
    #[arg(long, value_delimiter = ',', default_value = "64,1024,16384")]
    callers: Vec<usize>,
    /// Seconds of each run.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Alternating runs of each.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Where the journal goes; on the disk that is to be measured.
    #[arg(long, default_value = "target")]
    folder: std::path::PathBuf,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.folder)?;
    let seconds = Duration::from_secs_f64(options.seconds);
    let flush = flush_times(&options.folder, seconds.min(Duration::from_secs(1)))?;
    println!("one flush of 64 KiB: p50 {} us, p99 {} us", at(&flush, 0.5), at(&flush, 0.99));
    println!("callers    holds/s    p50_us   p99_us   no_rules/s  holds/no_rules");
    for &callers in &options.callers {
        let mut holds = Vec::new();
        let mut empty = Vec::new();
        let mut latencies = Vec::new();
        for _ in 0..options.runs {
            let (rate, mut latency) = measure(&options.folder, callers, seconds, hold)?;
            holds.push(rate);
            latencies.append(&mut latency);
            empty.push(measure(&options.folder, callers, seconds, resize)?.0);
        }
        latencies.sort_unstable();
        let (holds, empty) = (median(holds), median(empty));
        let (p50, p99) = (at(&latencies, 0.5), at(&latencies, 0.99));
        let ratio = holds / empty;
        println!("{callers:<10} {holds:<10.0} {p50:<8} {p99:<8} {empty:<11.0} {ratio:.2}");
    }
    Ok(())
}

/// A new hold for a buyer who was never seen before.
fn hold(number: usize) -> anyhow::Result<Command> {
    let mut digits = [b'0'; 16];
    for (at, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[number >> (4 * (15 - at)) & 15];
    }
    let buyer = BuyerId::new(std::str::from_utf8(&digits)?)?;
    let tier = TierId::new("standing")?;
    Ok(Command::Reserve(Reserve { buyer, tier, quantity: 1, key: None }))
}

/// The cheapest command that is written: it sets one number.
fn resize(number: usize) -> anyhow::Result<Command> {
    let capacity = 5_000_000 + u32::try_from(number % 5_000_000)?;
    Ok(Command::SetCapacity { tier: TierId::new("standing")?, capacity })
}

type Make = fn(usize) -> anyhow::Result<Command>;

/// Decisions a second, and some latencies in microseconds.
fn measure(
    folder: &Path,
    callers: usize,
    seconds: Duration,
    make: Make,
) -> anyhow::Result<(f64, Vec<u64>)> {
    let folder = tempfile::tempdir_in(folder)?;
    let clock = Arc::new(SystemClock::new());
    let disk = Arc::new(SystemDisk::open(folder.path())?);
    let journal = Journal::open(disk, clock.clone(), journal::Options::default())?;
    let upkeep = journal.upkeep();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let keeper = std::thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(20)).is_err_and(|e| !is_over(e)) {
            let _ = upkeep.prepare_segment();
        }
    });
    let keep_all = ServiceOptions { snapshot_bytes: u64::MAX, ..ServiceOptions::default() };
    let service = Service::start(Engine::open(journal, clock, 1)?, keep_all)?;
    let handle = service.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let crowd = async { crowd(handle.on_this_runtime(), callers, seconds, make).await };
    let measured = runtime.block_on(crowd);
    drop(handle);
    service.stop();
    drop(stop);
    keeper.join().ok().context("the upkeep thread ended by a panic")?;
    measured
}

fn is_over(error: std::sync::mpsc::RecvTimeoutError) -> bool {
    error == std::sync::mpsc::RecvTimeoutError::Disconnected
}

async fn crowd(
    handle: Handle,
    callers: usize,
    seconds: Duration,
    make: Make,
) -> anyhow::Result<(f64, Vec<u64>)> {
    let sale = SaleRef::Id(SaleId::new("benchmark")?);
    let config = config(TierId::new("standing")?, 10_000_000);
    handle.execute(sale, Command::Configure(Box::new(config))).await?;
    handle.execute(sale, Command::Open).await?;
    let started = Instant::now();
    let caller = |first: usize| {
        let handle = handle.clone();
        async move {
            let (mut count, mut latencies) = (0, Vec::new());
            let mut number = first;
            loop {
                let asked = (count % 16 == 0).then(Instant::now);
                handle.execute(sale, make(number)?).await?;
                if let Some(asked) = asked {
                    latencies.push(u64::try_from(asked.elapsed().as_micros())?);
                    if started.elapsed() >= seconds {
                        break;
                    }
                }
                (number, count) = (number + callers, count + 1);
            }
            anyhow::Ok((count, latencies))
        }
    };
    let local = tokio::task::LocalSet::new();
    let tasks: Vec<_> = (0..callers).map(|first| local.spawn_local(caller(first))).collect();
    local.await;
    let took = started.elapsed();
    let (mut decisions, mut latencies) = (0, Vec::new());
    for task in tasks {
        let (count, mut latency) = task.await??;
        decisions += count;
        latencies.append(&mut latency);
    }
    Ok((rate(decisions, took), latencies))
}

/// How long the disk takes to make 64 KiB of an allocated file durable, sorted, in microseconds.
fn flush_times(folder: &Path, seconds: Duration) -> anyhow::Result<Vec<u64>> {
    const BLOCK: usize = 64 << 10;
    const BLOCKS: usize = 256;
    let folder = tempfile::tempdir_in(folder)?;
    let file = File::create_new(folder.path().join("floor"))?;
    file.write_all_at(&vec![0; BLOCK * BLOCKS], 0)?;
    file.sync_all()?;
    let (block, started, mut times) = (vec![1; BLOCK], Instant::now(), Vec::new());
    while started.elapsed() < seconds {
        let begun = Instant::now();
        file.write_all_at(&block, (times.len() % BLOCKS * BLOCK) as u64)?;
        file.sync_data()?;
        times.push(u64::try_from(begun.elapsed().as_micros())?);
    }
    times.sort_unstable();
    Ok(times)
}

fn at(sorted: &[u64], share: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length"
    )]
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
}
