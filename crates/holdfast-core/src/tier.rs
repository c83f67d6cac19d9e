//! One tier's count of units.

use std::collections::{BTreeSet, VecDeque};

use crate::TierConfig;
use crate::holds::Holds;

/// A tier: free is what is left of its capacity, never a counter of its own.
#[derive(Clone, Debug)]
pub(crate) struct Tier {
    pub(crate) config: TierConfig,
    pub(crate) held: u32,
    pub(crate) sold: u32,
    /// By the ledger's word: it counts more orders than the sale.
    pub(crate) withheld: u32,
    /// Rows of holds by deadline. A sale's holds all last equally long, so a new one always goes
    /// to the end; ended ones and those that went to the checkout stay until they come to the
    /// front. The front is always held.
    pub(crate) due: VecDeque<u32>,
    /// Deadlines and rows of live holds that have been at the checkout: theirs moved; and of those
    /// that were brought back, whose turn has passed.
    pub(crate) late: BTreeSet<(u64, u32)>,
}

impl Tier {
    pub(crate) fn new(config: TierConfig) -> Self {
        Self { config, held: 0, sold: 0, withheld: 0, due: VecDeque::new(), late: BTreeSet::new() }
    }

    /// Units that are spoken for.
    pub(crate) fn taken(&self) -> u32 {
        self.held + self.sold + self.withheld
    }

    /// Units that nobody has, as far as the sale knows: free, unless it is in doubt.
    pub(crate) fn left(&self) -> u32 {
        self.config.capacity.saturating_sub(self.taken())
    }

    /// The earliest deadline of a live hold, on the sale clock.
    pub(crate) fn next_deadline_ms(&self, holds: &Holds) -> Option<u64> {
        self.next_due(holds).map(|(deadline_ms, _)| deadline_ms)
    }

    /// The earliest deadline of a live hold, and the hold's row.
    pub(crate) fn next_due(&self, holds: &Holds) -> Option<(u64, u32)> {
        let punctual = self.due.front().map(|&row| (holds[row].deadline_ms, row));
        punctual.into_iter().chain(self.late.first().copied()).min()
    }

    /// Drops from the front of the deadlines what is not held any more, or not there.
    pub(crate) fn settle_due(&mut self, holds: &Holds) {
        while self.due.front().is_some_and(|&row| !holds.is_punctual(row)) {
            self.due.pop_front();
        }
    }
}
