//! What happened when: counts and latencies in bins of equal width.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::histogram::Times;

/// Bins after which everything goes into the last one.
const BINS_MAX: usize = 4_096;

/// What a single try came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Class {
    /// A hold.
    Won,
    /// 409 `all_held`.
    AllHeld,
    /// 409 `sold_out`.
    SoldOut,
    /// 429.
    Limited,
    /// 503 `overloaded`.
    Shed,
    /// Any other answer.
    Refused,
    /// No answer.
    Unanswered,
}

impl Class {
    /// Every class of answers; silence is none.
    pub(crate) const ANSWERS: [Self; CLASSES - 1] =
        [Self::Won, Self::AllHeld, Self::SoldOut, Self::Limited, Self::Shed, Self::Refused];
    /// The answers that say that there is no unit.
    pub(crate) const NONE_LEFT: [Self; 2] = [Self::AllHeld, Self::SoldOut];
    /// The answers that say to come back later.
    pub(crate) const SENT_AWAY: [Self; 2] = [Self::Limited, Self::Shed];
}

/// How many classes there are.
pub(crate) const CLASSES: usize = 7;

/// What happened when, from the start of the rush.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Series {
    #[serde(with = "crate::duration::us")]
    pub(crate) width: Duration,
    pub(crate) bins: Vec<Bin>,
    /// How long each new connection took.
    pub(crate) connects: Times,
    /// From each try's moment to its answer, or until it was given up, by [`Class`].
    pub(crate) took: [Times; CLASSES],
}

/// What happened in one stretch of time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Bin {
    /// Buyers whose moment is in it.
    pub(crate) due: u64,
    /// Buyers who were begun in it.
    pub(crate) begun: u64,
    /// Tries begun in it: first ones and others.
    pub(crate) tries: u64,
    /// What tries came to in it, by [`Class`].
    pub(crate) came_to: [u64; CLASSES],
    /// Buyers who left without their answer in it.
    pub(crate) vanished: u64,
    /// Holds given back in it.
    pub(crate) given_back: u64,
    /// From the moment of the tries that were due in it to their answers.
    pub(crate) latency: Times,
    /// How late the buyers who were due in it were begun.
    pub(crate) lag: Times,
}

impl Series {
    /// For a rush whose buyers come within `span`: fine if that is short.
    pub(crate) fn for_span(span: Duration) -> Self {
        let ms = match u64::try_from(span.as_millis()).unwrap_or(u64::MAX) {
            0..=2_000 => 50,
            2_001..=10_000 => 250,
            10_001..=600_000 => 1_000,
            longer => longer.div_ceil(600_000).saturating_mul(1_000),
        };
        Self::new(Duration::from_millis(ms))
    }

    pub(crate) fn new(width: Duration) -> Self {
        let (connects, took) = (Times::default(), Default::default());
        Self { width, bins: Vec::new(), connects, took }
    }

    /// The bin that has this moment.
    pub(crate) fn at(&mut self, moment: Duration) -> &mut Bin {
        let bin = moment.as_micros() / self.width.as_micros().max(1);
        let bin = usize::try_from(bin).unwrap_or(BINS_MAX).min(BINS_MAX - 1);
        if self.bins.len() <= bin {
            self.bins.resize_with(bin + 1, Bin::default);
        }
        &mut self.bins[bin]
    }

    /// A try that was due and is over.
    pub(crate) fn came_to(&mut self, class: Class, due: Duration, at: Duration) {
        let took = at.saturating_sub(due);
        self.at(at).came_to[class as usize] += 1;
        self.took[class as usize].record(took);
        if class != Class::Unanswered {
            self.at(due).latency.record(took);
        }
    }

    /// How long the tries took that came to these.
    pub(crate) fn took(&self, classes: &[Class]) -> Times {
        let mut all = Times::default();
        classes.iter().for_each(|class| all.merge(self.took[*class as usize].clone()));
        all
    }

    pub(crate) fn merge(&mut self, other: Self) {
        if self.bins.len() < other.bins.len() {
            self.bins.resize_with(other.bins.len(), Bin::default);
        }
        for (mine, other) in self.bins.iter_mut().zip(other.bins) {
            mine.due += other.due;
            mine.begun += other.begun;
            mine.tries += other.tries;
            mine.vanished += other.vanished;
            mine.given_back += other.given_back;
            mine.came_to.iter_mut().zip(other.came_to).for_each(|(mine, other)| *mine += other);
            mine.latency.merge(other.latency);
            mine.lag.merge(other.lag);
        }
        self.connects.merge(other.connects);
        self.took.iter_mut().zip(other.took).for_each(|(mine, other)| mine.merge(other));
    }

    /// How often it was so, in all.
    pub(crate) fn total(&self, class: Class) -> u64 {
        self.bins.iter().map(|bin| bin.came_to(&[class])).sum()
    }
}

impl Bin {
    /// How many tries came to one of these in it.
    pub(crate) fn came_to(&self, classes: &[Class]) -> u64 {
        classes.iter().map(|class| self.came_to[*class as usize]).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_when_they_come_and_their_latency_when_they_were_due() {
        let ms = Duration::from_millis;
        let mut series = Series::for_span(ms(1_000));
        series.came_to(Class::Won, ms(10), ms(120));
        let mut other = Series::for_span(ms(1_000));
        other.came_to(Class::Unanswered, ms(10), ms(220));
        other.at(ms(10)).due += 1;
        series.merge(other);
        assert_eq!(series.bins.len(), 5);
        assert_eq!(series.bins[2].came_to[Class::Won as usize], 1);
        assert_eq!(series.bins[4].came_to[Class::Unanswered as usize], 1);
        assert_eq!(series.bins[0].due, 1);
        let latency = series.bins[0].latency.percentiles().unwrap();
        assert_eq!((latency.count, series.total(Class::Won)), (1, 1));
        assert!((109.0..112.0).contains(&latency.p50), "{latency:?}");
        assert_eq!(series.took(&Class::ANSWERS).percentiles().unwrap().count, 1);
        assert_eq!(series.took(&[Class::Unanswered]).percentiles().unwrap().count, 1);
    }

    #[test]
    fn a_day_has_no_more_bins_than_an_hour() {
        let mut series = Series::for_span(Duration::from_secs(86_400));
        series.at(Duration::from_secs(86_400)).due += 1;
        assert!(series.bins.len() <= 610, "{}", series.bins.len());
        series.at(Duration::MAX).due += 1;
        assert_eq!(series.bins.len(), BINS_MAX);
    }
}
