//! Pacing: providers take so many calls in a second and refuse the rest, so calls wait here first.
//!
//! Slots are leased from the ledger, a second's worth at a time, so that several nodes together stay
//! below the account's budget.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{self, Arc, PoisonError};
use std::time::Duration;

use holdfast_ledger::Ledger;
use tokio::sync::Mutex;

use crate::world::World;

/// How long to rest when no slot could be leased.
const REST: Duration = Duration::from_millis(250);

/// How often it is said that the provider refuses calls, in milliseconds.
const SAY_EVERY_MS: u64 = 60_000;

/// For how long a slot that was not needed can be used, in microseconds.
const KEPT_US: u64 = 1_000_000;

/// What a provider counts calls by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Authorise,
    Capture,
    Cancel,
    Refund,
    Look,
}

impl Endpoint {
    const ALL: [Self; 5] = [Self::Authorise, Self::Capture, Self::Cancel, Self::Refund, Self::Look];

    fn name(self) -> &'static str {
        match self {
            Self::Authorise => "authorise",
            Self::Capture => "capture",
            Self::Cancel => "cancel",
            Self::Refund => "refund",
            Self::Look => "look",
        }
    }
}

/// The budgets of a provider's endpoints.
#[derive(Debug)]
pub(crate) struct Budgets {
    per_second: u32,
    lines: [Arc<Line>; Endpoint::ALL.len()],
    /// Payments that wait for their turn, whichever node carries them, when that was last counted.
    queued: AtomicU32,
    /// When it was last said that the provider refuses calls, on the wall.
    said_ms: AtomicU64,
}

/// Those who wait for one endpoint: first come, first served, and before all of them whoever was
/// served already and has to ask again.
#[derive(Debug, Default)]
struct Line {
    waiting: AtomicU32,
    /// One of those who come for the first time waits for a slot; the others wait here.
    gate: Mutex<()>,
    /// Moments for calls that have been leased, on the wall, in microseconds since 1970 UTC.
    slots: Mutex<VecDeque<u64>>,
    /// Those among them that were taken and not needed.
    returned: sync::Mutex<Vec<u64>>,
}

impl Line {
    /// A slot that was given back and is not too old: many old ones at once would be a burst.
    fn take_back(&self, now_ms: u64) -> Option<u64> {
        let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
        returned.retain(|at_us| at_us.saturating_add(KEPT_US) > now_ms * 1_000);
        returned.pop()
    }
}

/// A moment at which a call may be made. It goes back to its line unless it is spent.
#[derive(Debug)]
#[must_use]
pub(crate) struct Slot {
    line: Arc<Line>,
    at_us: u64,
}

impl Slot {
    /// The call is made.
    pub(crate) fn spend(mut self) {
        self.at_us = 0;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.at_us > 0 {
            let returned = self.line.returned.lock();
            returned.unwrap_or_else(PoisonError::into_inner).push(self.at_us);
        }
    }
}

/// Counts one who waits, for as long as they do.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Budgets {
    pub(crate) fn new(per_second: u32) -> Self {
        let (lines, queued, said_ms) = Default::default();
        Self { per_second, lines, queued, said_ms }
    }

    /// Payments that wait for their turn on all nodes together.
    pub(crate) fn note_queued(&self, payments: u32) {
        self.queued.store(payments, Ordering::Relaxed);
    }

    /// The provider has refused a call within its budget: says so, now and then.
    pub(crate) fn was_refused(&self, now_ms: u64) {
        let is_time = |said_ms: u64| now_ms.saturating_sub(said_ms) >= SAY_EVERY_MS;
        let claim = |said_ms| is_time(said_ms).then_some(now_ms);
        if self.said_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok() {
            let per_second = self.per_second;
            tracing::warn!(
                per_second,
                "the provider takes fewer calls a second than the server's budget: payments are slow"
            );
        }
    }

    /// How long whoever comes now would wait for this endpoint.
    pub(crate) fn wait(&self, endpoint: Endpoint) -> Duration {
        let here = self.lines[endpoint as usize].waiting.load(Ordering::Relaxed);
        let everywhere = match endpoint {
            Endpoint::Authorise => self.queued.load(Ordering::Relaxed),
            _ => 0,
        };
        Duration::from_secs(1) * here.max(everywhere) / self.per_second.max(1)
    }

    /// Waits for this endpoint's next free slot, behind all who have come before.
    pub(crate) async fn take<W: World>(&self, world: &W, endpoint: Endpoint) -> Slot {
        let line = &self.lines[endpoint as usize];
        let _waiting = Waiting::new(&line.waiting);
        let _turn = line.gate.lock().await;
        self.take_first(world, endpoint).await
    }

    /// The same in front of all who have not been served yet: while they wait their time stands
    /// still, and that of whoever comes back runs.
    pub(crate) async fn take_first<W: World>(&self, world: &W, endpoint: Endpoint) -> Slot {
        let line = &self.lines[endpoint as usize];
        let mut slots = line.slots.lock().await;
        let at_us = loop {
            match line.take_back(world.wall_ms()).or_else(|| slots.pop_front()) {
                Some(at_us) => break at_us,
                None => self.lease(world, endpoint, &mut slots).await,
            }
        };
        let ahead_us = at_us.saturating_sub(world.wall_ms() * 1_000);
        if ahead_us > 0 {
            // No slot is further ahead than a second, unless the wall has stepped.
            world.sleep(Duration::from_micros(ahead_us).min(Duration::from_secs(1))).await;
        }
        Slot { line: Arc::clone(line), at_us }
    }

    async fn lease<W: World>(&self, world: &W, endpoint: Endpoint, slots: &mut VecDeque<u64>) {
        let waiting = self.lines[endpoint as usize].waiting.load(Ordering::Relaxed);
        let want = waiting.clamp(1, self.per_second.max(1));
        let now_ms = world.wall_ms();
        match world.ledger().lease(endpoint.name(), self.per_second, want, now_ms).await {
            Ok(lease) if lease.granted > 0 => slots.extend(lease.slots()),
            Ok(_) => world.sleep(REST).await,
            Err(error) => {
                tracing::warn!(%error, endpoint = endpoint.name(), "no calls could be leased");
                world.sleep(REST).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_is_not_spent_goes_back_and_is_good_for_a_second() {
        let line = Arc::<Line>::default();
        let slot = |at_ms: u64| Slot { line: Arc::clone(&line), at_us: at_ms * 1_000 };
        slot(5_000).spend();
        assert_eq!(line.take_back(5_000), None);
        drop(slot(5_000));
        assert_eq!(line.take_back(5_900), Some(5_000_000));
        assert_eq!(line.take_back(5_900), None, "once");
        drop(slot(5_000));
        assert_eq!(line.take_back(6_100), None, "too old");
    }
}
