//! Pacing: providers take so many calls in a second and refuse the rest, so calls wait here first.
//!
//! Slots are leased from the ledger, a second's worth at a time, so that several nodes together stay
//! below the account's budget.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use holdfast_ledger::Ledger;
use tokio::sync::Mutex;

use crate::world::World;

/// How long to rest when no slot could be leased.
const REST: Duration = Duration::from_millis(250);

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
    lines: [Line; Endpoint::ALL.len()],
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
        Self { per_second, lines: Default::default() }
    }

    /// How long whoever comes now would wait for this endpoint.
    pub(crate) fn wait(&self, endpoint: Endpoint) -> Duration {
        let waiting = self.lines[endpoint as usize].waiting.load(Ordering::Relaxed);
        Duration::from_secs(1) * waiting / self.per_second.max(1)
    }

    /// Waits for this endpoint's next free slot, behind all who have come before.
    pub(crate) async fn take<W: World>(&self, world: &W, endpoint: Endpoint) {
        let line = &self.lines[endpoint as usize];
        let _waiting = Waiting::new(&line.waiting);
        let _turn = line.gate.lock().await;
        self.take_first(world, endpoint).await;
    }

    /// The same in front of all who have not been served yet: while they wait their time stands
    /// still, and that of whoever comes back runs.
    pub(crate) async fn take_first<W: World>(&self, world: &W, endpoint: Endpoint) {
        let line = &self.lines[endpoint as usize];
        let mut slots = line.slots.lock().await;
        let at_us = loop {
            match slots.pop_front() {
                Some(at_us) => break at_us,
                None => self.lease(world, endpoint, &mut slots).await,
            }
        };
        let ahead_us = at_us.saturating_sub(world.wall_ms() * 1_000);
        if ahead_us > 0 {
            // No slot is further ahead than a second, unless the wall has stepped.
            world.sleep(Duration::from_micros(ahead_us).min(Duration::from_secs(1))).await;
        }
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
