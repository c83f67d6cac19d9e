//! The audit on the wire.

use holdfast_core::SaleId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Tier, schema};

/// A sale's promises, counted afresh from its records, the ledger and the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// Whether everything is as it must be.
    pub ok: bool,
    /// What is not.
    pub differences: Vec<Difference>,
    /// The sale.
    #[schemars(with = "schema::SaleId")]
    pub sale: SaleId,
    /// The snapshot that the count began from, by its sequence; 0: every entry was read.
    pub snapshot_sequence: u64,
    /// The last entry that was read, by its sequence.
    pub last_sequence: u64,
    /// Holds that were found, by how they stand.
    pub holds: HoldCount,
    /// Orders and their money.
    pub money: MoneyCount,
    /// The tiers as the records make them.
    pub tiers: Vec<Tier>,
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// The promise it breaks, by its number in the design.
    pub promise: u8,
    /// What was counted and what was expected.
    pub what: String,
}

/// Holds, by how they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldCount {
    /// With their units.
    pub held: u64,
    /// At the checkout, with their units.
    pub paying: u64,
    /// Ended as orders.
    pub sold: u64,
    /// Given back.
    pub cancelled: u64,
    /// Run out.
    pub expired: u64,
}

/// Orders and their money, as the ledger and the provider have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MoneyCount {
    /// Orders in the ledger, whatever became of them.
    pub orders: u64,
    /// Those that are paid.
    pub paid: u64,
    /// What those cost, in minor units.
    pub paid_amount: u64,
    /// Payments that the provider has taken and not given back.
    pub captured: u64,
    /// What those amount to, in minor units.
    pub captured_amount: u64,
    /// Holds with which something was being done about their payment: counted, and not judged.
    pub under_way: u64,
}
