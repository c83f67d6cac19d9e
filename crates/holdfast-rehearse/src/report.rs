//! What a rehearsal found. The field names are stable; a change of meaning changes [`SCHEMA`].

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::crowd::{Buy, Ending, Rush};
use crate::wire::Counts;
use crate::{Options, Verdict};

/// The version of the report's field names and meanings.
pub const SCHEMA: u32 = 1;

/// A crowd that is idle for less than the rest is part of what was measured.
const ACTIVE_PERCENT_MAX: f64 = 90.0;
/// A crowd that starts its buyers later than this was late; below it is the timer's grain.
const LAG_MS_MAX: f64 = 20.0;

/// The longest time that is told apart from a longer one: an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// What a rehearsal found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    ok: bool,
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
    /// From a winner's moment to the last byte of their hold; `None` without winners.
    pub winners_latency_ms: Option<Percentiles>,
    /// From a loser's moment to the last byte of their refusal; `None` without losers.
    pub losers_latency_ms: Option<Percentiles>,
    /// Which promises were broken, if any.
    pub verdict: Verdict,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Buyers, each asking for one unit.
    pub buyers: u32,
    /// The time in which they came, in milliseconds.
    pub over_ms: f64,
    /// Units in the sale.
    pub capacity: u32,
    /// How long a hold lasts, in seconds.
    pub hold_seconds: u32,
    /// What drew the schedule and the samples.
    pub seed: u64,
    /// Connections that could be open at a time.
    pub connections: usize,
    /// Threads that played buyers.
    pub threads: usize,
    /// How long a buyer waited, in milliseconds.
    pub patience_ms: f64,
    /// Whether buyers came with tokens of their own, not with the merchant's key.
    pub buyer_tokens: bool,
}

/// What the buyers got. `won + lost + refused + unanswered` is the number of buyers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Crowd {
    /// Told that they hold a unit.
    pub won: u64,
    /// Told that there is no unit.
    pub lost: u64,
    /// The same, by the code they were told.
    pub lost_by_code: Counts,
    /// Told something else.
    pub refused: u64,
    /// The same, by status and code.
    pub refused_by_answer: Counts,
    /// Told nothing.
    pub unanswered: u64,
    /// The same, by what went wrong.
    pub unanswered_by_reason: Counts,
    /// Connections that failed and were tried again.
    pub connect_retries: u64,
    /// Answers 503 that said when to come back, and were obeyed.
    pub overloaded_retries: u64,
}

/// How the crowd came and went.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    /// Buyers due per second of the schedule; `None` when all were due at once.
    pub scheduled_per_second: Option<f64>,
    /// Buyers begun per second, to the last one.
    pub started_per_second: f64,
    /// Buyers answered per second, to the last answer.
    pub answered_per_second: f64,
    /// From the start to the last answer, in milliseconds.
    pub drained_ms: f64,
    /// How late buyers were begun: the crowd's own fault, and part of every latency.
    pub lag_ms: Percentiles,
    /// Buyers who came when every connection was taken.
    pub waited_for_connection: u64,
    /// The part of the rush in which the busiest thread of the crowd was at work or ready for it,
    /// 0 to 100.
    pub active_percent: f64,
    /// The part of the rush in which that thread was ready, but no core was free for it.
    pub starved_percent: f64,
    /// What held the crowd back.
    pub bottleneck: Bottleneck,
}

/// What held the crowd back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bottleneck {
    /// Nothing: the latencies are the server's.
    None,
    /// Every connection was taken: the server was slow, or `connections` too low.
    Connections,
    /// The crowd's own work: the latencies are upper bounds.
    Crowd,
}

/// A distribution, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many values.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// Nine in ten are at most this.
    pub p90: f64,
    /// 99 in 100 are at most this.
    pub p99: f64,
    /// 999 in 1,000 are at most this.
    pub p999: f64,
    /// The greatest.
    pub max: f64,
}

impl Report {
    pub(crate) fn new(
        options: &Options,
        connections: usize,
        sale: &str,
        rush: &Rush,
        verdict: Verdict,
    ) -> Self {
        let crowd = Crowd::count(&rush.buys);
        let kept = verdict.broken.is_empty() && verdict.unverified.is_empty();
        let latency = |won: bool| {
            let of = |buy: &&Buy| match buy.ending {
                Ending::Won(_) => won,
                Ending::Lost(_) => !won,
                _ => false,
            };
            let buys = rush.buys.iter().filter(of);
            Percentiles::of(buys.map(|buy| buy.ended.saturating_sub(buy.due)))
        };
        Self {
            schema: SCHEMA,
            ok: kept && crowd.refused == 0 && crowd.unanswered == 0,
            target: options.target.to_string(),
            sale: sale.to_owned(),
            plan: Plan::new(options, connections),
            load: Load::new(options, rush, &crowd),
            winners_latency_ms: latency(true),
            losers_latency_ms: latency(false),
            crowd,
            verdict,
        }
    }

    /// Whether every promise held as far as could be seen, everything that should be seen was,
    /// and every buyer was told that they hold a unit or that there is none.
    pub fn ok(&self) -> bool {
        self.ok
    }
}

impl Plan {
    fn new(options: &Options, connections: usize) -> Self {
        Self {
            buyers: options.buyers,
            over_ms: ms(options.over),
            capacity: options.capacity,
            hold_seconds: options.hold_seconds,
            seed: options.seed,
            connections,
            threads: options.threads,
            patience_ms: ms(options.patience),
            buyer_tokens: options.buyer_secret.is_some(),
        }
    }
}

impl Crowd {
    fn count(buys: &[Buy]) -> Self {
        let mut crowd = Self::default();
        for buy in buys {
            let (count, by) = match &buy.ending {
                Ending::Won(_) => (&mut crowd.won, None),
                Ending::Lost(code) => (&mut crowd.lost, Some((&mut crowd.lost_by_code, code))),
                Ending::Refused(answer) => {
                    (&mut crowd.refused, Some((&mut crowd.refused_by_answer, answer)))
                }
                Ending::Unanswered(reason) => {
                    (&mut crowd.unanswered, Some((&mut crowd.unanswered_by_reason, reason)))
                }
            };
            *count += 1;
            if let Some((counts, key)) = by {
                *counts.entry(key.clone()).or_default() += 1;
            }
            crowd.connect_retries += u64::from(buy.tries.connect);
            crowd.overloaded_retries += u64::from(buy.tries.comeback);
        }
        crowd
    }
}

impl Load {
    fn new(options: &Options, rush: &Rush, crowd: &Crowd) -> Self {
        let lags = rush.buys.iter().map(|buy| buy.started.saturating_sub(buy.due));
        let lag_ms = Percentiles::of(lags).unwrap_or_default();
        let answered = crowd.won + crowd.lost + crowd.refused;
        let answers = rush.buys.iter().filter(|b| !matches!(b.ending, Ending::Unanswered(_)));
        let drained = answers.map(|buy| buy.ended).max().unwrap_or_default();
        let begun = rush.buys.iter().map(|buy| buy.started).max().unwrap_or_default();
        let waited = rush.buys.iter().filter(|buy| buy.waited).count() as u64;
        let last = rush.buys.iter().map(|buy| buy.ended).max().unwrap_or_default();
        let active_percent = percent(rush.effort.active, last);
        let bottleneck = if active_percent >= ACTIVE_PERCENT_MAX {
            Bottleneck::Crowd
        } else if lag_ms.p99 < LAG_MS_MAX {
            Bottleneck::None
        } else if waited > 0 {
            Bottleneck::Connections
        } else {
            Bottleneck::Crowd
        };
        Self {
            scheduled_per_second: per_second(u64::from(options.buyers), options.over),
            started_per_second: per_second(rush.buys.len() as u64, begun).unwrap_or_default(),
            answered_per_second: per_second(answered, drained).unwrap_or_default(),
            drained_ms: ms(drained),
            lag_ms,
            waited_for_connection: waited,
            active_percent,
            starved_percent: percent(rush.effort.starved, last),
            bottleneck,
        }
    }
}

impl Percentiles {
    /// `None` of nothing.
    fn of(values: impl Iterator<Item = Duration>) -> Option<Self> {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, LONGEST_US, 3).ok()?;
        for value in values {
            histogram.saturating_record(u64::try_from(value.as_micros()).unwrap_or(u64::MAX));
        }
        let at = |quantile| us_to_ms(histogram.value_at_quantile(quantile));
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: us_to_ms(histogram.max()),
        })
    }
}

fn us_to_ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

fn ms(time: Duration) -> f64 {
    us_to_ms(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

fn percent(part: Duration, whole: Duration) -> f64 {
    let share = part.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE);
    (share.min(1.0) * 1_000.0).round() / 10.0
}

fn per_second(count: u64, time: Duration) -> Option<f64> {
    (!time.is_zero()).then(|| (count as f64 / time.as_secs_f64() * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crowd::Effort;
    use crate::shop::Tries;

    fn buy(due_ms: u64, started_ms: u64, ended_ms: u64, ending: Ending) -> Buy {
        let [due, started, ended] = [due_ms, started_ms, ended_ms].map(Duration::from_millis);
        Buy { buyer: 0, due, started, ended, waited: false, tries: Tries::default(), ending }
    }

    fn report(active_ms: u64, buys: Vec<Buy>) -> Report {
        let mut options = Options::new("http://127.0.0.1:1".parse().unwrap(), "key");
        options.buyers = u32::try_from(buys.len()).unwrap();
        let effort = Effort { active: Duration::from_millis(active_ms), ..Effort::default() };
        Report::new(&options, 10, "sale", &Rush { buys, effort }, Verdict::default())
    }

    #[test]
    fn latency_counts_from_the_scheduled_moment_not_from_the_start() {
        let report = report(40, vec![buy(100, 400, 401, Ending::Won(Default::default()))]);
        assert!((report.winners_latency_ms.unwrap().p50 - 301.0).abs() < 1.0, "{report:?}");
        assert!((report.load.lag_ms.max - 300.0).abs() < 1.0);
        assert_eq!(report.load.bottleneck, Bottleneck::Crowd);
        assert_eq!(report.losers_latency_ms, None);
        assert!(report.ok());
    }

    #[test]
    fn a_full_house_and_a_busy_crowd_are_told_apart() {
        let late = Buy { waited: true, ..buy(0, 400, 401, Ending::Lost("all_held".into())) };
        assert_eq!(report(40, vec![late.clone()]).load.bottleneck, Bottleneck::Connections);
        assert_eq!(report(390, vec![late]).load.bottleneck, Bottleneck::Crowd);
        let prompt = buy(0, 1, 401, Ending::Lost("all_held".into()));
        assert_eq!(report(40, vec![prompt]).load.bottleneck, Bottleneck::None);
    }

    #[test]
    fn whoever_was_not_told_yes_or_no_spoils_the_rehearsal() {
        for ending in [Ending::Refused("500".into()), Ending::Unanswered("late".into())] {
            let report = report(0, vec![buy(0, 0, 1, ending)]);
            assert!(!report.ok());
            assert_eq!(report.crowd.refused + report.crowd.unanswered, 1);
        }
    }
}
