//! The few fields that a rehearsal sends and reads. Read leniently: an answer that lacks one is
//! a finding, not a failure to parse.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The one tier of a rehearsal's sale.
pub(crate) const TIER: &str = "general";

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
}

/// The start of a problem document.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub(crate) code: String,
    pub(crate) detail: String,
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
