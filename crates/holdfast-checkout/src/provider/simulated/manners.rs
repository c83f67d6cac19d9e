//! How ill a bank behaves, and what chance makes of it.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// The longest that an answer can be held back, in milliseconds.
const LATENCY_MS_MAX: u64 = 60_000;

/// How ill a bank behaves: each of its faults with a probability from 0 (never) to 1 (always).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manners {
    /// A payment is declined that nobody asked to be.
    pub decline: f64,
    /// A call never gets an answer, and nothing is done.
    pub hang: f64,
    /// A call is answered 500, and nothing is done.
    pub error: f64,
    /// A call is done, and then the connection breaks.
    pub lost: f64,
    /// A call is done, and then answered 500.
    pub lost_error: f64,
    /// A call is answered 429, and nothing is done.
    pub busy: f64,
    /// A webhook comes twice.
    pub webhook_twice: f64,
    /// A webhook comes two seconds late.
    pub webhook_late: f64,
    /// A webhook comes after the one that should come after it.
    pub webhook_reordered: f64,
    /// A webhook never comes.
    pub webhook_never: f64,
    /// How long each answer is held back before anything is done, in milliseconds; at most 60,000.
    pub latency_ms: u64,
}

/// Why manners cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidManners {
    /// A probability that is none.
    #[error("{0} is a probability: a number from 0 (never) to 1 (always)")]
    Probability(&'static str),
    /// An answer that would be held back too long.
    #[error("latency_ms is at most {LATENCY_MS_MAX}")]
    Latency,
}

impl Manners {
    pub(super) fn check(&self) -> Result<(), InvalidManners> {
        for (name, probability) in [
            ("decline", self.decline),
            ("hang", self.hang),
            ("error", self.error),
            ("lost", self.lost),
            ("lost_error", self.lost_error),
            ("busy", self.busy),
            ("webhook_twice", self.webhook_twice),
            ("webhook_late", self.webhook_late),
            ("webhook_reordered", self.webhook_reordered),
            ("webhook_never", self.webhook_never),
        ] {
            if !(0.0..=1.0).contains(&probability) {
                return Err(InvalidManners::Probability(name));
            }
        }
        if self.latency_ms > LATENCY_MS_MAX {
            return Err(InvalidManners::Latency);
        }
        Ok(())
    }
}

/// What one call meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) decline: bool,
    pub(super) hang: bool,
    pub(super) error: bool,
    pub(super) lost: bool,
    pub(super) lost_error: bool,
    pub(super) busy: bool,
    pub(super) latency: Duration,
}

/// What one webhook meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) twice: bool,
    pub(super) late: bool,
    pub(super) reordered: bool,
    pub(super) never: bool,
}

/// Manners and the chance that they are drawn with. Calls and webhooks have each their own, so that
/// what a call meets does not depend on when a webhook leaves.
#[derive(Debug)]
pub(super) struct Mood {
    pub(super) manners: Manners,
    calls: StdRng,
    webhooks: StdRng,
}

impl Mood {
    pub(super) fn new(manners: Manners, seed: u64) -> Self {
        let mut calls = StdRng::seed_from_u64(seed);
        let webhooks = StdRng::from_rng(&mut calls);
        Self { manners, calls, webhooks }
    }

    /// Draws everything, so that what the next call meets does not depend on this one's faults.
    pub(super) fn meet(&mut self) -> Met {
        let Manners { decline, hang, error, lost, lost_error, busy, latency_ms, .. } = self.manners;
        let [decline, hang, error, lost, lost_error, busy] =
            [decline, hang, error, lost, lost_error, busy].map(|p| self.calls.random_bool(p));
        let latency = Duration::from_millis(latency_ms);
        Met { decline, hang, error, lost, lost_error, busy, latency }
    }

    pub(super) fn deliver(&mut self) -> Delivery {
        let Manners { webhook_twice, webhook_late, webhook_reordered, webhook_never, .. } =
            self.manners;
        let [twice, late, reordered, never] =
            [webhook_twice, webhook_late, webhook_reordered, webhook_never]
                .map(|p| self.webhooks.random_bool(p));
        Delivery { twice, late, reordered, never }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_probability_is_refused_by_name() {
        for bad in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let refused = Manners { lost: bad, ..Manners::default() }.check();
            assert_eq!(refused, Err(InvalidManners::Probability("lost")));
        }
        let slow = Manners { latency_ms: 60_001, ..Manners::default() };
        assert_eq!(slow.check(), Err(InvalidManners::Latency));
        assert_eq!(Manners { lost: 1.0, ..Manners::default() }.check(), Ok(()));
    }

    #[test]
    fn a_seed_meets_the_same_and_chance_is_as_often_as_was_said() {
        let manners = Manners { decline: 0.3, lost: 1.0, ..Manners::default() };
        let run = |seed| {
            let mut mood = Mood::new(manners, seed);
            (0..1_000).map(|_| mood.meet()).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let declined = run(7).iter().filter(|met| met.decline).count();
        assert!((200..400).contains(&declined), "{declined}");
        assert!(run(7).iter().all(|met| met.lost && !met.hang));
    }
}
