//! Bugs planted on purpose, so that the tests can show that they would catch them.
//!
//! Only with the feature `planted`, which the product never has. The switch is the thread's own:
//! tests run side by side.

use std::cell::Cell;

/// A protection that is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// An append is answered without a flush.
    SkipSync,
    /// Any damage is taken for a torn tail, and cut.
    CutAnywhere,
    /// The sale clock takes steps of any length.
    ClockUncapped,
    /// The epoch of an append is not looked at.
    NoFence,
    /// Redis: an answer does not wait until enough data nodes have it.
    BelievesUnconfirmed,
    /// Redis: the sale clock runs on entries that nobody has confirmed.
    ClockOnUnconfirmed,
    /// Redis: a node that was not heard is counted as heard.
    CountsUnheard,
    /// Redis: of two logs the longer one wins, whatever its epoch.
    LongestLogWins,
    /// Redis: who has handed over goes on under the old epoch.
    GoesOnAfterHandingOver,
    /// Redis: sequences do not jump where entries may be lost.
    NoJump,
    /// Redis: what is written back gets new stamps.
    NewStamps,
    /// Redis: a process is taken for what it was as soon as it is reached.
    TrustsAtOnce,
    /// Redis: a winner does not look whether its epoch is still the one in force.
    IgnoresRow,
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Plants a bug on this thread, or takes it away.
pub fn set(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// The bug that is planted on this thread, if any.
pub fn get() -> Option<Bug> {
    PLANTED.get()
}

pub(crate) fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}
