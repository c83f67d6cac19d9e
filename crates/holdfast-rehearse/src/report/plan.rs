//! What was asked for.

use schemars::JsonSchema;
use serde::Serialize;

use crate::capacity::Capacity;
use crate::duration::millis;
use crate::{BuyerLimit, Manners, Options, Payments};

/// What was asked for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Plan {
    /// Buyers, each asking for one unit.
    pub buyers: usize,
    /// How they came, as it is written on the command line.
    pub arrivals: String,
    /// The time in which they came, in milliseconds.
    pub over_ms: f64,
    /// How they behaved.
    pub manners: Manners,
    /// What winners did with their holds.
    pub payments: Payments,
    /// Units in the sale.
    pub capacity: u32,
    /// How long a hold lasts, in seconds.
    pub hold_seconds: u32,
    /// What drew the schedule, the manners and the samples.
    pub seed: u64,
    /// Connections that could be open at a time, in all processes together.
    pub connections: usize,
    /// Processes that played buyers.
    pub processes: usize,
    /// How long a buyer waited, in milliseconds.
    pub patience_ms: f64,
    /// Whether buyers came with tokens of their own, not with the merchant's key.
    pub buyer_tokens: bool,
    /// How often the server lets one buyer ask, such as `10/s`; null without a limit, as for buyers
    /// without tokens.
    pub buyer_limit: Option<String>,
    /// Whether buyers who were told to come back later were no failure.
    pub allow_shed: bool,
}

impl Plan {
    pub(super) fn new(options: &Options, capacity: Capacity, buyers: usize) -> Self {
        Self {
            buyers,
            arrivals: options.arrivals.to_string(),
            over_ms: millis(options.arrivals.span()),
            manners: options.manners,
            payments: options.payments,
            capacity: options.capacity,
            hold_seconds: options.hold_seconds,
            seed: options.seed,
            connections: capacity.connections(),
            processes: capacity.processes,
            patience_ms: millis(options.patience),
            buyer_tokens: options.buyer_secret.is_some(),
            buyer_limit: Some(options.limit_in_force())
                .filter(|limit| *limit != BuyerLimit::OFF)
                .map(|limit| limit.to_string()),
            allow_shed: options.allow_shed,
        }
    }
}
