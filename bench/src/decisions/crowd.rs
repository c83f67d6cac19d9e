//! Callers who ask a running engine, each again as soon as it has answered.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use holdfast_core::{Command, SaleId, TierId};
use holdfast_engine::{Engine, Handle, Options as ServiceOptions, SaleRef, Service};
use holdfast_store::journal::{self, Journal};
use holdfast_store::{SystemClock, SystemDisk};

use super::Kind;
use super::cpu::Cpu;
use crate::rules::config;
use crate::sample::rate;

/// Every so many requests of a caller are timed. A prime, and counted from another start for each
/// caller, so that the samples keep step with nothing.
const SAMPLE_EVERY: usize = 17;

/// What a run came to.
pub(super) struct Measured {
    /// Decisions a second.
    pub(super) rate: f64,
    /// Some latencies, in microseconds.
    pub(super) latencies: Vec<u64>,
    /// Nanoseconds of a decision on the engine's thread, the callers' and the flusher's.
    pub(super) cpu: [f64; 3],
}

/// Callers who ask a running engine for a while.
pub(super) fn measure(
    folder: &Path,
    callers: usize,
    seconds: Duration,
    kind: Kind,
) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir_in(folder)?;
    let clock = Arc::new(SystemClock::new());
    let disk = Arc::new(SystemDisk::open(folder.path())?);
    let journal = Journal::open(disk, clock.clone(), journal::Options::default())?;
    let upkeep = journal.upkeep();
    let (stop, stopped) = channel::<()>();
    let keeper = std::thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout) {
            let _ = upkeep.prepare_segment();
        }
    });
    let keep_all = ServiceOptions { snapshot_bytes: u64::MAX, ..ServiceOptions::default() };
    let service = Service::start(Engine::open(journal, clock, 1)?, keep_all)?;
    let handle = service.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let crowd = async { crowd(handle.on_this_runtime(), callers, seconds, kind).await };
    let measured = runtime.block_on(crowd);
    drop(handle);
    service.stop();
    drop(stop);
    keeper.join().ok().context("the upkeep thread ended by a panic")?;
    measured
}

async fn crowd(
    handle: Handle,
    callers: usize,
    seconds: Duration,
    kind: Kind,
) -> anyhow::Result<Measured> {
    let sale = SaleRef::Id(SaleId::new("benchmark")?);
    let config = config(TierId::new("standing")?, 10_000_000);
    handle.execute(sale, Command::Configure(Box::new(config))).await?;
    handle.execute(sale, Command::Open).await?;
    let (started, cpu) = (Instant::now(), Cpu::now());
    let caller = |first: usize| {
        let handle = handle.clone();
        async move {
            let (mut count, mut latencies) = (0, Vec::new());
            let mut number = first;
            loop {
                let is_sample = count % SAMPLE_EVERY == first % SAMPLE_EVERY;
                let asked = is_sample.then(Instant::now);
                let outcome = handle.execute(sale, (kind.make)(number)?).await?.outcome;
                ensure!((kind.is_right)(&outcome), "another outcome: {outcome:?}");
                (number, count) = (number + callers, count + 1);
                if let Some(asked) = asked {
                    latencies.push(u64::try_from(asked.elapsed().as_micros())?);
                    if started.elapsed() >= seconds {
                        break;
                    }
                }
            }
            anyhow::Ok((count, latencies))
        }
    };
    let local = tokio::task::LocalSet::new();
    let tasks: Vec<_> = (0..callers).map(|first| local.spawn_local(caller(first))).collect();
    local.await;
    let (took, spent) = (started.elapsed(), Cpu::now());
    let (mut decisions, mut latencies) = (0, Vec::new());
    for task in tasks {
        let (count, mut latency) = task.await??;
        decisions += count;
        latencies.append(&mut latency);
    }
    let cpu = spent.each_since(cpu, decisions);
    Ok(Measured { rate: rate(decisions, took), latencies, cpu })
}
