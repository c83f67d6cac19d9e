//! What a rehearsal found. The field names are stable; a change of meaning changes [`SCHEMA`].

mod bottleneck;
mod crowd;
mod load;
mod money;
mod notes;
mod plan;
mod timeline;
mod waves;
mod why;

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use bottleneck::Bottleneck;
pub use crowd::Crowd;
pub use load::Load;
pub use money::Money;
pub use plan::Plan;
pub(crate) use timeline::Look;
pub use timeline::{Bin, Stock, Timeline};
pub use waves::Wave;

use crate::capacity::Capacity;
use crate::crowd::{Buy, Ending, Rush};
use crate::histogram::Times;
use crate::run::Paid;
use crate::series::Class;
use crate::words::counted;
use crate::{Options, Percentiles, Verdict};

/// The version of the report's field names and meanings.
pub const SCHEMA: u32 = 5;

/// What a rehearsal found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// The version of this schema.
    pub schema: u32,
    /// Whether no promise was seen broken, all was seen that should be, every buyer who waited
    /// was told that they hold a unit, that there is none, or that they had asked too often, if
    /// they had, and nobody was told so who had not; and every winner who went to pay was told
    /// how that ended.
    ok: bool,
    /// Why it is not: sentences, the first of them about buyers; empty if it is.
    why_not_ok: Vec<String>,
    /// Whether it was stopped before its end: then everything is as it was until then, and `ok` is
    /// false.
    pub cut_short: bool,
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
    /// What the winners did with their holds after the rush, and where the money is; null if nobody
    /// was to pay, or nothing could be asked any more.
    pub money: Option<Money>,
    /// How the crowd came and went.
    pub load: Load,
    /// From a winner's moment to the last byte of their hold, their pauses between tries included;
    /// null without winners.
    pub winners_latency_ms: Option<Percentiles>,
    /// From a loser's moment to the last byte of their last refusal, their pauses between tries
    /// included; null without losers.
    pub losers_latency_ms: Option<Percentiles>,
    /// From the moment in which each try was due, first ones and others, to its answer: what the
    /// server took, without anybody's pauses. Tries without an answer are not in it: see
    /// `crowd.tries.late`.
    pub tries_latency_ms: TriesLatency,
    /// The waves of the arrivals, one after another.
    pub waves: Vec<Wave>,
    /// What happened when.
    pub timeline: Timeline,
    /// Which promises were broken, if any.
    pub verdict: Verdict,
}

/// How long tries took from the moment in which they were due, by what they came to; null where
/// none did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TriesLatency {
    /// Whatever they came to, but silence.
    pub all: Option<Percentiles>,
    /// A hold.
    pub won: Option<Percentiles>,
    /// 409 `all_held` or `sold_out`.
    pub none_left: Option<Percentiles>,
    /// 429, or 503 `overloaded`.
    pub sent_away: Option<Percentiles>,
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
    pub(crate) fn new(
        options: &Options,
        about: About<'_>,
        rush: &Rush,
        paid: Option<&Paid>,
        verdict: Verdict,
    ) -> Self {
        let crowd = Crowd::count(rush, &verdict);
        let money = paid.map(|paid| Money::new(paid, options.payments_per_second));
        let why_not_ok = why::not_ok(&crowd, money.as_ref(), &verdict, options.allow_shed);
        let latency = |of: fn(&Ending) -> bool| {
            let buys = rush.buys.iter().filter(|buy| of(&buy.ending));
            buys.map(latency).collect::<Times>().percentiles()
        };
        Self {
            schema: SCHEMA,
            ok: why_not_ok.is_empty(),
            why_not_ok,
            cut_short: verdict.cut_short,
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: about.started_at.to_string(),
            command: options.command.clone(),
            target: options.target.to_string(),
            sale: about.sale.to_owned(),
            plan: Plan::new(options, about.capacity, rush.buys.len() + rush.not_done),
            load: Load::new(options, rush, &crowd),
            winners_latency_ms: latency(|ending| matches!(ending, Ending::Won(_))),
            losers_latency_ms: latency(|ending| matches!(ending, Ending::Lost(_))),
            tries_latency_ms: TriesLatency::of(rush),
            waves: waves::of(options, rush),
            timeline: Timeline::new(rush),
            crowd,
            money,
            verdict,
        }
    }

    /// Whether every promise held as far as could be seen, everything that should be seen was,
    /// every buyer who waited was told that they hold a unit, that there is none, or that they had
    /// asked too often, if they had, and nobody was told so who had not.
    pub fn ok(&self) -> bool {
        self.ok
    }

    /// Why it is not: sentences without their point; empty if it is.
    pub(crate) fn why_not_ok(&self) -> &[String] {
        &self.why_not_ok
    }

    /// How many tries were given up since their time was over, in words.
    pub(crate) fn late_tries(&self) -> String {
        let tries = &self.crowd.tries;
        format!("{} of {} not answered within their time", tries.late, counted(tries.begun, "try"))
    }

    /// Whether somebody asked more than once: then a buyer's latency is more than a try's.
    pub(crate) fn has_repeated(&self) -> bool {
        self.crowd.tries.begun > self.plan.buyers as u64
    }
}

impl TriesLatency {
    fn of(rush: &Rush) -> Self {
        let took = |classes: &[Class]| rush.series.took(classes).percentiles();
        Self {
            all: took(&Class::ANSWERS),
            won: took(&[Class::Won]),
            none_left: took(&Class::NONE_LEFT),
            sent_away: took(&Class::SENT_AWAY),
        }
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
