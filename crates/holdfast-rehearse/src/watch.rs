//! Watches the rush from beside it: the public view of the sale, and the machine.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::Options;
use crate::exchange::Answer;
use crate::machine::{TurnedAway, Usage, UsageClock, cpu_of};
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
    /// What this machine's cores did since the sample before.
    pub(crate) usage: Option<Usage>,
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
    /// The crowd's processes and the server's, if it is known.
    counted: Vec<u32>,
    server: Option<u32>,
    is_here: bool,
}

impl Watch {
    /// Begins nothing before it is told the start.
    pub(crate) fn new(
        shop: &Shop,
        options: &Options,
        bin: Duration,
        generators: Vec<u32>,
    ) -> io::Result<Self> {
        let crowd = generators.into_iter().chain([std::process::id()]);
        let watcher = Watcher {
            counted: crowd.chain(options.server_process).collect(),
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
    /// What the machine did in this stretch: how long each piece of it was, and what was done.
    pub(crate) fn usage(
        &self,
        from: Duration,
        to: Duration,
    ) -> impl Iterator<Item = (Duration, Usage)> {
        let before = [Duration::ZERO].into_iter().chain(self.samples.iter().map(|s| s.at));
        let pieces = self.samples.iter().zip(before);
        // A sample tells of the time before it.
        let within = move |sample: &Sample| sample.at > from && sample.at <= to + LOOK_EVERY;
        pieces.filter_map(move |(sample, before)| {
            let usage = sample.usage.filter(|_| within(sample))?;
            Some((sample.at.saturating_sub(before), usage))
        })
    }
}

impl Watcher {
    fn watch(&self, start: Instant, is_over: &Receiver<()>) -> Watched {
        let before = (TurnedAway::so_far(), self.server.and_then(cpu_of));
        let mut clock = None;
        let mut samples = Vec::new();
        let mut next = start;
        loop {
            let wait = next.saturating_duration_since(Instant::now());
            let over = is_over.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected);
            // It starts before the first look, which may take long.
            let clock = clock.get_or_insert_with(|| UsageClock::start(self.counted.clone()));
            let tier = self.look();
            let usage = clock.since_last();
            samples.push(Sample { at: start.elapsed(), tier, usage });
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
