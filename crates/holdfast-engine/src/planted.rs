//! Bugs planted on purpose, so that the tests can prove that they would catch them.
//!
//! Without the feature `planted` none of them is compiled in: `planted!` is `false`.

/// Whether a bug is switched on in this thread; `false` in the product.
#[cfg(feature = "planted")]
macro_rules! planted {
    ($bug:ident) => {
        $crate::planted::is_on($crate::planted::Bug::$bug)
    };
}
#[cfg(not(feature = "planted"))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

#[cfg(feature = "planted")]
pub use switch::{Bug, get, is_on, set};

#[cfg(feature = "planted")]
mod switch {
    use std::cell::Cell;

    /// A bug in the engine.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Bug {
        /// Answers before the entries are written.
        AnswersFirst,
        /// Answers what is written and still being flushed.
        AnswersInFlight,
        /// Applies what is written and still being flushed: others are answered from that.
        AppliesInFlight,
        /// Goes on answering from memory after the store is in doubt.
        IgnoresDoubt,
        /// Does nothing without traffic: nobody's hold expires by itself.
        NeedsTraffic,
        /// Refuses from what is known, without a look at what other nodes have written.
        RefusesUnread,
        /// Keeps what it knew of a sale when its log has become another.
        KeepsOldState,
    }

    thread_local! {
        static ON: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Switches one bug on in this thread, or all off.
    pub fn set(bug: Option<Bug>) {
        ON.set(bug);
    }

    /// The bug that is on in this thread, if any.
    pub fn get() -> Option<Bug> {
        ON.get()
    }

    /// Whether `bug` is on in this thread.
    pub fn is_on(bug: Bug) -> bool {
        ON.get() == Some(bug)
    }
}
