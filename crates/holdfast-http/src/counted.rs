//! Those who are counted for a limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use foldhash::quality::RandomState;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{DashMapStateStore, ShrinkableKeyedStateStore};

/// Counts of all who are known by their hash. When it is full, those stay counted, and nobody new is.
pub(crate) struct Counted {
    known: DashMapStateStore<u64, RandomState>,
    is_full: Arc<AtomicBool>,
}

impl Counted {
    /// Nobody is counted yet. `is_full` is for whoever looks after it to set.
    pub(crate) fn new(is_full: Arc<AtomicBool>) -> Self {
        Self { known: DashMapStateStore::default(), is_full }
    }
}

impl StateStore for Counted {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, who: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if self.is_full.load(Relaxed) && !self.known.contains_key(who) {
            // As for the first time, each time.
            return decide(None).map(|(decision, _)| decision);
        }
        self.known.measure_and_replace(who, decide)
    }
}

impl ShrinkableKeyedStateStore<u64> for Counted {
    fn retain_recent(&self, drop_below: Nanos) {
        ShrinkableKeyedStateStore::retain_recent(&self.known, drop_below);
    }

    fn shrink_to_fit(&self) {
        ShrinkableKeyedStateStore::shrink_to_fit(&self.known);
    }

    fn len(&self) -> usize {
        ShrinkableKeyedStateStore::len(&self.known)
    }

    fn is_empty(&self) -> bool {
        ShrinkableKeyedStateStore::is_empty(&self.known)
    }
}
