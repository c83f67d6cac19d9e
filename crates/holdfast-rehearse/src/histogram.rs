//! How long things took: an HDR histogram that can be merged and sent on.

use std::time::Duration;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::duration::micros;

/// The longest time that is told apart from a longer one: an hour.
const LONGEST_US: u64 = 3_600_000_000;
/// Significant digits of every value.
const DIGITS: u8 = 2;

/// Times, to within one percent. Empty ones take no room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Option<Box<Histogram<u32>>>);

/// A distribution, in milliseconds; values are told to within one percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentiles {
    /// How many values.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// Nine in ten are at most this.
    pub p90: f64,
    /// 99 in 100 are at most this.
    pub p99: f64,
    /// 999 in 1,000 are at most this.
    pub p999: f64,
    /// The greatest.
    pub max: f64,
}

impl Times {
    pub(crate) fn record(&mut self, time: Duration) {
        self.record_many(micros(time), 1);
    }

    fn record_many(&mut self, us: u64, count: u32) {
        if self.0.is_none() {
            self.0 = Histogram::new_with_bounds(1, LONGEST_US, DIGITS).ok().map(Box::new);
        }
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record_n(us, count);
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Some(mine), Some(other)) => {
                // Both have the same bounds, so that it cannot fail.
                let _ = mine.add(&*other);
            }
            (mine @ None, other) => *mine = other,
            (Some(_), None) => {}
        }
    }

    /// `None` of nothing.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        let histogram = self.0.as_ref()?;
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Some(Percentiles {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1_000.0,
        })
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<T: IntoIterator<Item = Duration>>(times: T) -> Self {
        let mut all = Self::default();
        times.into_iter().for_each(|time| all.record(time));
        all
    }
}

impl Serialize for Times {
    /// As pairs of a value in microseconds and how often it was there.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let values = self.0.iter().flat_map(|histogram| histogram.iter_recorded());
        to.collect_seq(values.map(|value| (value.value_iterated_to(), value.count_at_value())))
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut times = Self::default();
        for (us, count) in Vec::<(u64, u32)>::deserialize(from)? {
            times.record_many(us, count);
        }
        Ok(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_and_merged_is_what_was_recorded() {
        let ms = Duration::from_millis;
        let whole: Times = (1..=1_000).map(ms).collect();
        let mut merged: Times = (1..=500).map(ms).collect();
        let other: Times = (501..=1_000).map(ms).collect();
        let sent = serde_json::to_string(&other).unwrap();
        merged.merge(serde_json::from_str(&sent).unwrap());
        merged.merge(Times::default());
        let [whole, merged] = [whole, merged].map(|times| times.percentiles().unwrap());
        assert_eq!((whole.count, merged.count), (1_000, 1_000));
        for (value, expected) in
            [(whole.p50, 500.0), (merged.p50, 500.0), (merged.p99, 990.0), (merged.max, 1_000.0)]
        {
            assert!((value / expected - 1.0_f64).abs() < 0.01, "{value}, not {expected}");
        }
        assert_eq!(Times::default().percentiles(), None);
    }
}
