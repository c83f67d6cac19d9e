//! Checkouts and payments on the wire.

use std::borrow::Cow;

use holdfast_core::PaymentStatus as Status;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::word_or_none;
use crate::{Hold, Metadata, Time};

/// A request to take a hold to the checkout. May be left out.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostCheckout {
    /// How the simulated provider is to behave; `approve` if nothing is said. No other provider
    /// takes it.
    #[serde(default, deserialize_with = "word_or_none", skip_serializing_if = "Option::is_none")]
    pub simulate: Option<Simulate>,
    /// What is kept with the order, if the merchant asks. The buyer sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// How the simulated provider behaves towards one payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Simulate {
    /// Authorises it at once.
    Approve,
    /// Declines it.
    Decline,
    /// Authorises it, and answers after three seconds.
    Slow,
    /// Authorises it a second after `pay_by`.
    Late,
    /// Authorises it, and tells of each change twice.
    Twice,
    /// Never answers.
    Never,
}

/// What a checkout answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checkout {
    /// The hold's payment.
    pub payment: Payment,
    /// Until when the payment may come; left out once the hold is not at the checkout. May move
    /// later, never earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub pay_by: Option<Time>,
    /// The hold.
    pub hold: Hold,
}

/// A hold's payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Payment {
    /// Who takes the money; `none` if there is nothing to pay.
    #[schemars(with = "String")]
    pub provider: Cow<'static, str>,
    /// Where it is in its life.
    pub status: PaymentStatus,
    /// How often the hold has gone to the checkout, from 1.
    #[schemars(range(min = 1))]
    pub attempt: u8,
    /// Until when it may come; left out once the hold is not at the checkout. May move later, never
    /// earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub pay_by: Option<Time>,
}

/// Where a payment is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// It waits for its turn at the provider; the buyer's time stands still.
    Queued,
    /// The provider is being asked.
    Processing,
    /// The provider has promised the money; the hold is sold.
    Authorised,
    /// The money has been taken.
    Paid,
    /// It came to nothing; nothing was taken.
    Declined,
    /// Its order came to nothing; nothing was taken.
    Void,
    /// The money has been given back.
    Refunded,
    /// It came after the hold had ended. Either nothing is taken, or it pays for another hold, whose
    /// `order` is told.
    Cancelled,
    /// It came after the hold's end and has paid for another hold: see the order.
    Moved,
}

impl From<Status> for PaymentStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Queued => Self::Queued,
            Status::Processing => Self::Processing,
            Status::Declined => Self::Declined,
            Status::TooLate => Self::Cancelled,
            Status::Moved => Self::Moved,
            Status::Authorised => Self::Authorised,
            Status::Paid => Self::Paid,
            Status::Void => Self::Void,
            Status::Refunded => Self::Refunded,
        }
    }
}
