//! What can be asked of a sale. A command is what the log keeps.

use serde::{Deserialize, Serialize};

use crate::{BuyerId, HoldKey, KeyDigest, Receipt, SaleConfig, TierId};

/// What the log wrote on a command: its place and its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The reign under which it was appended.
    pub epoch: u32,
    /// Its position in the sale's log, from 1.
    pub sequence: u64,
    /// The sale clock in milliseconds; never smaller than the one before.
    pub clock_ms: u64,
}

/// A command. It carries no choice: what is due is decided by the stamp.
///
/// Variants are numbered in order on disk: add at the end, never reorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Do what is due at this stamp: anchor the sale clock to the wall, open by schedule, expire.
    Tick {
        /// The wall clock, in milliseconds since 1970 UTC.
        wall_ms: u64,
    },
    /// Create the sale, or change it before it opens.
    Configure(Box<SaleConfig>),
    /// Start selling.
    Open,
    /// No new holds for now; clocks run.
    Pause,
    /// Go on after a pause.
    Resume,
    /// No new holds ever; live ones finish.
    Close,
    /// Change how many units a tier has.
    SetCapacity {
        /// The tier.
        tier: TierId,
        /// Units from now on.
        capacity: u32,
    },
    /// Hold units for a buyer.
    Reserve(Reserve),
    /// Give a hold back.
    Cancel {
        /// The hold.
        hold: HoldKey,
        /// Who asks, if it must be the hold's own buyer; `None`: the merchant.
        buyer: Option<BuyerId>,
    },
    /// Take a hold to the checkout: its payment waits for the provider.
    Checkout(Checkout),
    /// The provider is about to be asked for a payment: the buyer's time runs again.
    Call {
        /// The hold.
        hold: HoldKey,
        /// Which of its payments.
        attempt: u8,
    },
    /// A payment has come to nothing: it was declined, or its authorisation has been cancelled.
    Decline {
        /// The hold.
        hold: HoldKey,
        /// Which of its payments.
        attempt: u8,
    },
    /// The provider has authorised the full amount: the hold is sold.
    Confirm {
        /// The hold.
        hold: HoldKey,
        /// Which of its payments.
        attempt: u8,
    },
    /// The ledger has the hold's order as paid.
    Pay {
        /// The hold.
        hold: HoldKey,
    },
    /// The ledger has the hold's order as void.
    Void {
        /// The hold.
        hold: HoldKey,
        /// Whether the ledger says that there were no units for it: then nobody can prove that
        /// they are free.
        withheld: bool,
    },
    /// The ledger has the hold's order as refunded.
    Refund {
        /// The hold.
        hold: HoldKey,
    },
    /// Put another name in a buyer's place, for good, in a sale that is closed.
    Forget {
        /// Who is to be forgotten.
        buyer: BuyerId,
        /// What stands in their place; nobody else's name.
        alias: BuyerId,
    },
    /// The log's end may have been lost, and with it holds that were promised. It is the first entry
    /// of an epoch. Until every such hold has run out no unit is free.
    Doubt {
        /// How far the sale clock may have run in what was lost, in milliseconds.
        lost_ms: u64,
        /// The first sequence that may be lost: the one after the last that is known. This entry's
        /// own sequence is the first that cannot be.
        first_lost: u64,
    },
    /// A buyer shows the receipt of a hold that may be lost; its signature has been checked.
    Claim {
        /// What the receipt says.
        receipt: Receipt,
        /// For whom it was signed.
        buyer: BuyerId,
    },
    /// The ledger has an order of a hold that may be lost, or whose sale may be. It is authorised or paid,
    /// or was: one that has ended since is brought to its end in the sale by what follows.
    Restore(Box<Restore>),
}

impl Command {
    /// The hold that it is about, if it is about one.
    pub fn hold(&self) -> Option<HoldKey> {
        match self {
            Self::Cancel { hold, .. }
            | Self::Checkout(Checkout { hold, .. })
            | Self::Call { hold, .. }
            | Self::Decline { hold, .. }
            | Self::Confirm { hold, .. }
            | Self::Pay { hold }
            | Self::Void { hold, .. }
            | Self::Refund { hold } => Some(*hold),
            Self::Claim { receipt, .. } => Some(receipt.key),
            Self::Restore(restore) => Some(restore.hold),
            Self::Tick { .. }
            | Self::Configure(_)
            | Self::Open
            | Self::Pause
            | Self::Resume
            | Self::Close
            | Self::SetCapacity { .. }
            | Self::Reserve(_)
            | Self::Forget { .. }
            | Self::Doubt { .. } => None,
        }
    }
}

/// A request to hold units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// Who asks.
    pub buyer: BuyerId,
    /// Of which tier.
    pub tier: TierId,
    /// How many units; 1 to 1,000.
    pub quantity: u32,
    /// The idempotency key, if the client sent one.
    pub key: Option<KeyDigest>,
}

/// A request to take a hold to the checkout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// The hold.
    pub hold: HoldKey,
    /// Who asks, if it must be the hold's own buyer; `None`: the merchant.
    pub buyer: Option<BuyerId>,
    /// The idempotency key, if the client sent one.
    pub key: Option<KeyDigest>,
    /// What is kept with the order, as JSON; at most [`crate::NOTE_BYTES_MAX`]
    /// bytes. The rules do not read it.
    pub note: Option<Box<str>>,
}

/// An order that the ledger has, as far as its sale must know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// The hold that the order ends.
    pub hold: HoldKey,
    /// Whose.
    pub buyer: BuyerId,
    /// The receipt in the reference that the provider knows the order's money by. It is the hold's own,
    /// unless the money came after the end of its hold and paid for another: then it is that of the
    /// hold whose money it was.
    pub source: Receipt,
    /// Which of the source's payments it was, from 1; it is in the reference too.
    pub attempt: u8,
    /// Whether the order is paid; else it is authorised.
    pub paid: bool,
}
