//! Why a rehearsal could not be held. A broken promise is a finding, never an error.

use std::io;

/// Why a rehearsal could not be held.
#[derive(Debug, thiserror::Error)]
pub enum RehearseError {
    /// The target is not an address that can be rehearsed against.
    #[error("the target {target:?} cannot be used: {reason}")]
    Target {
        /// The target as it was given.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An option is out of its range.
    #[error("{option}: {reason}")]
    Option {
        /// The field of [`crate::Options`].
        option: &'static str,
        /// What it must be.
        reason: String,
    },
    /// The sale of the rehearsal could not be made or opened.
    #[error("could not {step}: {reason}")]
    Sale {
        /// What was being done.
        step: &'static str,
        /// What the server said, or why it said nothing.
        reason: String,
    },
    /// The system refused a thread, a timer or a poller.
    #[error("the crowd could not be started: {0}")]
    Start(#[from] io::Error),
    /// A part of the crowd died; its buyers have no result.
    #[error("{missing} buyers were lost by the crowd itself: this is a bug of the rehearsal")]
    Crowd {
        /// Buyers without a result.
        missing: usize,
    },
}
