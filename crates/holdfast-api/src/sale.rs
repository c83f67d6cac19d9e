//! Sales on the wire.

use holdfast_core::{
    AMOUNT_MAX, Admission, Availability, CAPACITY_MAX, CHECKOUT_GRACE_SECONDS_MAX, Currency,
    HOLD_SECONDS_MAX, MAX_PER_BUYER_MAX, Money, SaleConfig, SaleId, SaleView, Status, TIERS_MAX,
    Terms, TierConfig, TierId, TierView,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use crate::field::{whole, word};
use crate::{Object, Time, schema};

/// A sale as the merchant wants it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PutSale {
    /// What people call it.
    #[schemars(with = "schema::Name")]
    pub name: String,
    /// When it opens by itself; without it, by command only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Time>,
    /// How long a hold lasts.
    #[serde(default = "hold_seconds", deserialize_with = "whole")]
    #[schemars(range(min = 1, max = HOLD_SECONDS_MAX))]
    pub hold_seconds: u32,
    /// What a checkout adds to a hold's time.
    #[serde(default = "checkout_grace_seconds", deserialize_with = "whole")]
    #[schemars(range(max = CHECKOUT_GRACE_SECONDS_MAX))]
    pub checkout_grace_seconds: u32,
    /// Units that one buyer may have, holds and orders together.
    #[serde(default = "max_per_buyer", deserialize_with = "whole")]
    #[schemars(range(min = 1, max = MAX_PER_BUYER_MAX))]
    pub max_per_buyer: u32,
    /// Who gets a unit first.
    #[serde(default, deserialize_with = "word")]
    #[schemars(with = "schema::Admission")]
    pub admission: Admission,
    /// Its tiers, in the order in which they are shown.
    #[schemars(length(min = 1, max = TIERS_MAX))]
    pub tiers: Vec<Object<PutTier>>,
    /// The merchant's own data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

fn hold_seconds() -> u32 {
    300
}

fn checkout_grace_seconds() -> u32 {
    120
}

fn max_per_buyer() -> u32 {
    4
}

/// One tier as the merchant wants it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PutTier {
    /// Its name in addresses.
    #[schemars(with = "schema::TierId")]
    pub id: TierId,
    /// What people call it.
    #[schemars(with = "schema::Name")]
    pub name: String,
    /// How many units there are.
    #[serde(deserialize_with = "whole")]
    #[schemars(range(max = CAPACITY_MAX))]
    pub capacity: u32,
    /// The price of one unit.
    pub price: Object<PutPrice>,
}

/// A price as the merchant wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PutPrice {
    /// Minor units: cents of a euro, yen of a yen.
    #[serde(deserialize_with = "whole")]
    #[schemars(range(max = AMOUNT_MAX))]
    pub amount: u64,
    /// What they are units of.
    #[schemars(with = "schema::Currency")]
    pub currency: Currency,
}

/// A change of a tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchTier {
    /// How many units there are from now on.
    #[serde(deserialize_with = "whole")]
    #[schemars(range(max = CAPACITY_MAX))]
    pub capacity: u32,
}

/// The merchant's own data: a JSON object, kept as it came.
#[derive(Clone, Debug, Serialize)]
pub struct Metadata(Box<RawValue>);

impl Metadata {
    /// Takes what is a JSON object; anything else is `None`.
    pub fn from_json(json: String) -> Option<Self> {
        RawValue::from_string(json).ok().filter(|json| json.get().starts_with('{')).map(Self)
    }

    /// It as JSON.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// It as JSON, to be kept.
    pub fn into_json(self) -> Box<RawValue> {
        self.0
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        if json.get().starts_with('{') {
            return Ok(Self(json));
        }
        Err(de::Error::custom("must be an object"))
    }
}

impl From<PutPrice> for Money {
    fn from(PutPrice { amount, currency }: PutPrice) -> Self {
        Self { amount, currency }
    }
}

impl From<PutSale> for SaleConfig {
    fn from(sale: PutSale) -> Self {
        let terms = Terms {
            name: sale.name,
            opens_at_ms: sale.opens_at.map(|Time(ms)| ms),
            hold_seconds: sale.hold_seconds,
            checkout_grace_seconds: sale.checkout_grace_seconds,
            max_per_buyer: sale.max_per_buyer,
            admission: sale.admission,
            metadata: sale.metadata.map(|Metadata(json)| Box::<str>::from(json).into_string()),
        };
        let tier = |Object(tier): Object<PutTier>| TierConfig {
            id: tier.id,
            name: tier.name,
            capacity: tier.capacity,
            price: tier.price.0.into(),
        };
        Self { terms, tiers: sale.tiers.into_iter().map(tier).collect() }
    }
}

/// A sale as everyone may see it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Sale {
    /// Its name in addresses.
    #[schemars(with = "schema::SaleId")]
    pub id: SaleId,
    /// What people call it.
    pub name: String,
    /// Where it is in its life.
    #[schemars(with = "schema::Status")]
    pub status: Status,
    /// When it opens, or was to open, by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub opens_at: Option<Time>,
    /// How long a hold lasts.
    pub hold_seconds: u32,
    /// What a checkout adds to a hold's time.
    pub checkout_grace_seconds: u32,
    /// Units that one buyer may have, holds and orders together.
    pub max_per_buyer: u32,
    /// Who gets a unit first.
    #[schemars(with = "schema::Admission")]
    pub admission: Admission,
    /// Until when the sale is in doubt, if it is: its store has lost entries, and nothing that is free is
    /// sold until every hold that may have been among them has run out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub doubt_until: Option<Time>,
    /// Its tiers, in the order in which they are shown.
    pub tiers: Vec<Tier>,
    /// The merchant's own data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Metadata")]
    pub metadata: Option<Metadata>,
}

/// A tier as everyone may see it; `free + held + sold + withheld = capacity`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tier {
    /// Its name in addresses.
    #[schemars(with = "schema::TierId")]
    pub id: TierId,
    /// What people call it.
    pub name: String,
    /// How many units there are.
    pub capacity: u32,
    /// The price of one unit.
    #[schemars(with = "schema::Money")]
    pub price: Money,
    /// Units for whoever asks.
    pub free: u32,
    /// Units on hold.
    pub held: u32,
    /// Units sold.
    pub sold: u32,
    /// Units that nobody can prove free.
    pub withheld: u32,
    /// What that means for a buyer.
    #[schemars(with = "schema::Availability")]
    pub availability: Availability,
    /// When a unit can next come back, if any is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub next_return_at: Option<Time>,
}

impl Sale {
    /// A sale under its id.
    pub fn new(id: SaleId, sale: SaleView) -> Self {
        let SaleView { terms, status, tiers, doubt_until_ms } = sale;
        Self {
            id,
            name: terms.name,
            status,
            opens_at: terms.opens_at_ms.map(Time),
            hold_seconds: terms.hold_seconds,
            checkout_grace_seconds: terms.checkout_grace_seconds,
            max_per_buyer: terms.max_per_buyer,
            admission: terms.admission,
            doubt_until: doubt_until_ms.map(Time),
            tiers: tiers.into_iter().map(Tier::from).collect(),
            // What was read as JSON is JSON still.
            metadata: terms.metadata.and_then(Metadata::from_json),
        }
    }
}

impl From<TierView> for Tier {
    fn from(tier: TierView) -> Self {
        Self {
            id: tier.config.id,
            name: tier.config.name,
            capacity: tier.config.capacity,
            price: tier.config.price,
            free: tier.free,
            held: tier.held,
            sold: tier.sold,
            withheld: tier.withheld,
            availability: tier.availability,
            next_return_at: tier.next_return_at_ms.map(Time),
        }
    }
}
