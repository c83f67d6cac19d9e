//! What a rehearsal found. The field names are stable; a change of meaning changes [`SCHEMA`].

mod bottleneck;
mod crowd;
mod load;
mod plan;
mod timeline;
mod waves;

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use bottleneck::Bottleneck;
pub use crowd::Crowd;
pub use load::Load;
pub use plan::Plan;
pub use timeline::{Bin, Stock, Timeline};
pub use waves::Wave;

use crate::capacity::Capacity;
use crate::crowd::{Buy, Ending, Rush};
use crate::histogram::Times;
use crate::{Options, Percentiles, Verdict};

/// The version of the report's field names and meanings.
pub const SCHEMA: u32 = 2;

/// What a rehearsal found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// The version of this schema.
    pub schema: u32,
    /// Whether no promise was seen broken, all was seen that should be, and every buyer who waited
    /// was told that they hold a unit or that there is none.
    ok: bool,
    /// The version of Holdfast that held the rehearsal.
    pub version: String,
    /// When it began: RFC 3339, UTC.
    pub started_at: String,
    /// The command that repeats it.
    pub command: String,
    /// The server, as it was given.
    pub target: String,
    /// The sale that was made for this rehearsal, and closed.
    pub sale: String,
    /// What was asked for.
    pub plan: Plan,
    /// What the buyers got.
    pub crowd: Crowd,
    /// How the crowd came and went.
    pub load: Load,
    /// From a winner's moment to the last byte of their hold; null without winners.
    pub winners_latency_ms: Option<Percentiles>,
    /// From a loser's moment to the last byte of their last refusal; null without losers.
    pub losers_latency_ms: Option<Percentiles>,
    /// From the moment of every try, first ones and others, to its answer, whatever it said; null
    /// without answers.
    pub tries_latency_ms: Option<Percentiles>,
    /// The waves of the arrivals, one after another.
    pub waves: Vec<Wave>,
    /// What happened when.
    pub timeline: Timeline,
    /// Which promises were broken, if any.
    pub verdict: Verdict,
}

/// Where and when a rehearsal was held.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) started_at: Timestamp,
    pub(crate) capacity: Capacity,
    pub(crate) sale: &'a str,
}

/// The JSON Schema (draft 2020-12) of a report.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Report).into()
}

impl Report {
    pub(crate) fn new(options: &Options, about: About<'_>, rush: &Rush, verdict: Verdict) -> Self {
        let crowd = Crowd::count(rush);
        let kept = verdict.broken.is_empty() && verdict.unverified.is_empty();
        let excused = if options.allow_shed { crowd.shed } else { 0 };
        let latency = |of: fn(&Ending) -> bool| {
            let buys = rush.buys.iter().filter(|buy| of(&buy.ending));
            buys.map(latency).collect::<Times>().percentiles()
        };
        Self {
            schema: SCHEMA,
            ok: kept && crowd.refused == excused && crowd.unanswered == 0,
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: about.started_at.to_string(),
            command: options.command.clone(),
            target: options.target.to_string(),
            sale: about.sale.to_owned(),
            plan: Plan::new(options, about.capacity, rush.buys.len()),
            load: Load::new(options, rush, &crowd),
            winners_latency_ms: latency(|ending| matches!(ending, Ending::Won(_))),
            losers_latency_ms: latency(|ending| matches!(ending, Ending::Lost(_))),
            tries_latency_ms: rush.series.answers.percentiles(),
            waves: waves::of(options, rush),
            timeline: Timeline::new(rush),
            crowd,
            verdict,
        }
    }

    /// Whether every promise held as far as could be seen, everything that should be seen was,
    /// and every buyer who waited was told that they hold a unit or that there is none.
    pub fn ok(&self) -> bool {
        self.ok
    }
}

/// From a buyer's moment to the end of it.
fn latency(buy: &Buy) -> Duration {
    buy.ended.saturating_sub(buy.due)
}

/// To a tenth.
fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// `None` in no time.
fn per_second(count: u64, time: Duration) -> Option<f64> {
    (!time.is_zero()).then(|| tenths(count as f64 / time.as_secs_f64()))
}

#[cfg(test)]
mod tests;
