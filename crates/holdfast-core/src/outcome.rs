//! What came of a command. Refusals are outcomes too: they are part of the rules.

use crate::{HoldIndex, Status};

/// What came of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was due has been done.
    Ticked(Ticked),
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
    Reserved(HoldIndex),
    /// The hold that this buyer already has for the same request.
    Existing(HoldIndex),
    /// The hold has ended: cancelled now or before, or expired.
    Cancelled(HoldIndex),
    /// The hold is at the checkout, or has been there: now or before.
    CheckedOut(HoldIndex),
    /// The payment has come to nothing, now or before.
    Declined(HoldIndex),
    /// The hold is sold, now or before. It is another one than was asked about if the money came
    /// after the end of its own.
    Confirmed(HoldIndex),
    /// The money came after the hold's end and no unit is left for it: it is to be given back.
    TooLate(HoldIndex),
    /// What the ledger says of the hold's order is known, now or before.
    Recorded(HoldIndex),
    /// The sale does not know the buyer's name, now or before.
    Forgotten,
    /// The sale is in doubt.
    Doubted,
    /// A hold that had been lost, with its own name and deadline.
    Claimed(HoldIndex),
    /// The hold is sold for an order that the ledger has.
    Restored(HoldIndex),
    /// Nothing was done, and why.
    Refused(Refusal),
}

impl Outcome {
    /// The hold that it speaks of, if it speaks of one.
    pub fn hold(&self) -> Option<HoldIndex> {
        match *self {
            Self::Reserved(hold)
            | Self::Existing(hold)
            | Self::Cancelled(hold)
            | Self::CheckedOut(hold)
            | Self::Declined(hold)
            | Self::Confirmed(hold)
            | Self::TooLate(hold)
            | Self::Recorded(hold)
            | Self::Claimed(hold)
            | Self::Restored(hold)
            | Self::Refused(Refusal::HoldExists(hold)) => Some(hold),
            Self::Ticked(_)
            | Self::Configured { .. }
            | Self::Moved(_)
            | Self::Resized
            | Self::Forgotten
            | Self::Doubted
            | Self::Refused(_) => None,
        }
    }
}

/// What a tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Holds that expired.
    pub expired: u32,
    /// Whether the sale opened.
    pub opened: bool,
    /// Whether more is due than one tick may do.
    pub more: bool,
}

/// Why nothing was done. The contract's codes, one for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such sale.
    SaleNotFound,
    /// The sale has no such tier.
    TierNotFound,
    /// There is no such hold, or it is another buyer's.
    HoldNotFound,
    /// A field is out of its range.
    Invalid(Invalid),
    /// The idempotency key was used for something else.
    KeyReused,
    /// The sale is over.
    Closed,
    /// The sale has not opened.
    NotOpen {
        /// When it will, in milliseconds since 1970 UTC; `None`: by the merchant's hand.
        opens_at_ms: Option<u64>,
    },
    /// The sale is paused.
    Paused,
    /// The buyer has a live hold for something else.
    HoldExists(HoldIndex),
    /// The buyer would have more than the sale allows.
    LimitReached(Limit),
    /// Fewer units are free than were asked for.
    NotEnough {
        /// Units that are free.
        free: u32,
    },
    /// No unit is free, but some are held or withheld and may come back.
    AllHeld {
        /// The earliest deadline of a hold in this tier, in milliseconds since 1970 UTC; in doubt, when
        /// that ends, if anything can be free then.
        next_return_at_ms: Option<u64>,
    },
    /// Every unit is sold.
    SoldOut,
    /// The sale's or the tier's state does not allow this step.
    WrongState(&'static str),
    /// The sale remembers as many holds as it can.
    Full,
}

/// Which limit a buyer has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Units, holds and orders together: `max_per_buyer`.
    Units,
    /// Holds in one sale, ended ones included.
    Holds,
    /// Idempotency keys in one sale.
    Keys,
    /// Checkouts of one hold.
    Checkouts,
}

/// A field that is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The field's name.
    pub field: &'static str,
    /// The tier it belongs to, counted from 0, if it is a tier's.
    pub tier: Option<usize>,
    /// What it must be.
    pub reason: &'static str,
}

impl Invalid {
    pub(crate) fn field(field: &'static str, reason: &'static str) -> Self {
        Self { field, tier: None, reason }
    }

    pub(crate) fn of_tier(self, index: usize) -> Self {
        Self { tier: Some(index), ..self }
    }

    /// The field's path in the request, such as `tiers[2].capacity`.
    pub fn path(&self) -> String {
        match self.tier {
            Some(index) => format!("tiers[{index}].{}", self.field),
            None => self.field.to_owned(),
        }
    }
}
