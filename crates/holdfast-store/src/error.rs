//! What can go wrong with a store, in words for whoever runs it.

use std::io;

use crate::{Epoch, LogId};

/// The result of a call to a store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why a store refused or failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A later reign is in force; whatever this writer still holds is void.
    #[error("log {}: epoch {} is over, epoch {} reigns", log.0, epoch.0, reigning.0)]
    Fenced {
        /// The log.
        log: LogId,
        /// The writer's epoch.
        epoch: Epoch,
        /// The epoch in force.
        reigning: Epoch,
    },
    /// The log ends before what this writer has already seen of it.
    #[error("log {}: ends at {last}, but {seen} was seen: it has been rolled back", log.0)]
    RolledBack {
        /// The log.
        log: LogId,
        /// The highest sequence the writer had seen.
        seen: u64,
        /// The highest sequence that is there.
        last: u64,
    },
    /// There is no log with this number.
    #[error("there is no log {}", .0.0)]
    NoSuchLog(LogId),
    /// Entries that were asked for have been trimmed away; start from the snapshot.
    #[error("log {}: entries up to {trimmed} are gone, start from its snapshot", log.0)]
    Trimmed {
        /// The log.
        log: LogId,
        /// The last sequence that is gone.
        trimmed: u64,
    },
    /// The disk is full. Nothing was written; the same call may succeed once there is room.
    #[error("{0}")]
    Full(String),
    /// The entries may or may not be durable. The store accepts nothing more until it is reopened.
    #[error("{0}")]
    Unknown(String),
    /// The entries may or may not be durable. The store goes on: whoever reads on will find out.
    #[error("{0}")]
    Unconfirmed(String),
    /// This log alone cannot be asked now. Nothing was written; it comes back by itself.
    #[error("{0}")]
    Behind(String),
    /// The store cannot be asked now. Nothing was written; it comes back by itself.
    #[error("{0}")]
    Away(String),
    /// An earlier call left the store in doubt. Nothing was written; it must be reopened.
    #[error("{0}")]
    Poisoned(String),
    /// What is on disk is not what was written. Nothing has been changed.
    #[error("{file} is damaged at offset {offset}: {what}")]
    Damaged {
        /// Name of the file.
        file: String,
        /// Offset in bytes from its start.
        offset: u64,
        /// What was expected and what was found.
        what: String,
    },
    /// Written by a newer version of this program.
    #[error("{file} has format {found}; this program reads formats up to {supported}")]
    NewerFormat {
        /// Name of the file.
        file: String,
        /// The format it has.
        found: u32,
        /// The newest format that can be read.
        supported: u32,
    },
    /// Another process has the folder.
    #[error("{folder} is in use by {holder}; stop it, or choose another folder")]
    InUse {
        /// The folder.
        folder: String,
        /// Who has it, as far as it said.
        holder: String,
    },
    /// Any other failure of the disk.
    #[error("{doing}: {why}")]
    Io {
        /// What was attempted, with the file's name.
        doing: String,
        /// The system's own words.
        why: String,
    },
}

impl StoreError {
    /// Wraps a failure of the system; a full disk keeps its name.
    pub fn io(doing: impl Into<String>, error: &io::Error) -> Self {
        let doing = doing.into();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full(format!("the disk is full: {doing}: {error}"))
            }
            _ => Self::Io { doing, why: error.to_string() },
        }
    }
}
