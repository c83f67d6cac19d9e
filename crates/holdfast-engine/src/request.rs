//! What is asked of the engine, and what it answers.

use holdfast_core::{Command, HoldView, Outcome, Sale};

use crate::{EngineError, SaleRef, Sales};

/// Looks at all sales, or hears why nobody can.
pub type Look = Box<dyn FnOnce(Result<&Sales, EngineError>) + Send>;

/// A request. `T` is whatever the caller needs to pass the reply on.
#[expect(clippy::large_enum_variant, reason = "commands are the hot path and stay unboxed")]
pub enum Request<T> {
    /// Apply a command to a sale.
    Do {
        /// Which sale.
        sale: SaleRef,
        /// What to do.
        command: Command,
        /// Where the reply goes.
        reply: T,
    },
    /// Look at the sales: called once, after everything asked before it, on durable state that is
    /// current; or with the reason why there is none.
    Look(Look),
}

/// What came of a command, and the hold it speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What came of it.
    pub outcome: Outcome,
    /// The hold, where the outcome names one.
    pub hold: Option<HoldView>,
}

/// The reply to a command.
pub type Reply = Result<Answer, EngineError>;

/// Takes the replies of a turn, in the order in which they are given.
pub trait Replies<T> {
    /// Takes a reply, and who waits for it.
    fn push(&mut self, to: T, reply: Reply);
}

impl<T> Replies<T> for Vec<(T, Reply)> {
    fn push(&mut self, to: T, reply: Reply) {
        self.push((to, reply));
    }
}

impl Answer {
    /// An answer, read off the sale at this moment of its clock.
    pub(crate) fn read(sale: &Sale, outcome: Outcome, clock_ms: u64) -> Self {
        let hold = outcome.hold().and_then(|hold| sale.hold(hold, clock_ms));
        Self { outcome, hold }
    }
}
