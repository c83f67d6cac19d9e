//! Buyers who come at a steady rate, each once, and what they were told.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};

use super::design::{Answer, Shop, Till};

/// Threads, each with a till.
const TILLS: usize = 4;
/// Buyers who come to each till at a time, and how often: 5,000 a second in all, so that 5,000
/// units last for a second.
const BATCH: u32 = 25;
const EVERY: Duration = Duration::from_millis(20);

/// How long it may take until something awaited comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// No unit was to be had for so long: nobody will get one any more.
const QUIET: Duration = Duration::from_secs(2);

/// A crowd at work.
pub(super) struct Crowd {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    next: AtomicU32,
    is_over: AtomicBool,
    told: Mutex<Told>,
}

/// What buyers were told so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Who got a unit, and when they were told.
    pub(super) held: Vec<(u32, Instant)>,
    pub(super) sold_out: u32,
    pub(super) unknown: u32,
}

impl Told {
    /// Who got a unit.
    pub(super) fn buyers(&self) -> Vec<u32> {
        self.held.iter().map(|&(buyer, _)| buyer).collect()
    }
}

impl Crowd {
    /// Sends buyers, until it is ended.
    pub(super) fn start(shop: &mut dyn Shop) -> anyhow::Result<Self> {
        let shared = Arc::<Shared>::default();
        let tills = shop.tills(TILLS)?;
        let threads = tills.into_iter().map(|mut till| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.come(&mut *till))
        });
        Ok(Self { threads: threads.collect(), shared })
    }

    /// How many got a unit so far.
    pub(super) fn held(&self) -> u32 {
        count(&self.shared.lock().held)
    }

    /// Waits until so many have got a unit.
    pub(super) fn await_told(&self, units: u32) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.held() < units {
            ensure!(begun.elapsed() < PATIENCE, "only {} got a unit", self.held());
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Waits until units are no longer to be had.
    pub(super) fn await_quiet(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut last = (self.held(), Instant::now());
        while last.1.elapsed() < QUIET {
            ensure!(begun.elapsed() < PATIENCE, "units are still to be had");
            let held = self.held();
            if held != last.0 {
                last = (held, Instant::now());
            }
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Sends no more; what all were told.
    pub(super) fn end(self) -> anyhow::Result<Told> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().map_err(|_| anyhow!("a thread of the crowd has panicked"))?;
        }
        Ok(self.shared.lock().clone())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Buyers come to a till. While it keeps them waiting the others stay away: they have gone to
    /// another.
    fn come(&self, till: &mut dyn Till) {
        while !self.is_over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let first = self.next.fetch_add(BATCH, Ordering::Relaxed);
            let buyers = first..first + BATCH;
            self.note(buyers.clone(), &till.buy(buyers));
            sleep(EVERY.saturating_sub(begun.elapsed()));
        }
    }

    fn note(&self, buyers: Range<u32>, answers: &[Answer]) {
        let now = Instant::now();
        let mut told = self.lock();
        for (buyer, answer) in buyers.zip(answers) {
            match answer {
                Answer::Held => told.held.push((buyer, now)),
                Answer::SoldOut => told.sold_out += 1,
                Answer::Unknown => told.unknown += 1,
            }
        }
    }
}

/// As many as there are: buyers are counted in 32 bits.
pub(super) fn count<T>(all: &[T]) -> u32 {
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}
