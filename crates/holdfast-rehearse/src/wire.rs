//! The few fields that a rehearsal sends and reads. Read leniently: an answer that lacks one is
//! a finding, not a failure to parse.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The one tier of a rehearsal's sale.
pub(crate) const TIER: &str = "general";
/// What a unit costs.
pub(crate) const PRICE: u64 = 1_000;
pub(crate) const CURRENCY: &str = "EUR";

/// What a buyer asks for.
#[derive(Serialize)]
pub(crate) struct Reserve<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) buyer: Option<&'a str>,
    pub(crate) tier: &'static str,
    pub(crate) quantity: u32,
    pub(crate) if_held: &'static str,
}

/// A hold, as the server told it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Hold {
    pub(crate) id: String,
    pub(crate) sale: String,
    pub(crate) tier: String,
    pub(crate) quantity: u32,
    pub(crate) buyer: String,
    pub(crate) status: String,
    pub(crate) expires_at: String,
    pub(crate) remaining_ms: u64,
    /// Once it has been at the checkout.
    pub(crate) payment: Option<Payment>,
    /// What it became, once it is sold.
    pub(crate) order: Option<String>,
}

/// A hold's payment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Payment {
    pub(crate) status: String,
}

/// What a checkout answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Checkout {
    pub(crate) payment: Payment,
}

/// An order, as the merchant's list has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) hold: String,
    pub(crate) buyer: String,
    pub(crate) quantity: u32,
    pub(crate) total: Money,
    pub(crate) status: String,
}

/// An amount in minor units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Money {
    pub(crate) amount: u64,
    pub(crate) currency: String,
}

/// A page of orders.
#[derive(Debug, Deserialize)]
pub(crate) struct Orders {
    pub(crate) items: Vec<Order>,
    pub(crate) next: Option<String>,
}

/// The start of a problem document.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) field: String,
}

/// What a buyer has in a sale.
#[derive(Debug, Deserialize)]
pub(crate) struct Me {
    pub(crate) hold: Option<Hold>,
}

/// The public view of a sale.
#[derive(Debug, Deserialize)]
pub(crate) struct SaleView {
    pub(crate) tiers: Vec<TierView>,
}

/// A tier in the public view. Signed, so that a negative count is seen and not refused.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct TierView {
    pub(crate) capacity: i64,
    pub(crate) free: i64,
    pub(crate) held: i64,
    pub(crate) sold: i64,
    pub(crate) withheld: i64,
}

/// The server's own audit.
#[derive(Debug, Deserialize)]
pub(crate) struct Audit {
    pub(crate) ok: bool,
    #[serde(default)]
    pub(crate) differences: Vec<Difference>,
    /// What it counted.
    pub(crate) holds: HoldCount,
    pub(crate) money: Option<MoneyCount>,
}

/// Orders and payments that the server's own audit counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct MoneyCount {
    pub(crate) paid: u64,
    pub(crate) paid_amount: u64,
    pub(crate) captured: u64,
    pub(crate) captured_amount: u64,
    pub(crate) under_way: u64,
}

/// Holds that the server's own audit counted.
#[derive(Debug, Deserialize)]
pub(crate) struct HoldCount {
    pub(crate) held: u64,
}

/// What the server's own audit found.
#[derive(Debug, Deserialize)]
pub(crate) struct Difference {
    pub(crate) promise: u8,
    pub(crate) what: String,
}

/// How often something was said.
pub(crate) type Counts = BTreeMap<String, u64>;
