//! One tier's count of units.

use std::collections::VecDeque;

use crate::TierConfig;
use crate::holds::Holds;

/// A tier: free is what is left of its capacity, never a counter of its own.
#[derive(Clone, Debug)]
pub(crate) struct Tier {
    pub(crate) config: TierConfig,
    pub(crate) held: u32,
    pub(crate) sold: u32,
    pub(crate) withheld: u32,
    /// Rows of holds by deadline. A sale's holds all last equally long, so a new one always goes
    /// to the end; ended ones stay until they come to the front. The front is always live.
    pub(crate) due: VecDeque<u32>,
}

impl Tier {
    pub(crate) fn new(config: TierConfig) -> Self {
        Self { config, held: 0, sold: 0, withheld: 0, due: VecDeque::new() }
    }

    /// Units that are spoken for.
    pub(crate) fn taken(&self) -> u32 {
        self.held + self.sold + self.withheld
    }

    /// Units that anyone may have.
    pub(crate) fn free(&self) -> u32 {
        self.config.capacity.saturating_sub(self.taken())
    }

    /// The earliest deadline of a live hold, on the sale clock.
    pub(crate) fn next_deadline_ms(&self, holds: &Holds) -> Option<u64> {
        self.due.front().map(|&row| holds[row].deadline_ms)
    }

    /// Drops ended holds from the front of the deadlines.
    pub(crate) fn settle_due(&mut self, holds: &Holds) {
        while self.due.front().is_some_and(|&row| !holds[row].status.is_live()) {
            self.due.pop_front();
        }
    }
}
