//! Holds on the wire.

use holdfast_core::{BuyerId, HoldStatus, HoldView, Money, QUANTITY_MAX, SaleId, TierId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::field::{whole, word};
use crate::{Order, Payment, Time, schema};

/// A request to hold units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostHold {
    /// Of which tier.
    #[schemars(with = "schema::TierId")]
    pub tier: TierId,
    /// How many units.
    #[serde(deserialize_with = "whole")]
    #[schemars(range(min = 1, max = QUANTITY_MAX))]
    pub quantity: u32,
    /// What to do if no unit is free.
    #[serde(default, deserialize_with = "word")]
    pub if_held: IfHeld,
    /// For whom, if the merchant asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::BuyerId>")]
    pub buyer: Option<BuyerId>,
}

/// What to do if no unit is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IfHeld {
    /// Say so.
    #[default]
    Refuse,
}

/// A hold, as its buyer and the merchant see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// Its id: cannot be guessed, and proves what was promised.
    #[schemars(with = "schema::HoldId")]
    pub id: String,
    /// In which sale.
    #[schemars(with = "schema::SaleId")]
    pub sale: SaleId,
    /// Of which tier.
    #[schemars(with = "schema::TierId")]
    pub tier: TierId,
    /// How many units.
    pub quantity: u32,
    /// Whose.
    #[schemars(with = "schema::BuyerId")]
    pub buyer: BuyerId,
    /// Where it is in its life.
    #[schemars(with = "schema::HoldStatus")]
    pub status: HoldStatus,
    /// When it ends, by the wall clock; left out once it has ended. May move later, never earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub expires_at: Option<Time>,
    /// How long it lasts from now, in milliseconds; 0 once it has ended.
    pub remaining_ms: u64,
    /// What all its units cost.
    #[schemars(with = "schema::Money")]
    pub total: Money,
    /// Its payment, once it has been at the checkout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Payment")]
    pub payment: Option<Payment>,
    /// The order that it became, once it is sold. Of one whose money came after its end: the order
    /// that was made for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "schema::OrderId")]
    pub order: Option<String>,
}

impl Hold {
    /// A hold of this sale, under its signed id, that has not been at the checkout.
    pub fn new(id: String, sale: SaleId, hold: &HoldView) -> Self {
        Self {
            id,
            sale,
            tier: hold.tier,
            quantity: hold.quantity,
            buyer: hold.buyer,
            status: hold.status,
            expires_at: hold.expires_at_ms.map(Time),
            remaining_ms: hold.remaining_ms,
            total: hold.total,
            payment: None,
            order: None,
        }
    }
}

/// What a buyer has in a sale.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Me {
    /// Who this is.
    #[schemars(with = "schema::BuyerId")]
    pub buyer: BuyerId,
    /// Their latest hold, live or ended; `null` if they never had one.
    pub hold: Option<Hold>,
    /// Their orders, oldest first; `null` while it cannot be known what they have ordered.
    pub orders: Option<Vec<Order>>,
}
