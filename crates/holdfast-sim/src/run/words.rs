//! Replies in words: for the trace, and counted for the report.

use std::fmt;

use holdfast_core::{Limit, Outcome, Refusal};
use holdfast_engine::{Answer, Reply};

/// A reply in a few words; `None`: there was none.
pub(super) struct Words<'a>(pub(super) Option<&'a Reply>);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("no reply"),
            Some(Err(error)) => write!(f, "{error:?}"),
            Some(Ok(answer)) => match &answer.hold {
                Some(hold) => {
                    let (key, left) = (hold.key.number(), hold.remaining_ms);
                    write!(f, "{:?} {key} {:?} {left} ms", answer.outcome, hold.status)
                }
                None => write!(f, "{:?}", answer.outcome),
            },
        }
    }
}

/// What kind of an answer it is.
pub(super) fn kind(answer: &Answer) -> &'static str {
    match answer.outcome {
        Outcome::Ticked(_) => "ticked",
        Outcome::Configured { .. } => "configured",
        Outcome::Moved(_) => "moved",
        Outcome::Resized => "resized",
        Outcome::Reserved(_) => "a new hold",
        Outcome::Existing(_) => "the same hold",
        Outcome::Cancelled(_) => "ended",
        Outcome::CheckedOut(_) => "at the checkout",
        Outcome::Declined(_) => "declined",
        Outcome::Confirmed(_) => "sold",
        Outcome::TooLate(_) => "money came too late",
        Outcome::Recorded(_) => "recorded",
        Outcome::Forgotten => "forgotten",
        Outcome::Doubted => "in doubt",
        Outcome::Claimed(_) => "a lost hold",
        Outcome::Restored(_) => "sold, says the ledger",
        Outcome::Refused(refusal) => match refusal {
            Refusal::SaleNotFound => "no such sale",
            Refusal::TierNotFound => "no such tier",
            Refusal::HoldNotFound => "no such hold",
            Refusal::Invalid(_) => "out of range",
            Refusal::KeyReused => "key reused",
            Refusal::Closed => "closed",
            Refusal::NotOpen { .. } => "not open",
            Refusal::Paused => "paused",
            Refusal::HoldExists(_) => "another hold exists",
            Refusal::LimitReached(Limit::Units) => "limit reached: units",
            Refusal::LimitReached(Limit::Holds) => "limit reached: holds",
            Refusal::LimitReached(Limit::Keys) => "limit reached: keys",
            Refusal::LimitReached(Limit::Checkouts) => "limit reached: checkouts",
            Refusal::NotEnough { .. } => "not enough",
            Refusal::AllHeld { .. } => "all held",
            Refusal::SoldOut => "sold out",
            Refusal::WrongState(_) => "wrong state",
            Refusal::Full => "full",
        },
    }
}
