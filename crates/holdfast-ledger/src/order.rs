//! Orders and what can become of them.

use std::fmt;

use holdfast_core::{BuyerId, HoldKey, Money, SaleId, TierId};

/// Why an order is void that the guard refused: there was no unit for it.
pub const NO_UNIT: &str = "no_unit";

/// An order's id, as it is told to its buyer: at most 64 bytes, without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(String);

impl OrderId {
    /// Takes an id of 1 to 64 bytes without control characters; anything else is `None`.
    pub fn new(id: impl Into<String>) -> Option<Self> {
        let id = id.into();
        let is_id = (1..=64).contains(&id.len()) && !id.chars().any(char::is_control);
        is_id.then_some(Self(id))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an order is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderStatus {
    /// The provider has authorised the full amount, which is to be captured.
    Authorised,
    /// The amount has been captured.
    Paid,
    /// It came to nothing: its units are not sold, its amount is not captured.
    Void,
    /// The amount has been given back.
    Refunded,
}

impl OrderStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Authorised, Self::Paid, Self::Void, Self::Refunded];

    /// As it is spelt.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorised => "authorised",
            Self::Paid => "paid",
            Self::Void => "void",
            Self::Refunded => "refunded",
        }
    }

    /// The status that is spelt so.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether the order has its units.
    pub fn has_units(self) -> bool {
        matches!(self, Self::Authorised | Self::Paid)
    }
}

/// An order to record: the provider has authorised its full amount, and the engine has confirmed
/// its hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Its id.
    pub id: OrderId,
    /// The hold that it ends.
    pub hold: HoldKey,
    /// Whose.
    pub buyer: BuyerId,
    /// Of which tier.
    pub tier: TierId,
    /// How many units.
    pub quantity: u32,
    /// What all its units cost.
    pub total: Money,
    /// Who was asked for the money: at most [`NAME_BYTES_MAX`](crate::NAME_BYTES_MAX) bytes.
    pub provider: String,
    /// What the provider calls the payment: as many.
    pub payment: String,
    /// What the merchant keeps with it, as JSON: at most
    /// [`METADATA_BYTES_MAX`](crate::METADATA_BYTES_MAX) bytes.
    pub metadata: Option<String>,
}

/// An order as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// In which sale.
    pub sale: SaleId,
    /// Place among the sale's orders, from 1, without gaps.
    pub number: u64,
    /// What was recorded.
    pub what: NewOrder,
    /// Where it is in its life.
    pub status: OrderStatus,
    /// Why it is void, or is to be refunded.
    pub reason: Option<String>,
    /// When it was recorded.
    pub created_ms: u64,
    /// When its status changed last.
    pub changed_ms: u64,
    /// When a refund was asked for, if one was.
    pub refund_asked_ms: Option<u64>,
}

impl Order {
    /// Whether it is void because the guard refused it. Such an order never had units here, so that
    /// the engine withholds what it took for sold. Any other void order had its units, and they are
    /// free again.
    pub fn was_refused(&self) -> bool {
        self.status == OrderStatus::Void && self.reason.as_deref() == Some(NO_UNIT)
    }
}

/// What came of an order that was to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It has been recorded, and has its units.
    New(Order),
    /// Its hold has had an order before, which is as it is now.
    Known(Order),
    /// It would sell more than there is: it has been recorded as void, without units, for good.
    Refused(Order),
}

/// A step in an order's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// From `authorised`: the amount has been captured.
    Paid,
    /// From `authorised`: it comes to nothing, and why, in at most
    /// [`REASON_BYTES_MAX`](crate::REASON_BYTES_MAX) bytes. Its units are no longer sold.
    Void(String),
    /// While `paid`: it is to be refunded, and why, in as many bytes. Its status stays.
    AskRefund(String),
    /// From `paid`: the amount has been given back. Its units are no longer sold.
    Refunded,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The order is as it is now: the step has been taken, now or before.
    Done(Order),
    /// The step cannot be taken from where the order is.
    Refused(Order),
    /// The sale has no such order.
    NoOrder,
}

/// What is to be told to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number; messages are numbered in the order in which they were written.
    pub number: u64,
    /// What it tells.
    pub kind: MessageKind,
    /// The order that it tells about.
    pub order: OrderId,
    /// When that happened.
    pub at_ms: u64,
}

/// What a message tells of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// It has been recorded.
    Authorised,
    /// It has been paid.
    Paid,
    /// It has come to nothing.
    Void,
    /// It has been refunded.
    Refunded,
}

impl MessageKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Authorised, Self::Paid, Self::Void, Self::Refunded];

    /// As it is spelt.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorised => "order.authorised",
            Self::Paid => "order.paid",
            Self::Void => "order.void",
            Self::Refunded => "order.refunded",
        }
    }

    /// The kind that is spelt so.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A tier, as the guard and the orders have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierTotals {
    /// The tier.
    pub tier: TierId,
    /// Units that it has.
    pub capacity: u32,
    /// Units that the guard counts as sold.
    pub sold: u32,
    /// Units of its orders that are `authorised` or `paid`. Equal to `sold`, or something is wrong.
    pub ordered: u32,
}
