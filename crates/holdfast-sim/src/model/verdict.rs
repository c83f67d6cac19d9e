//! What came of a command, in terms that the model and the product share.

use holdfast_core::{HoldKey, Limit, Outcome, Refusal, Status, Ticked};

/// What came of a command. Like [`Outcome`], but holds go by their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What was due has been done.
    Ticked {
        /// Holds that expired.
        expired: u32,
        /// Whether the sale opened.
        opened: bool,
        /// Whether more is due.
        more: bool,
    },
    /// The sale is configured as asked.
    Configured {
        /// Whether it did not exist before.
        created: bool,
    },
    /// The sale has this status now.
    Moved(Status),
    /// The tier has the capacity that was asked for.
    Resized,
    /// A new hold.
    Reserved(HoldKey),
    /// The hold that answers this request already.
    Existing(HoldKey),
    /// The hold has ended.
    Cancelled(HoldKey),
    /// The hold is or was at the checkout.
    CheckedOut(HoldKey),
    /// The payment has come to nothing.
    Declined(HoldKey),
    /// This hold is sold.
    Confirmed(HoldKey),
    /// The money came too late, and nothing is left for it.
    TooLate(HoldKey),
    /// What has become of the order is known.
    Recorded(HoldKey),
    /// The sale does not know the name.
    Forgotten,
    /// The sale is in doubt.
    Doubted,
    /// This hold had been lost, and is there again.
    Claimed(HoldKey),
    /// This hold is sold, as the ledger has it.
    Restored(HoldKey),
    /// Nothing was done, and why.
    Refused(Reason),
}

/// Why nothing was done. Like [`Refusal`], without the words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is no such sale.
    SaleNotFound,
    /// There is no such tier.
    TierNotFound,
    /// There is no such hold, or it is another buyer's.
    HoldNotFound,
    /// A field, by its path, is out of its range.
    Invalid(String),
    /// The key was used for something else.
    KeyReused,
    /// The sale is over.
    Closed,
    /// The sale has not opened; when it will.
    NotOpen(Option<u64>),
    /// The sale is paused.
    Paused,
    /// The buyer has this hold, for something else.
    HoldExists(HoldKey),
    /// The buyer would have more than is allowed.
    LimitReached(Limit),
    /// Only so many units are free.
    NotEnough(u32),
    /// None is free; when one may come back.
    AllHeld(Option<u64>),
    /// All are sold.
    SoldOut,
    /// The state does not allow it.
    WrongState,
    /// The sale remembers as many holds as it can.
    Full,
}

impl Verdict {
    /// The product's outcome in these terms. `hold` is the key of the hold that it names.
    ///
    /// `None`: the outcome names a hold and there is none.
    pub fn of(outcome: Outcome, hold: Option<HoldKey>) -> Option<Self> {
        Some(match outcome {
            Outcome::Ticked(Ticked { expired, opened, more }) => {
                Self::Ticked { expired, opened, more }
            }
            Outcome::Configured { created } => Self::Configured { created },
            Outcome::Moved(status) => Self::Moved(status),
            Outcome::Resized => Self::Resized,
            Outcome::Reserved(_) => Self::Reserved(hold?),
            Outcome::Existing(_) => Self::Existing(hold?),
            Outcome::Cancelled(_) => Self::Cancelled(hold?),
            Outcome::CheckedOut(_) => Self::CheckedOut(hold?),
            Outcome::Declined(_) => Self::Declined(hold?),
            Outcome::Confirmed(_) => Self::Confirmed(hold?),
            Outcome::TooLate(_) => Self::TooLate(hold?),
            Outcome::Recorded(_) => Self::Recorded(hold?),
            Outcome::Forgotten => Self::Forgotten,
            Outcome::Doubted => Self::Doubted,
            Outcome::Claimed(_) => Self::Claimed(hold?),
            Outcome::Restored(_) => Self::Restored(hold?),
            Outcome::Refused(refusal) => Self::Refused(Reason::of(refusal, hold)?),
        })
    }
}

impl Reason {
    fn of(refusal: Refusal, hold: Option<HoldKey>) -> Option<Self> {
        Some(match refusal {
            Refusal::SaleNotFound => Self::SaleNotFound,
            Refusal::TierNotFound => Self::TierNotFound,
            Refusal::HoldNotFound => Self::HoldNotFound,
            Refusal::Invalid(invalid) => Self::Invalid(invalid.path()),
            Refusal::KeyReused => Self::KeyReused,
            Refusal::Closed => Self::Closed,
            Refusal::NotOpen { opens_at_ms } => Self::NotOpen(opens_at_ms),
            Refusal::Paused => Self::Paused,
            Refusal::HoldExists(_) => Self::HoldExists(hold?),
            Refusal::LimitReached(limit) => Self::LimitReached(limit),
            Refusal::NotEnough { free } => Self::NotEnough(free),
            Refusal::AllHeld { next_return_at_ms } => Self::AllHeld(next_return_at_ms),
            Refusal::SoldOut => Self::SoldOut,
            Refusal::WrongState(_) => Self::WrongState,
            Refusal::Full => Self::Full,
        })
    }
}
