//! Whether an overload stands at any of a front's listeners, or has stood a short while ago.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

/// For so long after an overload a queue counts as another one, and not as a rush.
const WARY: Duration = Duration::from_secs(60);

/// How often is looked whether that time is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the listeners of a front know of an overload. The kernel spreads connections evenly: what
/// one has found out all know. Clones are one.
#[derive(Clone)]
pub(crate) struct Standing(Arc<Shared>);

struct Shared {
    begun: Instant,
    /// At how many listeners a queue stands that does not pass.
    listeners: AtomicUsize,
    /// Until when the overload before is kept in mind, in milliseconds after `begun`.
    wary_until_ms: AtomicU64,
    changed: Notify,
}

impl Default for Standing {
    fn default() -> Self {
        Self(Arc::new(Shared {
            begun: Instant::now(),
            listeners: AtomicUsize::new(0),
            wary_until_ms: AtomicU64::new(0),
            changed: Notify::new(),
        }))
    }
}

impl Standing {
    /// A listener has found a queue that does not pass.
    pub(crate) fn begins(&self) {
        self.0.listeners.fetch_add(1, Relaxed);
        self.0.changed.notify_waiters();
    }

    /// The queue that a listener has found is gone.
    pub(crate) fn ends(&self) {
        let until = self.0.begun.elapsed() + WARY;
        let until_ms = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.0.wary_until_ms.store(until_ms, Relaxed);
        self.0.listeners.fetch_sub(1, Relaxed);
        self.0.changed.notify_waiters();
    }

    /// Whether a queue stands that does not pass.
    pub(crate) fn is_now(&self) -> bool {
        self.0.listeners.load(Relaxed) > 0
    }

    /// Whether one stands, or has stood a short while ago.
    pub(crate) fn is_wary(&self) -> bool {
        if self.is_now() {
            return true;
        }
        let until_ms = self.0.wary_until_ms.load(Relaxed);
        until_ms > 0 && self.0.begun.elapsed() < Duration::from_millis(until_ms)
    }

    /// Calls `look` at once, and again whenever something may have changed, for ever. While nothing
    /// stands or has stood it costs nothing.
    pub(crate) async fn follow(&self, mut look: impl FnMut()) -> Infallible {
        loop {
            let mut changed = pin!(self.0.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            look();
            if self.is_wary() {
                let _ = timeout(LOOK_EVERY, changed).await;
            } else {
                changed.await;
            }
        }
    }
}
