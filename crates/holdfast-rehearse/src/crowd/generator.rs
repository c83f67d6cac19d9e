//! A generator plays a part of the crowd on one thread.
//!
//! It knows the moments of its buyers and begins each when it is time, whether or not those before
//! were answered.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedSender};

use super::alarm::Alarm;
use super::buy::{Buy, Ending};
use super::visit::{Call, visit};
use crate::duration::us;
use crate::manners::Manners;
use crate::series::Series;
use crate::shop::{Access, Shop};
use crate::{BuyerLimit, Stop};

/// Buyers whose requests are made ready before the rush; those after are made when it is time.
const READY_MAX: usize = 500_000;
/// Buyers who are due within this time are begun together at high rates, to spare the clock.
const GRAIN: Duration = Duration::from_micros(100);

/// What a generator is to do. It holds secrets, so it cannot be printed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) access: Access,
    pub(crate) manners: Manners,
    /// What buyers come under.
    pub(crate) limit: BuyerLimit,
    pub(crate) seed: u64,
    #[serde(with = "us")]
    pub(crate) patience: Duration,
    /// Connections that may be open at a time.
    pub(crate) connections: usize,
    #[serde(with = "us")]
    pub(crate) bin: Duration,
    /// Buyers and their moments in microseconds from the start, in order.
    pub(crate) buyers: Vec<(u32, u64)>,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Played {
    /// One for each buyer who is done, in no order: all of them, unless they were stopped.
    pub(crate) buys: Vec<Buy>,
    pub(crate) series: Series,
    pub(crate) effort: Effort,
}

/// How hard a generator had it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Effort {
    /// Time not idle: at work, or ready to work.
    #[serde(with = "us")]
    pub(crate) active: Duration,
    /// The part of it in which every core was busy with something else.
    #[serde(with = "us")]
    pub(crate) starved: Duration,
    /// The part of it in which it had a core.
    #[serde(with = "us")]
    pub(crate) cpu: Duration,
}

/// How far a generator is, for whoever wants to know meanwhile.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counters {
    pub(crate) started: AtomicU64,
    pub(crate) won: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unanswered: AtomicU64,
    pub(crate) vanished: AtomicU64,
}

/// Everything that visits share.
pub(super) struct Stage {
    pub(super) shop: Shop,
    pub(super) manners: Manners,
    pub(super) limit: BuyerLimit,
    pub(super) seed: u64,
    pub(super) patience: Duration,
    pub(super) connections: Semaphore,
    pub(super) start: Instant,
    counters: Arc<Counters>,
    series: Mutex<Series>,
}

/// A generator with everything ready.
pub(crate) struct Generator {
    runtime: Runtime,
    alarm: Alarm,
    stage: Stage,
    calls: Vec<Call>,
}

impl Stage {
    /// Time since the start.
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn series(&self) -> MutexGuard<'_, Series> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generator {
    /// Makes everything ready that would take time in the rush.
    pub(crate) fn new(job: Job, counters: Arc<Counters>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let alarm = runtime.block_on(async { Alarm::new() })?;
        let shop = Shop::new(job.access);
        let mut series = Series::new(job.bin);
        let call = |(place, (buyer, us)): (usize, (u32, u64))| {
            let due = Duration::from_micros(us);
            series.at(due).due += 1;
            // What cannot be made is found again, and told, when it is this buyer's turn.
            let ask = (place < READY_MAX).then(|| shop.reserve(buyer, true).ok()).flatten();
            Call { buyer, due, ask }
        };
        let calls = job.buyers.into_iter().enumerate().map(call).collect();
        let stage = Stage {
            shop,
            manners: job.manners,
            limit: job.limit,
            seed: job.seed,
            patience: job.patience,
            connections: Semaphore::new(job.connections.clamp(1, Semaphore::MAX_PERMITS)),
            start: Instant::now(),
            counters,
            series: Mutex::new(series),
        };
        Ok(Self { runtime, alarm, stage, calls })
    }

    /// Plays until every buyer is done, or until all are to stop: whoever is under way then has
    /// no result.
    pub(crate) fn play(mut self, start: Instant, stop: &Stop) -> io::Result<Played> {
        self.stage.start = start;
        let (stage, before) = (Arc::new(self.stage), Effort::so_far(&self.runtime));
        // Everything that waits in it is a buyer who is done.
        let (done, mut ended) = mpsc::unbounded_channel();
        let mut buys = Vec::with_capacity(self.calls.len());
        self.runtime.block_on(async {
            let work = async {
                begin(&stage, self.calls, &self.alarm, done).await?;
                while let Some(buy) = ended.recv().await {
                    buys.push(buy);
                }
                io::Result::Ok(())
            };
            tokio::select! { () = stop.given() => Ok(()), played = work => played }
        })?;
        while let Ok(buy) = ended.try_recv() {
            buys.push(buy);
        }
        let effort = Effort::so_far(&self.runtime).since(before);
        let series = stage.series().clone();
        Ok(Played { buys, series, effort })
    }
}

/// Begins each buyer when it is time; each tells when they are done.
async fn begin(
    stage: &Arc<Stage>,
    calls: Vec<Call>,
    alarm: &Alarm,
    done: UnboundedSender<Buy>,
) -> io::Result<()> {
    for call in calls {
        loop {
            // The start may lie ahead, also for who is due at it.
            let moment = stage.start + call.due;
            let wait = moment.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                break;
            }
            alarm.after(wait.max(GRAIN)).await?;
        }
        stage.counters.started.fetch_add(1, Ordering::Relaxed);
        let (stage, done) = (Arc::clone(stage), done.clone());
        tokio::spawn(async move {
            let buy = visit(&stage, call).await;
            stage.counters.count(&buy.ending);
            // Nobody to tell means that the rehearsal has been given up.
            let _ = done.send(buy);
        });
    }
    Ok(())
}

impl Counters {
    fn count(&self, ending: &Ending) {
        let counter = match ending {
            Ending::Won(_) => &self.won,
            Ending::Lost(_) => &self.lost,
            Ending::Refused(_) => &self.refused,
            Ending::Unanswered(_) => &self.unanswered,
            Ending::Vanished => &self.vanished,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes over what another one says.
    pub(crate) fn set(&self, other: &Self) {
        for (mine, other) in self.all().into_iter().zip(other.all()) {
            mine.store(other.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    fn all(&self) -> [&AtomicU64; 6] {
        [&self.started, &self.won, &self.lost, &self.refused, &self.unanswered, &self.vanished]
    }
}

impl Effort {
    /// Of this thread.
    fn so_far(runtime: &Runtime) -> Self {
        let active = runtime.metrics().worker_total_busy_duration(0);
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        let cpu = Duration::try_from(cpu).unwrap_or_default();
        Self { active, starved: starved().unwrap_or_default(), cpu }
    }

    fn since(self, before: Self) -> Self {
        let active = self.active.saturating_sub(before.active);
        Self {
            active,
            starved: self.starved.saturating_sub(before.starved).min(active),
            cpu: self.cpu.saturating_sub(before.cpu),
        }
    }
}

/// How long this thread has been ready to run but was not, as Linux counts it.
fn starved() -> Option<Duration> {
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(counts.split_whitespace().nth(1)?.parse().ok()?))
}
