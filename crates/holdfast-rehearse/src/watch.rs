//! Watches the rush from beside it: the public view of the sale, and the machine.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::Options;
use crate::exchange::Answer;
use crate::machine::{Ticks, TurnedAway, cpu_of};
use crate::shop::Shop;
use crate::wire::{SaleView, TierView};

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The same while every moment counts.
const LOOK_EVERY_SHORT: Duration = Duration::from_millis(100);
/// How long a look may take.
const LOOK_MAX: Duration = Duration::from_secs(1);

/// What was seen at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// From the start of the rush, when the view had come.
    pub(crate) at: Duration,
    /// What the server said of its units, if it did.
    pub(crate) tier: Option<TierView>,
    /// How busy this machine's cores were since the sample before, 0 to 100.
    pub(crate) machine_busy_percent: Option<f64>,
}

/// What was seen of the rush from beside it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    pub(crate) samples: Vec<Sample>,
    /// If the server is on this machine.
    pub(crate) turned_away: Option<TurnedAway>,
    /// Processor time of the server, if its process is known.
    pub(crate) server_cpu: Option<Duration>,
}

/// A watch that is being kept.
pub(crate) struct Watch {
    start: Option<Sender<Instant>>,
    end: Sender<()>,
    thread: JoinHandle<Watched>,
}

/// Who watches.
struct Watcher {
    runtime: Runtime,
    shop: Shop,
    every: Duration,
    server: Option<u32>,
    is_here: bool,
}

impl Watch {
    /// Begins nothing before it is told the start.
    pub(crate) fn new(shop: &Shop, options: &Options, bin: Duration) -> io::Result<Self> {
        let watcher = Watcher {
            runtime: Builder::new_current_thread().enable_all().build()?,
            shop: Shop::new(shop.access().clone()),
            every: if bin < LOOK_EVERY { LOOK_EVERY_SHORT } else { LOOK_EVERY },
            server: options.server_process,
            is_here: options.target.is_here(),
        };
        let (start, at) = channel();
        let (end, is_over) = channel();
        let work =
            move || at.recv().map_or_else(|_| Watched::default(), |at| watcher.watch(at, &is_over));
        let thread = thread::Builder::new().name("watch".into()).spawn(work)?;
        Ok(Self { start: Some(start), end, thread })
    }

    pub(crate) fn start(&self, at: Instant) {
        // Its thread waits for nothing else.
        let _ = self.start.as_ref().map(|start| start.send(at));
    }

    /// What was seen.
    pub(crate) fn end(mut self) -> Watched {
        drop(self.start.take());
        drop(self.end);
        self.thread.join().unwrap_or_default()
    }
}

impl Watched {
    /// How busy the machine was in this stretch, as samples of 0 to 100.
    pub(crate) fn busy(&self, from: Duration, to: Duration) -> impl Iterator<Item = f64> {
        // A sample tells of the time before it.
        let within = move |sample: &&Sample| sample.at > from && sample.at <= to + LOOK_EVERY;
        self.samples.iter().filter(within).filter_map(|s| s.machine_busy_percent)
    }
}

impl Watcher {
    fn watch(&self, start: Instant, is_over: &Receiver<()>) -> Watched {
        let before = (TurnedAway::so_far(), self.server.and_then(cpu_of));
        let mut ticks = None;
        let mut samples = Vec::new();
        let mut next = start;
        loop {
            let wait = next.saturating_duration_since(Instant::now());
            let over = is_over.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected);
            // The clock of the cores starts before the first look, which may take long.
            let begun = ticks.is_none().then(Ticks::now).flatten();
            let tier = self.look();
            let now = begun.or_else(Ticks::now);
            let busy = now.zip(ticks).and_then(|(now, before)| now.busy_percent_since(before));
            let is_new = ticks.is_none() || busy.is_some();
            let at = start.elapsed();
            samples.push(Sample { at, tier, machine_busy_percent: busy });
            if is_new {
                ticks = now;
            }
            if over {
                break;
            }
            // Looks that a slow server made late are left out.
            next = (next + self.every).max(Instant::now());
        }
        let since = |(now, before): (TurnedAway, TurnedAway)| now.since(before);
        let turned_away = TurnedAway::so_far().zip(before.0).map(since);
        let server_cpu = self.server.and_then(cpu_of).zip(before.1);
        Watched {
            samples,
            turned_away: turned_away.filter(|_| self.is_here),
            server_cpu: server_cpu.map(|(now, before)| now.saturating_sub(before)),
        }
    }

    fn look(&self) -> Option<TierView> {
        let ask = self.shop.view();
        let asked = async { timeout(LOOK_MAX, self.shop.once(&ask, u32::MAX)).await };
        let answer = self.runtime.block_on(asked).ok()?.ok()?;
        tier(&answer)
    }
}

/// The one tier, if the answer tells it.
pub(crate) fn tier(answer: &Answer) -> Option<TierView> {
    let view: SaleView = serde_json::from_slice(&answer.body).ok()?;
    view.tiers.first().copied().filter(|_| answer.status == 200)
}
