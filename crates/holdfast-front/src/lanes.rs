//! Shares of what can be done, so that one lane's rush does not starve another.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Lanes that are told apart. Two that fall into one share a share.
const LANES: usize = 256;

/// Arrivals are counted over so long.
const WINDOW_US: u64 = 100_000;

/// So many a second are spared that wait in no lane: more than anyone needs who asks after the
/// server's health, and too few to take the processor from the buyers.
const SPARED_PER_SECOND: u32 = 100;
const SECOND_US: u64 = 1_000_000;

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
    /// The lane that was alone in the window before, if one was.
    alone: AtomicUsize,
    /// The second that it is, and who was spared in it without a lane.
    second: AtomicU64,
    spared: AtomicU32,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            window: AtomicU64::new(0),
            arrived: [const { AtomicU32::new(0) }; LANES],
            busy: AtomicU32::new(0),
            passed: AtomicU32::new(0),
            share: AtomicU32::new(0),
            alone: AtomicUsize::new(LANES),
            second: AtomicU64::new(0),
            spared: AtomicU32::new(0),
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
        let has_share = self.has_share(lane);
        if self.arrived[at(lane)].fetch_add(1, Relaxed) == 0 {
            self.busy.fetch_add(1, Relaxed);
        }
        has_share
    }

    /// Whether one more of a lane would be within its share.
    pub(crate) fn has_share(&self, lane: u64) -> bool {
        let arrived = self.arrived[at(lane)].load(Relaxed);
        arrived < self.share.load(Relaxed) && self.alone.load(Relaxed) != at(lane)
    }

    /// Whether one more that waits in no lane is to be spared.
    pub(crate) fn spare(&self, now_us: u64) -> bool {
        let second = now_us / SECOND_US;
        if self.second.swap(second, Relaxed) != second {
            self.spared.store(0, Relaxed);
        }
        self.spared.fetch_add(1, Relaxed) < SPARED_PER_SECOND
    }

    /// Counts a request that is let pass.
    pub(crate) fn pass(&self) {
        self.passed.fetch_add(1, Relaxed);
    }

    fn turn(&self) {
        let (passed, busy) = (self.passed.swap(0, Relaxed), self.busy.swap(0, Relaxed));
        // Whoever is alone has no share to be protected by, the queue is all theirs; whoever comes
        // to them has.
        self.share.store(passed / busy.max(2), Relaxed);
        let mut came = LANES;
        for (lane, arrived) in self.arrived.iter().enumerate() {
            if arrived.swap(0, Relaxed) > 0 {
                came = lane;
            }
        }
        self.alone.store(if busy == 1 { came } else { LANES }, Relaxed);
    }
}

fn at(lane: u64) -> usize {
    usize::try_from(lane % LANES as u64).unwrap_or_default()
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
    fn so_many_a_second_are_spared_without_a_lane() {
        let lanes = Lanes::default();
        let spared = |at: u64| (0..1_000).filter(|_| lanes.spare(at * SECOND_US)).count();
        assert_eq!([spared(0), spared(0), spared(1), spared(7)], [100, 0, 100, 100]);
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
        assert!(lanes.enter(2, 4 * WINDOW_US), "whoever comes to them is");
    }
}
