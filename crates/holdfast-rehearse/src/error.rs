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
    /// [`crate::Options::stop`] was given. The sale has been closed, if it could be.
    #[error("the rehearsal was stopped before its end{}", open(sale_left_open.as_deref()))]
    Stopped {
        /// The sale that may still be open, and why.
        sale_left_open: Option<String>,
    },
    /// A generator of the crowd died or failed; its buyers have no result.
    #[error("a generator of the crowd {how}: the rehearsal says nothing about the server")]
    Generator {
        /// What it did.
        how: String,
    },
    /// A part of the crowd died; its buyers have no result.
    #[error("{missing} buyers were lost by the crowd itself: this is a bug of the rehearsal")]
    Crowd {
        /// Buyers without a result.
        missing: usize,
    },
}

impl RehearseError {
    pub(crate) fn generator(how: &str) -> Self {
        Self::Generator { how: how.to_owned() }
    }
}

fn open(sale: Option<&str>) -> String {
    sale.map(|sale| format!("; its sale may still be open: {sale}")).unwrap_or_default()
}
