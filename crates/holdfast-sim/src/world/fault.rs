//! How a disk fails.

use std::collections::BTreeMap;
use std::io;

/// What is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// Reading, listing, opening.
    Read,
    /// Writing bytes.
    Write,
    /// Flushing a file or the folder.
    Sync,
    /// Creating, renaming, removing.
    Name,
}

/// How an operation goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies within it; it may have taken effect in part.
    Crash,
    /// It fails with an input/output error.
    Error,
    /// It takes so many microseconds.
    Slow(u64),
}

/// Faults that have happened, by kind.
pub type Fired = BTreeMap<&'static str, u64>;

/// A fault that waits for its moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Armed {
    pub(super) fault: Fault,
    /// Of which kind of operation; `None`: of any.
    pub(super) op: Option<Op>,
    /// How many such operations still pass.
    pub(super) after: u32,
}

/// Why an operation does not go as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The process was dead before it.
    Dead,
    /// The process dies within it.
    Crash,
    Error,
}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Dead | Stop::Crash => Self::other("the process has died"),
            Stop::Error => Self::other("simulated input/output error"),
        }
    }
}
