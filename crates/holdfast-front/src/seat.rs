//! Where a connection stands: whether it waits for its peer, and since when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use tokio::sync::Notify;

/// One connection's place at its listener. Everyone who touches it is on the listener's thread.
pub(crate) struct Seat {
    opened: Instant,
    /// Requests whose answer is not finished.
    asked: AtomicU32,
    /// Of these, requests whose body has not arrived.
    arriving: AtomicU32,
    /// When the last answer was finished, in milliseconds after `opened`.
    answered_ms: AtomicU64,
    is_evicted: AtomicBool,
    evicted: Notify,
}

/// A request that has not been answered yet.
pub(crate) struct Asked(Arc<Seat>);

/// A request whose body has not arrived yet.
pub(crate) struct Arriving(Arc<Seat>);

impl Seat {
    pub(crate) fn new(opened: Instant) -> Arc<Self> {
        Arc::new(Self {
            opened,
            asked: AtomicU32::new(0),
            arriving: AtomicU32::new(0),
            answered_ms: AtomicU64::new(0),
            is_evicted: AtomicBool::new(false),
            evicted: Notify::new(),
        })
    }

    /// How long the server has waited for this peer, in milliseconds. `None`: it is the peer who
    /// waits.
    pub(crate) fn waited_ms(&self, now: Instant) -> Option<u64> {
        if self.asked.load(Relaxed) > self.arriving.load(Relaxed) {
            return None;
        }
        Some(self.age_ms(now).saturating_sub(self.answered_ms.load(Relaxed)))
    }

    pub(crate) fn asked(self: &Arc<Self>) -> Asked {
        self.asked.fetch_add(1, Relaxed);
        Asked(Arc::clone(self))
    }

    pub(crate) fn arriving(self: &Arc<Self>) -> Arriving {
        self.arriving.fetch_add(1, Relaxed);
        Arriving(Arc::clone(self))
    }

    /// Tells the connection to go.
    pub(crate) fn evict(&self) {
        self.is_evicted.store(true, Relaxed);
        self.evicted.notify_one();
    }

    pub(crate) fn is_evicted(&self) -> bool {
        self.is_evicted.load(Relaxed)
    }

    /// Comes back once the connection is to go.
    pub(crate) async fn evicted(&self) {
        if !self.is_evicted() {
            self.evicted.notified().await;
        }
    }

    fn age_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.opened).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let Self(seat) = self;
        if seat.asked.fetch_sub(1, Relaxed) == 1 {
            seat.answered_ms.store(seat.age_ms(Instant::now()), Relaxed);
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.0.arriving.fetch_sub(1, Relaxed);
    }
}
