//! How the crowd came and went, and what that cost.

use std::num::NonZero;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::bottleneck::{Bottleneck, find};
use super::{Crowd, notes, per_second, tenths};
use crate::crowd::{Effort, Ending, Rush};
use crate::duration::millis;
use crate::histogram::Times;
use crate::machine::{TurnedAway, Usage};
use crate::series::Class;
use crate::{Options, Percentiles};

/// A machine that is busier than this has nothing left to give.
pub(super) const SATURATED_PERCENT: f64 = 95.0;

/// How the crowd came and went.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Load {
    /// Buyers due per second of the schedule; null when all were due at once.
    pub offered_per_second: Option<f64>,
    /// Buyers begun per second, to the last one; null when all were due at once.
    pub achieved_per_second: Option<f64>,
    /// Buyers due per second in the bin of the timeline in which most were.
    pub offered_per_second_max: f64,
    /// Buyers begun per second in the bin in which most were.
    pub achieved_per_second_max: f64,
    /// Buyers who had their last answer per second, to the last one: the pauses that they made
    /// between tries are in it.
    pub answered_per_second: f64,
    /// Tries begun per second in the bin in which most were.
    pub tries_per_second_max: f64,
    /// Tries answered, whatever the answer, per second in the bin in which most were.
    pub answers_per_second_max: f64,
    /// From the start to the last answer, in milliseconds: the pauses that buyers made between tries
    /// are in it.
    pub drained_ms: f64,
    /// How late buyers were begun: the crowd's own fault, and part of every latency.
    pub lag_ms: Percentiles,
    /// How long new connections took; null if there were none.
    pub connect_ms: Option<Percentiles>,
    /// Buyers who came when every connection was taken.
    pub waited_for_connection: u64,
    /// Connections that this machine turned away; null if the server is on another one.
    pub turned_away: Option<TurnedAway>,
    /// This machine, on which the crowd was.
    pub machine: Machine,
    /// Each generator of the crowd.
    pub generators: Vec<Generator>,
    /// Processor time of the server during the rush, in seconds; null if it is not known.
    pub server_cpu_seconds: Option<f64>,
    /// What held the rehearsal back.
    pub bottleneck: Bottleneck,
    /// The same in a sentence; null if nothing did.
    pub bottleneck_words: Option<String>,
    /// What else has to be known to read the figures, in sentences.
    pub notes: Vec<String>,
}

/// How busy this machine was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Machine {
    /// Its cores.
    pub cores: usize,
    /// How busy they were, on average, from the start to the last answer, 0 to 100; null if it
    /// cannot be told.
    pub busy_percent: Option<f64>,
    /// The part of that time in which they were busier than 95 %.
    pub saturated_percent: Option<f64>,
    /// The part of their time that was neither the crowd's nor, if its process is known, the
    /// server's, 0 to 100: other programs, and the host of a virtual machine.
    pub others_percent: Option<f64>,
    /// The part of it that the host took.
    pub stolen_percent: Option<f64>,
    /// Whether the server was on this machine.
    pub has_server: bool,
    /// Whether the server is one of the others: it is here, but its process is not known.
    pub others_include_server: bool,
}

/// How hard a generator had it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Generator {
    /// The part of the rush in which it was at work or ready for it, 0 to 100.
    pub active_percent: f64,
    /// The part of the rush in which it was ready, but no core was free for it.
    pub starved_percent: f64,
    /// Processor time, in seconds.
    pub cpu_seconds: f64,
}

impl Load {
    pub(super) fn new(options: &Options, rush: &Rush, crowd: &Crowd) -> Self {
        let lags = rush.buys.iter().map(|buy| buy.started.saturating_sub(buy.due));
        let is_answered = |ending: &Ending| {
            matches!(ending, Ending::Won(_) | Ending::Lost(_) | Ending::Refused(_))
        };
        let answers = rush.buys.iter().filter(|buy| is_answered(&buy.ending));
        let drained = answers.map(|buy| buy.ended).max().unwrap_or_default();
        let begun = rush.buys.iter().map(|buy| buy.started).max().unwrap_or_default();
        let last = rush.buys.iter().map(|buy| buy.ended).max().unwrap_or_default();
        let buyers = rush.buys.len() as u64;
        let offered = buyers + rush.not_done as u64;
        // A rate is nowhere above its peak: the time on average may be shorter than a bin.
        let most = |of: fn(&crate::series::Bin) -> u64, average: Option<f64>| {
            let most = rush.series.bins.iter().map(of).max().unwrap_or_default();
            let most = per_second(most, rush.series.width).unwrap_or_default();
            most.max(average.unwrap_or_default())
        };
        let span = options.arrivals.span();
        let offered = per_second(offered, span);
        let achieved = per_second(buyers, begun).filter(|_| !span.is_zero());
        let answers = rush.series.bins.iter().map(|bin| bin.came_to(&Class::ANSWERS)).sum();
        let answers = per_second(answers, drained);
        let mut load = Self {
            offered_per_second: offered,
            achieved_per_second: achieved,
            offered_per_second_max: most(|bin| bin.due, offered),
            achieved_per_second_max: most(|bin| bin.begun, achieved),
            answered_per_second: per_second(crowd.won + crowd.lost + crowd.refused, drained)
                .unwrap_or_default(),
            tries_per_second_max: most(|bin| bin.tries, achieved),
            answers_per_second_max: most(|bin| bin.came_to(&Class::ANSWERS), answers),
            drained_ms: millis(drained),
            lag_ms: lags.collect::<Times>().percentiles().unwrap_or_default(),
            connect_ms: rush.series.connects.percentiles(),
            waited_for_connection: rush.buys.iter().filter(|buy| buy.waited).count() as u64,
            turned_away: rush.watched.turned_away,
            machine: Machine::during(options, rush, last),
            generators: rush.efforts.iter().map(|effort| Generator::new(*effort, last)).collect(),
            server_cpu_seconds: rush.watched.server_cpu.map(|cpu| cpu.as_secs_f64()),
            bottleneck: Bottleneck::None,
            bottleneck_words: None,
            notes: Vec::new(),
        };
        (load.bottleneck, load.bottleneck_words) = find(&load, rush, crowd);
        load.notes = notes::of(&load, options, crowd);
        load
    }
}

impl Machine {
    fn during(options: &Options, rush: &Rush, last: Duration) -> Self {
        let samples: Vec<_> = rush.watched.usage(Duration::ZERO, last).collect();
        let share = |count: usize| tenths(count as f64 * 100.0 / samples.len() as f64);
        let saturated = samples.iter().filter(|(_, usage)| usage.busy > SATURATED_PERCENT).count();
        let usage = busy(rush, Duration::ZERO, last);
        let has_server = options.target.is_here();
        Self {
            cores: std::thread::available_parallelism().map_or(1, NonZero::get),
            busy_percent: usage.map(|usage| tenths(usage.busy)),
            saturated_percent: (!samples.is_empty()).then(|| share(saturated)),
            others_percent: usage.map(|usage| tenths(usage.others.max(0.0))),
            stolen_percent: usage.map(|usage| tenths(usage.stolen)),
            has_server,
            others_include_server: has_server && options.server_process.is_none(),
        }
    }
}

/// What the machine did in this stretch, on average; `None` if it is not known.
pub(super) fn busy(rush: &Rush, from: Duration, to: Duration) -> Option<Usage> {
    let (mut sum, mut time) = (Usage::default(), 0.0);
    for (length, usage) in rush.watched.usage(from, to) {
        let length = length.as_secs_f64();
        time += length;
        sum.busy += usage.busy * length;
        sum.others += usage.others * length;
        sum.stolen += usage.stolen * length;
    }
    let mean = |sum: f64| sum / time;
    (time > 0.0).then(|| Usage {
        busy: mean(sum.busy),
        others: mean(sum.others),
        stolen: mean(sum.stolen),
    })
}

impl Generator {
    fn new(effort: Effort, last: Duration) -> Self {
        let percent = |part: Duration| {
            if last.is_zero() {
                return 0.0;
            }
            let share = part.as_secs_f64() / last.as_secs_f64();
            tenths(share.min(1.0) * 100.0)
        };
        Self {
            active_percent: percent(effort.active),
            starved_percent: percent(effort.starved),
            cpu_seconds: effort.cpu.as_secs_f64(),
        }
    }
}
