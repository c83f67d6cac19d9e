//! How long requests wait until they are looked at, and when that is too long.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::lanes::Lanes;

/// How often the waiting is measured while anyone asks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Stands for "no look is due".
const NEVER: u64 = u64::MAX;

/// How long a request may wait before the server has looked at it. One that has waited longer is
/// refused: its client may have given up, and what is done for it is taken from the others.
///
/// A rush makes a queue that passes, and is to be answered to the last. A queue that does not
/// pass is too much load: then only a short wait lets the server answer before its clients give
/// up. The rule is that of fbthrift (Maurer, "Fail at Scale", ACM Queue 13.8, 2015), with times
/// that fit a rush.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The longest wait while a queue may still pass, and how long one may stand before it counts
    /// as one that does not.
    pub rush: Duration,
    /// The longest wait in a queue that does not pass. It has passed once nobody is refused and the
    /// wait is half of this.
    pub standing: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { rush: Duration::from_secs(5), standing: Duration::from_millis(250) }
    }
}

/// Measures how long requests wait at one listener.
///
/// All work of a listener takes turns on one thread, so what has just become ready waits for
/// everything that became ready before it. A task that looks at the clock every 10 ms waits there
/// like the others: it is late by what everyone waits.
pub(crate) struct Waiting {
    begun: Instant,
    patience: Option<Patience>,
    /// Somebody has asked since the last look.
    is_asked: AtomicBool,
    asked: Notify,
    /// When the next look is due, in microseconds after `begun`.
    due_us: AtomicU64,
    /// How late the last look was.
    late_us: AtomicU64,
    /// Somebody was refused since the last look.
    has_shed: AtomicBool,
    /// Connections wait to be accepted.
    is_backlogged: AtomicBool,
    /// When there was no queue, last.
    calm_us: AtomicU64,
    lanes: Lanes,
}

impl Waiting {
    /// `None`: nobody is ever refused.
    pub(crate) fn new(patience: Option<Patience>) -> Self {
        Self {
            begun: Instant::now(),
            patience,
            is_asked: AtomicBool::new(false),
            asked: Notify::new(),
            due_us: AtomicU64::new(NEVER),
            late_us: AtomicU64::new(0),
            has_shed: AtomicBool::new(false),
            is_backlogged: AtomicBool::new(false),
            calm_us: AtomicU64::new(0),
            lanes: Lanes::default(),
        }
    }

    /// Whether a request that is looked at now has waited too long. `lane` is where it waits: one
    /// that asks for less than its share of what can be done is spared in a standing queue.
    pub(crate) fn is_too_long(&self, lane: u64) -> bool {
        let Some(patience) = self.patience else { return false };
        let now_us = self.now_us();
        self.ask(now_us);
        let has_share = self.lanes.enter(lane, now_us);
        let waited_us = self.waited_us(now_us);
        let is_too_long = waited_us > micros(patience.rush)
            || !has_share
                && waited_us > micros(patience.standing)
                && self.is_standing_at(now_us, patience);
        if is_too_long {
            self.has_shed.store(true, Relaxed);
        } else {
            self.lanes.pass();
        }
        is_too_long
    }

    /// Whether a queue stands that does not pass.
    pub(crate) fn is_standing(&self) -> bool {
        self.patience.is_some_and(|patience| self.is_standing_at(self.now_us(), patience))
    }

    /// Whether a new connection would wait too long: it is cheaper for all to refuse it now.
    pub(crate) fn is_full(&self) -> bool {
        let Some(patience) = self.patience else { return false };
        let now_us = self.now_us();
        self.is_standing_at(now_us, patience)
            && self.waited_us(now_us) > micros(patience.standing) / 2
    }

    /// Whether a lane is still within its share of a standing queue.
    pub(crate) fn has_share(&self, lane: u64) -> bool {
        self.lanes.has_share(lane)
    }

    /// Counts a connection that was refused before anything was read into it.
    pub(crate) fn refused(&self) {
        self.has_shed.store(true, Relaxed);
    }

    /// Whether connections wait to be accepted, as far as the last look at them told.
    pub(crate) fn set_backlogged(&self, is_backlogged: bool) {
        self.is_backlogged.store(is_backlogged, Relaxed);
    }

    fn is_standing_at(&self, now_us: u64, patience: Patience) -> bool {
        let is_asked = self.due_us.load(Relaxed) != NEVER;
        is_asked && now_us.saturating_sub(self.calm_us.load(Relaxed)) > micros(patience.rush)
    }

    /// Looks at the clock for as long as anyone asks, for ever.
    pub(crate) async fn watch(&self) {
        let Some(patience) = self.patience else { return };
        loop {
            self.asked.notified().await;
            loop {
                self.look(patience);
                if !self.is_asked.swap(false, Relaxed) {
                    break;
                }
                self.due_us.store(self.now_us() + micros(LOOK_EVERY), Relaxed);
                tokio::time::sleep(LOOK_EVERY).await;
            }
            self.due_us.store(NEVER, Relaxed);
            self.late_us.store(0, Relaxed);
        }
    }

    /// How long what is looked at now has waited, as far as is known.
    fn waited_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.due_us.load(Relaxed)).max(self.late_us.load(Relaxed))
    }

    fn ask(&self, now_us: u64) {
        self.is_asked.store(true, Relaxed);
        if self.due_us.load(Relaxed) == NEVER {
            self.due_us.store(now_us, Relaxed);
            self.calm_us.store(now_us, Relaxed);
            self.asked.notify_one();
        }
    }

    fn look(&self, patience: Patience) {
        let now_us = self.now_us();
        let late_us = now_us.saturating_sub(self.due_us.load(Relaxed));
        self.late_us.store(late_us, Relaxed);
        // A queue that is short because some were refused is none that has passed.
        let has_shed = self.has_shed.swap(false, Relaxed);
        let is_backlogged = self.is_backlogged.load(Relaxed);
        if !has_shed && !is_backlogged && late_us < micros(patience.standing) / 2 {
            self.calm_us.store(now_us, Relaxed);
        }
    }

    fn now_us(&self) -> u64 {
        micros(self.begun.elapsed())
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
