//! What happened when.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::tenths;
use crate::crowd::Rush;
use crate::duration::millis;
use crate::machine::Usage;
use crate::series::{self, Class};
use crate::watch::Sample;

/// What happened when, from the start of the rush.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Timeline {
    /// The width of each bin, in milliseconds.
    pub bin_ms: f64,
    /// Bins of equal width, from the start on.
    pub bins: Vec<Bin>,
    /// What was seen a few times a second.
    pub looks: Vec<Look>,
}

/// What happened in one stretch of time.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Bin {
    /// When it begins, in milliseconds from the start.
    pub at_ms: f64,
    /// Buyers whose moment is in it: offered.
    pub due: u64,
    /// Buyers begun in it: achieved.
    pub begun: u64,
    /// Tries begun in it, first ones and others.
    pub tries: u64,
    /// Holds told in it.
    pub won: u64,
    /// Refusals `all_held` told in it.
    pub all_held: u64,
    /// Refusals `sold_out` told in it.
    pub sold_out: u64,
    /// Answers 429 told in it.
    pub limited: u64,
    /// Answers 503 `overloaded` told in it.
    pub shed: u64,
    /// Other answers told in it.
    pub refused: u64,
    /// Tries given up in it without an answer.
    pub unanswered: u64,
    /// Buyers who went in it without waiting.
    pub vanished: u64,
    /// Holds given back in it.
    pub given_back: u64,
    /// Half of the tries that were due in it were answered within this time; null without any.
    pub latency_p50_ms: Option<f64>,
    /// 99 in 100 of them were.
    pub latency_p99_ms: Option<f64>,
    /// 99 in 100 buyers due in it were begun within this time; null without any.
    pub lag_p99_ms: Option<f64>,
}

/// What was seen at one moment.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Look {
    /// When, in milliseconds from the start.
    pub at_ms: f64,
    /// What the server said of its units; null if it did not.
    pub stock: Option<Stock>,
    /// How busy this machine's cores had been since the look before, 0 to 100.
    pub machine_busy_percent: Option<f64>,
    /// The part of it that was neither the crowd's nor, if its process is known, the server's.
    pub machine_others_percent: Option<f64>,
}

/// Units, as the public view told them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stock {
    /// For whoever asks.
    pub free: i64,
    /// On hold.
    pub held: i64,
    /// Sold.
    pub sold: i64,
    /// Neither, until it is known whose they are.
    pub withheld: i64,
}

impl Timeline {
    pub(super) fn new(rush: &Rush) -> Self {
        let width = rush.series.width;
        let bins = (0..).zip(&rush.series.bins).map(|(place, bin)| Bin::new(width * place, bin));
        Self {
            bin_ms: millis(width),
            bins: bins.collect(),
            looks: rush.watched.samples.iter().map(Look::new).collect(),
        }
    }
}

impl Bin {
    fn new(at: Duration, bin: &series::Bin) -> Self {
        let came_to = |class: Class| bin.came_to(&[class]);
        let latency = bin.latency.percentiles();
        Self {
            at_ms: millis(at),
            due: bin.due,
            begun: bin.begun,
            tries: bin.tries,
            won: came_to(Class::Won),
            all_held: came_to(Class::AllHeld),
            sold_out: came_to(Class::SoldOut),
            limited: came_to(Class::Limited),
            shed: came_to(Class::Shed),
            refused: came_to(Class::Refused),
            unanswered: came_to(Class::Unanswered),
            vanished: bin.vanished,
            given_back: bin.given_back,
            latency_p50_ms: latency.map(|latency| latency.p50),
            latency_p99_ms: latency.map(|latency| latency.p99),
            lag_p99_ms: bin.lag.percentiles().map(|lag| lag.p99),
        }
    }
}

impl Look {
    fn new(sample: &Sample) -> Self {
        let stock = sample.tier.map(|tier| Stock {
            free: tier.free,
            held: tier.held,
            sold: tier.sold,
            withheld: tier.withheld,
        });
        let percent = |of: fn(&Usage) -> f64| sample.usage.map(|usage| tenths(of(&usage)));
        Self {
            at_ms: millis(sample.at),
            stock,
            machine_busy_percent: percent(|usage| usage.busy),
            machine_others_percent: percent(|usage| usage.others.clamp(0.0, usage.busy)),
        }
    }
}
