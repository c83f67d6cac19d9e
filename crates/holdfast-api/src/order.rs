//! Orders on the wire.

use std::borrow::Cow;

use holdfast_core::{BuyerId, Money, SaleId, TierId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Metadata, Time, schema};

/// An order, as its buyer and the merchant see it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// Its id: cannot be guessed.
    #[schemars(with = "schema::OrderId")]
    pub id: String,
    /// In which sale.
    #[schemars(with = "schema::SaleId")]
    pub sale: SaleId,
    /// The hold that it ends.
    #[schemars(with = "schema::HoldId")]
    pub hold: String,
    /// Whose.
    #[schemars(with = "schema::BuyerId")]
    pub buyer: BuyerId,
    /// Of which tier.
    #[schemars(with = "schema::TierId")]
    pub tier: TierId,
    /// How many units.
    pub quantity: u32,
    /// What all its units cost.
    #[schemars(with = "schema::Money")]
    pub total: Money,
    /// Where it is in its life.
    pub status: OrderStatus,
    /// Who takes the money; `none` if there was nothing to pay.
    #[schemars(with = "String")]
    pub provider: Cow<'static, str>,
    /// What the merchant keeps with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Metadata")]
    pub metadata: Option<Metadata>,
    /// Why it is void, or is to be refunded or has been, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub reason: Option<String>,
    /// When a refund was asked for, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub refund_asked_at: Option<Time>,
    /// When it was recorded; left out until it is, which takes a moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub created_at: Option<Time>,
    /// When its status changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub changed_at: Option<Time>,
    /// Its place among the sale's orders, from 1, without gaps; left out until it is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64", range(min = 1))]
    pub number: Option<u64>,
}

/// Where an order is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// The provider has promised the money; it is about to be taken.
    Authorised,
    /// The money has been taken.
    Paid,
    /// It came to nothing: nothing was taken, and its units are not the buyer's.
    Void,
    /// The money has been given back.
    Refunded,
}

/// A request to give an order's money back. May be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostRefund {
    /// Why. The buyer sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Reason>")]
    pub reason: Option<String>,
}

/// A buyer has been forgotten: where their name was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Forgotten {
    /// In so many sales.
    pub sales: u64,
    /// In so many orders.
    pub orders: u64,
}

/// What a provider tells of a payment. Fields that are not known are not looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Webhook {
    /// The message's id: the same when it is told again.
    pub id: String,
    /// What happened, such as `payment.captured`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The payment that it happened to, as we call it.
    #[schemars(length(min = 1, max = 80), regex(pattern = r"^[!-~]+$"))]
    pub reference: String,
    /// When, in seconds since 1970 UTC.
    pub created: u64,
}
