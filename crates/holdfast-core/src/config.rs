//! What a merchant says about a sale before it opens.

use serde::{Deserialize, Serialize};

use crate::outcome::Invalid;
use crate::{
    AMOUNT_MAX, CAPACITY_MAX, CHECKOUT_GRACE_SECONDS_MAX, HOLD_SECONDS_MAX, MAX_PER_BUYER_MAX,
    METADATA_BYTES_MAX, Money, NAME_BYTES_MAX, TIERS_MAX, TierId,
};

/// Who gets a unit first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// Whoever asks first.
    #[default]
    FirstCome,
}

/// Everything about a sale except its tiers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What people call the sale; 1 to 200 bytes.
    pub name: String,
    /// When it opens by itself, in milliseconds since 1970 UTC; `None`: by command only.
    pub opens_at_ms: Option<u64>,
    /// How long a hold lasts, in seconds of the sale clock; 1 to 86,400.
    pub hold_seconds: u32,
    /// What a checkout adds to a hold's time, in seconds; 0 to 86,400.
    pub checkout_grace_seconds: u32,
    /// Units that one buyer may have, holds and orders together; 1 to 1,000.
    pub max_per_buyer: u32,
    /// Who gets a unit first.
    pub admission: Admission,
    /// The merchant's own JSON, kept as it came; at most 4,096 bytes.
    pub metadata: Option<String>,
}

/// One tier, as the merchant wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierConfig {
    /// The tier's name in addresses.
    pub id: TierId,
    /// What people call it; 1 to 200 bytes.
    pub name: String,
    /// How many units there are; 0 to 10,000,000.
    pub capacity: u32,
    /// The price of one unit.
    pub price: Money,
}

/// A whole sale, as the merchant wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleConfig {
    /// The sale's terms.
    pub terms: Terms,
    /// Its tiers, 1 to 100, in the order in which they are shown.
    pub tiers: Vec<TierConfig>,
}

impl SaleConfig {
    /// Checks every range of the contract.
    ///
    /// # Errors
    /// The first field that is wrong, and why.
    pub fn check(&self) -> Result<(), Invalid> {
        self.terms.check()?;
        if !(1..=TIERS_MAX).contains(&self.tiers.len()) {
            return Err(Invalid::field("tiers", "a sale has 1 to 100 tiers"));
        }
        for (index, tier) in self.tiers.iter().enumerate() {
            tier.check().map_err(|invalid| invalid.of_tier(index))?;
            if self.tiers[..index].iter().any(|other| other.id == tier.id) {
                let invalid = Invalid::field("id", "another tier has this id");
                return Err(invalid.of_tier(index));
            }
        }
        Ok(())
    }
}

impl Terms {
    fn check(&self) -> Result<(), Invalid> {
        check_name(&self.name)?;
        if !(1..=HOLD_SECONDS_MAX).contains(&self.hold_seconds) {
            return Err(Invalid::field("hold_seconds", "must be 1 to 86400"));
        }
        if self.checkout_grace_seconds > CHECKOUT_GRACE_SECONDS_MAX {
            return Err(Invalid::field("checkout_grace_seconds", "must be 0 to 86400"));
        }
        if !(1..=MAX_PER_BUYER_MAX).contains(&self.max_per_buyer) {
            return Err(Invalid::field("max_per_buyer", "must be 1 to 1000"));
        }
        if self.metadata.as_ref().is_some_and(|json| json.len() > METADATA_BYTES_MAX) {
            return Err(Invalid::field("metadata", "must have at most 4096 bytes"));
        }
        Ok(())
    }
}

impl TierConfig {
    fn check(&self) -> Result<(), Invalid> {
        check_name(&self.name)?;
        check_capacity(self.capacity)?;
        if self.price.amount > AMOUNT_MAX {
            return Err(Invalid::field("price.amount", "must be 0 to 1000000000000"));
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), Invalid> {
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Invalid::field("name", "must have 1 to 200 bytes and no control characters"))
}

/// Checks the range of a capacity.
pub(crate) fn check_capacity(capacity: u32) -> Result<(), Invalid> {
    if capacity > CAPACITY_MAX {
        return Err(Invalid::field("capacity", "must be 0 to 10000000"));
    }
    Ok(())
}
