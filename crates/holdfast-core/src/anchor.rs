//! The anchor: turns a moment of the sale clock into a time of day.
//!
//! It is the wall clock less the sale clock, as of the last tick. The wall may step either way. A
//! buyer who has been told a time is never told an earlier one (promise 8); whoever comes after a
//! step back is told the truth (promise 10). So each hold has the latest anchor of its life: of
//! those before a step back it is the higher one from before, of those after it the lower.

use serde::{Deserialize, Serialize};

use crate::HoldKey;

/// The anchors that holds have, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Anchor {
    now_ms: u64,
    /// Holds from before steps back: the last key and the anchor of each span. Keys grow, and
    /// anchors fall towards `now_ms`.
    before: Vec<(HoldKey, u64)>,
}

impl Anchor {
    /// Before any tick.
    pub(crate) const NONE: Self = Self { now_ms: 0, before: Vec::new() };

    /// As of the last tick.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Of a hold.
    pub(crate) fn of(&self, hold: HoldKey) -> u64 {
        let span = self.before.partition_point(|&(last, _)| last < hold);
        self.before.get(span).map_or(self.now_ms, |&(_, anchor_ms)| anchor_ms)
    }

    /// Moves it. `last` is the last key that a hold can have so far, `oldest` the first hold that
    /// lives, if any does; it is asked only where the wall has stepped back.
    pub(crate) fn set(
        &mut self,
        anchor_ms: u64,
        last: HoldKey,
        oldest: impl FnOnce() -> Option<HoldKey>,
    ) {
        if anchor_ms < self.now_ms {
            self.before.push((last, self.now_ms));
        }
        self.now_ms = anchor_ms;
        // Where the new one is as high, it is the latest of these holds' lives too.
        while self.before.last().is_some_and(|&(_, before_ms)| before_ms <= anchor_ms) {
            self.before.pop();
        }
        if self.before.is_empty() {
            return;
        }
        // What only ended holds have is needed no more.
        let oldest = oldest();
        let gone = |&(last, _): &(HoldKey, u64)| oldest.is_none_or(|oldest| last < oldest);
        let count = self.before.iter().take_while(|span| gone(span)).count();
        self.before.drain(..count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(sequence: u64) -> HoldKey {
        HoldKey::new(sequence, 0)
    }

    /// What the anchor is by definition: of each hold, the highest since it was made.
    #[test]
    fn each_hold_has_the_latest_anchor_of_its_life() {
        let mut seed = 1_u64;
        let mut draw = |below: u64| {
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (seed >> 33) % below
        };
        for _ in 0..200 {
            let mut anchor = Anchor::NONE;
            let mut holds: Vec<(HoldKey, u64)> = Vec::new();
            for sequence in 1..60 {
                match draw(4) {
                    0 => {
                        let moved = draw(10);
                        let oldest = holds.first().map(|&(key, _)| key);
                        anchor.set(moved, key(sequence), || oldest);
                        holds.iter_mut().for_each(|(_, highest)| *highest = moved.max(*highest));
                    }
                    1 if !holds.is_empty() => {
                        holds.remove(usize::try_from(draw(holds.len() as u64)).unwrap());
                    }
                    _ => holds.push((key(sequence), anchor.now_ms())),
                }
                for &(key, highest) in &holds {
                    assert_eq!(anchor.of(key), highest);
                }
                assert!(anchor.before.len() <= 10);
            }
        }
    }

    #[test]
    fn nothing_is_kept_for_holds_that_have_ended() {
        let mut anchor = Anchor::NONE;
        anchor.set(900, key(1), || None);
        anchor.set(500, key(2), || Some(key(1)));
        assert_eq!((anchor.of(key(1)), anchor.of(key(3))), (900, 500));
        anchor.set(400, key(5), || Some(key(3)));
        assert_eq!((anchor.of(key(3)), anchor.of(key(6))), (500, 400));
        anchor.set(300, key(7), || None);
        assert_eq!(anchor, Anchor { now_ms: 300, before: Vec::new() });
    }
}
