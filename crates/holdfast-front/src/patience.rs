//! How long requests wait until they are looked at, and when that is too long.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::lanes::Lanes;
use crate::line::Stood;
use crate::standing::Standing;

/// How often the waiting is measured while anyone asks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A queue that stood has passed once there was none for so long.
const CALM: Duration = Duration::from_secs(1);

/// New connections that tell whether most have been given up, at least.
const NEW_MIN: u32 = 32;

/// So many looks in a row must agree.
const LOOKS_MIN: u32 = 3;

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
    /// as one that does not; less, if most have given up by the time that they are looked at. In the
    /// minute after such a queue both are twice `standing`.
    pub rush: Duration,
    /// The longest wait in a queue that does not pass. It has passed once, for a second, nobody was
    /// refused, nobody waited to be accepted, and the wait was less than half of this.
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
/// like the others: it is late by what everyone waits. Before that a new connection stood in line to
/// be accepted, and the kernel knows for how long.
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
    /// How long whoever was accepted last had stood in line; 0 once nobody does.
    line_us: AtomicU64,
    /// Somebody was refused since the last look.
    has_shed: AtomicBool,
    /// Connections stand in line to be accepted.
    is_backlogged: AtomicBool,
    /// New connections since the last look, and how many of them had been given up by then.
    new: AtomicU32,
    given_up: AtomicU32,
    /// How many looks in a row saw a queue, and one in which most had given up.
    restless: AtomicU32,
    lost: AtomicU32,
    /// When there was no queue, last, and when there was one.
    calm_us: AtomicU64,
    restless_us: AtomicU64,
    /// At which listeners a queue stands, and whether it does at this one.
    standing: Standing,
    is_standing: AtomicBool,
    lanes: Lanes,
}

impl Waiting {
    /// Without patience nobody is ever refused.
    pub(crate) fn new(patience: Option<Patience>, standing: Standing) -> Self {
        Self {
            standing,
            is_standing: AtomicBool::new(false),
            begun: Instant::now(),
            patience,
            is_asked: AtomicBool::new(false),
            asked: Notify::new(),
            due_us: AtomicU64::new(NEVER),
            late_us: AtomicU64::new(0),
            line_us: AtomicU64::new(0),
            has_shed: AtomicBool::new(false),
            is_backlogged: AtomicBool::new(false),
            new: AtomicU32::new(0),
            given_up: AtomicU32::new(0),
            restless: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            calm_us: AtomicU64::new(0),
            restless_us: AtomicU64::new(0),
            lanes: Lanes::default(),
        }
    }

    /// Whether a request that is looked at now has waited too long. `lane` is where it waits: one
    /// that asks for less than its share of what can be done may wait as long as in a rush; of those
    /// without a lane so many a second are spared, however long they have waited.
    pub(crate) fn is_too_long(&self, lane: Option<u64>) -> bool {
        let Some(patience) = self.patience else { return false };
        let now_us = self.now_us();
        self.ask(now_us);
        let has_share = lane.is_some_and(|lane| self.lanes.enter(lane, now_us));
        let waited_us = self.waited_us(now_us);
        let limit_us = match self.standing.is_now() {
            _ if has_share => micros(patience.rush),
            true => micros(patience.standing),
            false => self.rush_us(patience),
        };
        let is_too_long = waited_us > limit_us;
        if is_too_long && lane.is_none() && self.lanes.spare(now_us) {
            return false;
        }
        if is_too_long {
            self.has_shed.store(true, Relaxed);
        } else {
            self.lanes.pass();
        }
        is_too_long
    }

    /// For how long a queue may pass for a rush. Whoever was sent away in an overload comes again:
    /// right after one there is no rush.
    fn rush_us(&self, patience: Patience) -> u64 {
        if self.standing.is_wary() { 2 * micros(patience.standing) } else { micros(patience.rush) }
    }

    /// Counts a new connection; whether it has been given up, so that nothing is to be done for it.
    /// Such a one tells that the line is longer than its clients' patience: if most were given up, it
    /// is no rush.
    pub(crate) fn came(&self, stood: Stood) -> bool {
        let Some(patience) = self.patience else { return false };
        self.ask(self.now_us());
        self.line_us.store(micros(stood.waited), Relaxed);
        self.new.fetch_add(1, Relaxed);
        self.given_up.fetch_add(u32::from(stood.has_gone), Relaxed);
        stood.has_gone && stood.waited >= patience.standing
    }

    /// Whether a new connection has stood in line for too long, or would wait too long from now on:
    /// it is cheaper for all to refuse it now.
    pub(crate) fn is_full(&self, stood: Stood) -> bool {
        let Some(patience) = self.patience else { return false };
        let waits_us = self.waited_us(self.now_us());
        self.standing.is_now() && waits_us > micros(patience.standing) / 2
            || micros(stood.waited) + waits_us > self.rush_us(patience)
    }

    /// Whether a lane is still within its share of a standing queue, or one without a lane is to be
    /// spared.
    pub(crate) fn spares(&self, lane: Option<u64>) -> bool {
        lane.map_or_else(|| self.lanes.spare(self.now_us()), |lane| self.lanes.has_share(lane))
    }

    /// Counts a connection that was refused before anything was read into it, in its lane if that is
    /// known.
    pub(crate) fn refused(&self, lane: Option<u64>) {
        let now_us = self.now_us();
        self.ask(now_us);
        self.has_shed.store(true, Relaxed);
        if let Some(lane) = lane {
            self.lanes.enter(lane, now_us);
        }
    }

    /// Whether connections stand in line, as far as the last look at them told.
    pub(crate) fn set_backlogged(&self, is_backlogged: bool) {
        self.is_backlogged.store(is_backlogged, Relaxed);
        if !is_backlogged {
            self.line_us.store(0, Relaxed);
        }
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
            self.set_standing(false);
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
        let late_us = late_us.max(self.line_us.load(Relaxed));
        // A queue that is short because some were refused is none that has passed.
        let has_shed = self.has_shed.swap(false, Relaxed);
        let is_backlogged = self.is_backlogged.load(Relaxed);
        let is_late = late_us >= micros(patience.standing) / 2;
        let is_calm = !has_shed && !is_backlogged && !is_late;
        let moment = if is_calm { &self.calm_us } else { &self.restless_us };
        moment.store(now_us, Relaxed);
        let since = |moment: &AtomicU64| now_us.saturating_sub(moment.load(Relaxed));
        let (new, given_up) = (self.new.swap(0, Relaxed), self.given_up.swap(0, Relaxed));
        let is_lost = is_late && new >= NEW_MIN && given_up > new / 2;
        // One look alone may be late because the process was stopped.
        let looks = |count: &AtomicU32, is_one: bool| {
            let looks = if is_one { count.load(Relaxed).saturating_add(1) } else { 0 };
            count.store(looks, Relaxed);
            looks >= LOOKS_MIN
        };
        let is_restless = looks(&self.restless, !is_calm);
        let is_lost = looks(&self.lost, is_lost);
        if self.is_standing.load(Relaxed) {
            self.set_standing(since(&self.restless_us) < micros(CALM));
        } else {
            let is_long = is_restless && since(&self.calm_us) > self.rush_us(patience);
            self.set_standing(is_lost || is_long);
        }
    }

    fn set_standing(&self, is_standing: bool) {
        match (self.is_standing.swap(is_standing, Relaxed), is_standing) {
            (false, true) => self.standing.begins(),
            (true, false) => self.standing.ends(),
            _ => {}
        }
    }

    fn now_us(&self) -> u64 {
        micros(self.begun.elapsed())
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
