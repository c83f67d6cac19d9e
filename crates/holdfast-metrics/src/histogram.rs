//! A histogram without a lock: prometheus-client's own takes one for every value.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// What a histogram's values are, and where its buckets end.
#[derive(Debug)]
pub struct Scale {
    bounds: &'static [u64],
    /// Steps of a value in the unit that is shown.
    steps: f64,
}

/// Latencies: counted in microseconds, shown in seconds; 1-2-5 from 10 us to 10 s.
pub static LATENCY_SECONDS: Scale = Scale {
    bounds: &[
        10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000,
        500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000,
    ],
    steps: 1e6,
};

/// How many of something: powers of four from 1 to 65,536.
pub static SIZE: Scale =
    Scale { bounds: &[1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536], steps: 1.0 };

/// Counts values by size; cheap to clone, all clones are one.
#[derive(Clone)]
pub struct Histogram(Arc<Buckets>);

struct Buckets {
    scale: &'static Scale,
    /// One for each bound, and one for what lies beyond.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// A histogram without values.
    pub fn new(scale: &'static Scale) -> Self {
        let counts = (0..=scale.bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Buckets { scale, counts, sum: AtomicU64::new(0) }))
    }

    /// Counts a value, in the scale's steps.
    pub fn observe(&self, value: u64) {
        let Buckets { scale, counts, sum } = &*self.0;
        let at = scale.bounds.partition_point(|&bound| bound < value);
        counts[at].fetch_add(1, Relaxed);
        sum.fetch_add(value, Relaxed);
    }

    /// Counts a latency, for scales in microseconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many values have been counted.
    pub fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// Bounds and counts as they stand, the sum, and how many values there are.
    fn read(&self) -> (Vec<(f64, u64)>, f64, u64) {
        let Buckets { scale, counts, sum } = &*self.0;
        let bounds = scale.bounds.iter().map(|&bound| bound as f64 / scale.steps);
        let counts = counts.iter().map(|count| count.load(Relaxed));
        let buckets: Vec<_> = bounds.chain([f64::INFINITY]).zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        (buckets, sum.load(Relaxed) as f64 / scale.steps, count)
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Histogram({})", self.count())
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let (buckets, sum, count) = self.read();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::{Registry, Unit};

    #[test]
    fn a_value_is_counted_in_its_bucket_and_shown_in_its_unit() {
        let histogram = Histogram::new(&LATENCY_SECONDS);
        histogram.observe(10);
        histogram.observe(11);
        histogram.observe_duration(Duration::from_secs(60));
        let mut registry = Registry::default();
        registry.register_with_unit("wait", "How long", Unit::Seconds, histogram);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "wait_seconds_bucket{le=\"0.00001\"} 1",
            "wait_seconds_bucket{le=\"0.00002\"} 2",
            "wait_seconds_bucket{le=\"10.0\"} 2",
            "wait_seconds_bucket{le=\"+Inf\"} 3",
            "wait_seconds_sum 60.000021",
            "wait_seconds_count 3",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is missing:\n{text}");
        }
    }
}
