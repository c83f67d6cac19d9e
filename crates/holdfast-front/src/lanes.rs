//! Shares of what can be done, so that one lane's rush does not starve another.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Lanes that are told apart. Two that fall into one share a share.
const LANES: usize = 256;

/// Arrivals are counted over so long.
const WINDOW_US: u64 = 100_000;

/// Counts who has come, in windows of 100 ms. All of it is touched by one thread only.
pub(crate) struct Lanes {
    window: AtomicU64,
    arrived: [AtomicU32; LANES],
    /// Lanes in which anyone has come in this window.
    busy: AtomicU32,
    /// Requests that were let pass in this window.
    passed: AtomicU32,
    /// What each lane may have of this window, by what the one before could do.
    share: AtomicU32,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            window: AtomicU64::new(0),
            arrived: [const { AtomicU32::new(0) }; LANES],
            busy: AtomicU32::new(0),
            passed: AtomicU32::new(0),
            share: AtomicU32::new(0),
        }
    }
}

impl Lanes {
    /// Counts a request in; whether its lane is still within its share.
    pub(crate) fn enter(&self, lane: u64, now_us: u64) -> bool {
        let window = now_us / WINDOW_US;
        if self.window.swap(window, Relaxed) != window {
            self.turn();
        }
        let before = self.arrived(lane).fetch_add(1, Relaxed);
        if before == 0 {
            self.busy.fetch_add(1, Relaxed);
        }
        before < self.share.load(Relaxed)
    }

    /// Whether one more of a lane would be within its share.
    pub(crate) fn has_share(&self, lane: u64) -> bool {
        self.arrived(lane).load(Relaxed) < self.share.load(Relaxed)
    }

    fn arrived(&self, lane: u64) -> &AtomicU32 {
        &self.arrived[usize::try_from(lane % LANES as u64).unwrap_or_default()]
    }

    /// Counts a request that is let pass.
    pub(crate) fn pass(&self) {
        self.passed.fetch_add(1, Relaxed);
    }

    fn turn(&self) {
        let (passed, busy) = (self.passed.swap(0, Relaxed), self.busy.swap(0, Relaxed));
        // Whoever is alone has no share to be protected by: the queue is all theirs.
        let share = if busy > 1 { passed / busy } else { 0 };
        self.share.store(share, Relaxed);
        self.arrived.iter().for_each(|arrived| arrived.store(0, Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten requests of the second lane among a thousand of the first, of which half can be done.
    fn window(lanes: &Lanes, number: u64) -> (usize, usize) {
        let now_us = number * WINDOW_US;
        let mut spared = (0, 0);
        for at in 0..1_000 {
            spared.0 += usize::from(lanes.enter(1, now_us));
            if at % 100 == 0 {
                spared.1 += usize::from(lanes.enter(2, now_us));
            }
            if at % 2 == 0 {
                lanes.pass();
            }
        }
        spared
    }

    #[test]
    fn a_small_lane_is_within_its_share_and_a_rush_is_not() {
        let lanes = Lanes::default();
        assert_eq!(window(&lanes, 1), (0, 0), "nothing is known yet");
        assert_eq!(window(&lanes, 2), (250, 10), "half of 500 each");
    }

    #[test]
    fn whoever_is_alone_is_not_spared() {
        let lanes = Lanes::default();
        for number in 1..4 {
            for _ in 0..100 {
                assert!(!lanes.enter(1, number * WINDOW_US));
                lanes.pass();
            }
        }
    }
}
