//! What winners do with their holds after the rush: who pays, who is declined, who leaves.

use std::time::Duration;

use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::RehearseError;
use crate::manners::random;

/// What a buyer draws for the checkout is drawn apart from how they behave in the rush.
const TURN: u32 = u32::MAX;

const LATE_MAX: u32 = 10_000;

/// What winners do with their holds after the rush, as shares from 0 to 1. The defaults resemble
/// real drops, in which 35 to 45 % of what is held is never paid.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Payments {
    /// Share of the winners that goes to the checkout. With 0 nobody pays at all.
    pub pay: f64,
    /// Share of those whose first payment is declined. Half of them pay with their second, half
    /// give up.
    pub declined: f64,
    /// Share of the winners who do not pay that gives its hold back; the others leave it until it
    /// runs out.
    pub hand_back: f64,
    /// How long winners think before they do any of it, at most, in seconds; drawn uniformly.
    pub think_seconds_max: f64,
    /// Buyers whose money comes after their hold has ended, in a sale of their own with short
    /// holds; 0 to 10,000.
    pub late: u32,
    /// How long it may take, from the first thought, until no payment is under way, in seconds.
    pub settle_seconds_max: f64,
}

/// What a winner does, and after how long a thought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Intent {
    pub(crate) fate: Fate,
    pub(crate) think: Duration,
    /// The thought of whoever was declined, before they try again.
    pub(crate) think_again: Duration,
}

/// What becomes of a hold, as far as its buyer decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pays,
    /// Is declined once.
    PaysSecond,
    /// Is declined, and gives up.
    GivesUp,
    HandsBack,
    Leaves,
    /// Pays, but too late.
    PaysLate,
}

impl Default for Payments {
    fn default() -> Self {
        Self {
            pay: 0.65,
            declined: 0.1,
            hand_back: 0.2,
            think_seconds_max: 10.0,
            late: 20,
            settle_seconds_max: 300.0,
        }
    }
}

impl Payments {
    /// Nobody pays.
    pub const NONE: Self = Self {
        pay: 0.0,
        declined: 0.0,
        hand_back: 0.0,
        think_seconds_max: 0.0,
        late: 0,
        settle_seconds_max: 0.0,
    };

    /// Whether nobody pays at all.
    pub fn is_none(&self) -> bool {
        self.pay == 0.0
    }

    /// Payments in a second that this crowd begins, at most, if so many win.
    pub fn per_second(&self, winners: f64) -> f64 {
        let payments = winners * self.pay * (1.0 + self.declined / 2.0);
        payments / self.think_seconds_max.max(1.0)
    }

    pub(crate) fn check(&self) -> Result<(), RehearseError> {
        let wrong =
            |option, reason: &str| Err(RehearseError::Option { option, reason: reason.to_owned() });
        let shares =
            [("pay", self.pay), ("declined", self.declined), ("hand_back", self.hand_back)];
        for (option, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return wrong(option, "a share is within 0% and 100%");
            }
        }
        for (option, seconds) in [
            ("think_seconds_max", self.think_seconds_max),
            ("settle_seconds_max", self.settle_seconds_max),
        ] {
            if !(0.0..=86_400.0).contains(&seconds) {
                return wrong(option, "it is within 0 and 86,400 seconds");
            }
        }
        if self.late > LATE_MAX {
            return wrong("late", "it is within 0 and 10,000 buyers");
        }
        Ok(())
    }

    /// How long a hold must last beyond the rush and its verdict.
    pub(crate) fn think_max(&self) -> Duration {
        if self.is_none() { Duration::ZERO } else { seconds(self.think_seconds_max * 1.5) }
    }

    pub(crate) fn settle_max(&self) -> Duration {
        seconds(self.settle_seconds_max)
    }

    /// What this winner does; the seed decides.
    pub(crate) fn of(&self, seed: u64, buyer: u32) -> Intent {
        let mut random = random(seed, buyer, TURN);
        let [goes, how, then, think, again] =
            std::array::from_fn(|_| random.random_range(0.0..1.0_f64));
        let fate = match (goes < self.pay, how) {
            (true, how) if how >= self.declined => Fate::Pays,
            (true, _) if then < 0.5 => Fate::PaysSecond,
            (true, _) => Fate::GivesUp,
            (false, how) if how < self.hand_back => Fate::HandsBack,
            (false, _) => Fate::Leaves,
        };
        let think_again = seconds(self.think_seconds_max * again / 2.0);
        Intent { fate, think: seconds(self.think_seconds_max * think), think_again }
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_as_many_holds_are_never_paid_as_in_real_drops() {
        let payments = Payments::default();
        let all: Vec<_> = (0..10_000).map(|buyer| payments.of(1, buyer)).collect();
        let count = |fate| all.iter().filter(|intent| intent.fate == fate).count();
        let unpaid = count(Fate::GivesUp) + count(Fate::HandsBack) + count(Fate::Leaves);
        assert!((3_500..4_500).contains(&unpaid), "{unpaid}");
        for (fate, expected) in [
            (Fate::Pays, 5_850_usize),
            (Fate::PaysSecond, 325),
            (Fate::GivesUp, 325),
            (Fate::HandsBack, 700),
            (Fate::Leaves, 2_800),
        ] {
            assert!(count(fate).abs_diff(expected) < 150, "{fate:?}: {}", count(fate));
        }
        let longest = all.iter().map(|intent| intent.think + intent.think_again).max().unwrap();
        assert!(longest <= payments.think_max(), "{longest:?}");
        assert_eq!(payments.of(1, 7), payments.of(1, 7));
        assert!((0..100).any(|buyer| payments.of(1, buyer) != payments.of(2, buyer)));
    }

    #[test]
    fn what_is_no_share_or_no_time_is_refused() {
        let plain = Payments::default();
        for wrong in [
            Payments { pay: 1.1, ..plain },
            Payments { declined: f64::NAN, ..plain },
            Payments { think_seconds_max: -1.0, ..plain },
            Payments { settle_seconds_max: f64::INFINITY, ..plain },
            Payments { late: 10_001, ..plain },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        plain.check().unwrap();
        Payments::NONE.check().unwrap();
    }
}
