//! What is counted about the store in Redis.

use std::sync::atomic::AtomicU64;

use holdfast_metrics::{Histogram, LATENCY_SECONDS};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// What a node counts of its store; all clones are one.
#[derive(Clone, Debug)]
pub struct Counts {
    /// How long a round trip with the engine's entries takes, until enough data nodes have them on disk.
    pub rounds: Histogram,
    /// Appends of which it could not be said whether they count.
    pub unconfirmed: Counter,
    /// The epoch under which this node sells.
    pub epoch: Gauge<u64, AtomicU64>,
    /// 1 while the store can be asked, else 0.
    pub is_up: Gauge<u64, AtomicU64>,
    /// The nodes that are known to live, this one with them.
    pub nodes: Gauge<u64, AtomicU64>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            rounds: Histogram::new(&LATENCY_SECONDS),
            unconfirmed: Counter::default(),
            epoch: Gauge::default(),
            is_up: Gauge::default(),
            nodes: Gauge::default(),
        }
    }
}
