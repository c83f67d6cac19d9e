//! The control row: the one place, outside of Redis, that says which reign is in force.

use serde::{Deserialize, Serialize};

/// The row, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRow {
    /// Grows by one each time; what a compare-and-set is about.
    pub version: u64,
    /// The reign.
    pub epoch: u32,
    /// What the store keeps beside it.
    pub document: String,
}

/// Keeps the row: a database that several nodes share.
pub trait Control: Send {
    /// The row; `None`: there has never been one.
    ///
    /// # Errors
    /// Why it cannot be read, in words for whoever runs it.
    fn read(&mut self) -> Result<Option<ControlRow>, String>;

    /// Replaces the row if its version is `expected` (0: there is none); says whether it did. When the
    /// epoch grows, whatever else the same database fences by it grows with it, in one step.
    ///
    /// # Errors
    /// Why it is unknown whether it did: read the row again.
    fn replace(&mut self, expected: u64, epoch: u32, document: &str) -> Result<bool, String>;
}

/// What the row says beside the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Document {
    /// Whether the epoch is open: its logs are whole, or as whole as they can be made.
    pub(super) is_open: bool,
    /// What the reigning process of Redis was told, and no other knows.
    pub(super) token: String,
    /// Who won the epoch.
    pub(super) winner: String,
    /// The name of the function library, which has the version of the rules.
    pub(super) library: String,
    /// How many data nodes Redis has, as all nodes must say.
    pub(super) data_nodes: u32,
    /// The nodes that may have confirmed entries that nobody else has seen.
    pub(super) roll: Vec<String>,
    /// How many sales there were when the row was written: where there are fewer, some are lost.
    pub(super) sales: u64,
    /// How often an epoch was opened in which something may be lost, this one with them as long as it is
    /// not open: each gives sequences that none before it gave.
    pub(super) doubts: u32,
    /// Where each log ended when the last node left: number, epoch, sequence.
    pub(super) left: Vec<(u32, u32, u64)>,
}

impl Document {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| {
            format!("the control row in the ledger is not one that this version writes: {error}")
        })
    }

    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
