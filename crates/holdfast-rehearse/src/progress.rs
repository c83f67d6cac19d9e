//! How far a rehearsal is, for whoever wants to show it.

use std::time::Duration;

/// What a rehearsal is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Makes and opens its sale.
    Opening,
    /// The buyers come.
    Rush,
    /// Asks again, looks, counts.
    Verdict,
    /// The winners pay, or do not; then it waits until no payment is under way.
    Paying,
    /// Closes its sale.
    Closing,
}

/// How far a rehearsal is. Told about ten times a second during the rush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Time since the first buyer's earliest moment.
    pub elapsed: Duration,
    /// Buyers in all.
    pub buyers: u32,
    /// Buyers who have begun to ask.
    pub started: u32,
    /// Buyers who hold a unit.
    pub won: u32,
    /// Buyers who were told that there is none.
    pub lost: u32,
    /// Buyers who were told something else.
    pub refused: u32,
    /// Buyers who got no answer.
    pub unanswered: u32,
    /// Buyers who did not wait for one.
    pub vanished: u32,
    /// Winners who have a hold when the checkout begins.
    pub payers: u32,
    /// Times that one of them was taken to the checkout.
    pub at_checkout: u32,
    /// Winners who were told that they have paid.
    pub paid: u32,
    /// Times that one was told that their payment was declined.
    pub declined: u32,
}

impl Progress {
    pub(crate) fn new(buyers: u32) -> Self {
        Self {
            phase: Phase::Opening,
            elapsed: Duration::ZERO,
            buyers,
            started: 0,
            won: 0,
            lost: 0,
            refused: 0,
            unanswered: 0,
            vanished: 0,
            payers: 0,
            at_checkout: 0,
            paid: 0,
            declined: 0,
        }
    }
}
