//! Why the engine could not answer, or could not start.

use holdfast_core::CodecError;
use holdfast_store::StoreError;

/// Why a request has no outcome. Never a refusal by the rules: those are outcomes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The queue is full; nothing was done.
    #[error("more requests are waiting than the engine takes")]
    Overloaded,
    /// The store takes nothing now; nothing was done.
    #[error("{0}")]
    Unavailable(String),
    /// The store failed midway: the request may or may not have taken effect. Repeating it is safe.
    #[error("{0}")]
    Unknown(String),
    /// The engine has stopped; nothing was done.
    #[error("the server is stopping")]
    Stopped,
}

impl From<&StoreError> for EngineError {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unknown(_) | StoreError::Unconfirmed(_) => Self::Unknown(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// Why the engine could not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A log has a name that no sale can have.
    #[error("log {log} is not a sale's: its name is {name:?}")]
    Name {
        /// The log's number.
        log: u32,
        /// Its name.
        name: String,
    },
    /// An entry or a snapshot is not what this version writes.
    #[error("sale {sale}, entry {sequence}: {error}")]
    Entry {
        /// The sale.
        sale: String,
        /// The entry's sequence; a snapshot's last one.
        sequence: u64,
        /// What is wrong with it.
        error: CodecError,
    },
    /// The records end before what the store says is durable.
    #[error("sale {sale}: its records end at entry {found}, but {expected} is durable")]
    Short {
        /// The sale.
        sale: String,
        /// The last entry that could be read.
        found: u64,
        /// The last entry that is durable.
        expected: u64,
    },
}
