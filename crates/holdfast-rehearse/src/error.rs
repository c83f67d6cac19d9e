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
    /// A buyer who was sent ahead of the crowd was not let in.
    #[error("no buyer is let in: {reason}{}", advice(*with_tokens))]
    Buyers {
        /// What the server said, or why it said nothing.
        reason: String,
        /// Whether they come with tokens of their own.
        with_tokens: bool,
    },
    /// [`crate::Options::stop`] was given before the first buyer came.
    #[error("the rehearsal was stopped before its first buyer came")]
    Stopped,
    /// Another of these, and the sale could not be closed.
    #[error("{error}; its sale {sale} may still be open: {reason}")]
    LeftOpen {
        /// What went wrong first.
        error: Box<RehearseError>,
        /// The sale.
        sale: String,
        /// Why it could not be closed.
        reason: String,
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

fn advice(with_tokens: bool) -> &'static str {
    if with_tokens {
        ". The secret that buyers' tokens are signed with must be the HS256 secret that the server \
         was given with --buyer-key; without one (--buyer-secret), the merchant's key asks for them"
    } else {
        ""
    }
}
