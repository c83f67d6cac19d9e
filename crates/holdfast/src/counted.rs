//! What is counted about the store.

use holdfast_metrics::Histogram;
use holdfast_store::redis::Counts;
use prometheus_client::registry::{Registry, Unit};

/// What the store counts, by its kind.
pub(crate) enum Counted {
    /// How long the journal's flushes take.
    Journal(Histogram),
    /// What a node counts of its Redis.
    Redis(Box<Counts>),
}

impl Counted {
    /// Shows it to whoever scrapes.
    pub(crate) fn register(self, registry: &mut Registry) {
        match self {
            Self::Journal(flushes) => {
                let help = "How long the journal's flushes take";
                registry.register_with_unit("flush", help, Unit::Seconds, flushes);
            }
            Self::Redis(counts) => {
                let Counts { rounds, unconfirmed, epoch, is_up, nodes } = *counts;
                let help = "How long entries take until enough data nodes of Redis have them";
                registry.register_with_unit("redis_round", help, Unit::Seconds, rounds);
                let help = "Appends of which it could not be said whether they count";
                registry.register("redis_unconfirmed", help, unconfirmed);
                let help = "Whether Redis can be asked: 1, or 0";
                registry.register("redis_up", help, is_up);
                registry.register("redis_epoch", "The epoch under which this node sells", epoch);
                registry.register("nodes", "Nodes that live, this one among them", nodes);
            }
        }
    }
}
