//! What held a rehearsal back, in a word and in a sentence.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::load::{SATURATED_PERCENT, mean};
use super::{Crowd, Load, latency};
use crate::Options;
use crate::crowd::{Buy, Ending, Rush};
use crate::duration::millis;
use crate::histogram::Times;

/// A generator that is idle for less than the rest is part of what was measured.
const ACTIVE_PERCENT_MAX: f64 = 90.0;
/// A crowd that starts its buyers later than this was late; below it is the timer's grain.
const LAG_MS_MAX: f64 = 20.0;
/// A server that answers later than this keeps people waiting.
const SLOW_MS: f64 = 250.0;
/// A server that needs longer than this after the last buyer has come was behind.
const DRAIN_MS_MAX: f64 = 1_000.0;

/// What held the rehearsal back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bottleneck {
    /// Nothing: the latencies are the server's.
    None,
    /// Every connection was taken: the server was slow, or `connections` too low.
    Connections,
    /// The crowd's own work: the latencies are upper bounds.
    Crowd,
    /// This machine had no processor time left: the latencies are upper bounds.
    Machine,
    /// The server: the crowd kept its schedule, and was kept waiting or sent away.
    Server,
}

/// What held it back, and the same in a sentence.
pub(super) fn find(
    load: &Load,
    options: &Options,
    rush: &Rush,
    crowd: &Crowd,
) -> (Bottleneck, Option<String>) {
    let busiest = load.generators.iter().map(|one| one.active_percent).fold(0.0, f64::max);
    let late = load.lag_ms.p99 >= LAG_MS_MAX;
    let busy = busiest >= ACTIVE_PERCENT_MAX;
    let saturated = |busy: Option<f64>| busy.is_some_and(|busy| busy >= SATURATED_PERCENT);
    let bottleneck = if late && !busy && waited_for_connections(rush) {
        Bottleneck::Connections
    } else if late && saturated(machine_when_late(rush)) {
        Bottleneck::Machine
    } else if late || busy {
        Bottleneck::Crowd
    } else if !kept_waiting(load, options, rush, crowd) {
        Bottleneck::None
    } else if saturated(load.machine.busy_percent) {
        Bottleneck::Machine
    } else {
        Bottleneck::Server
    };
    (bottleneck, words(bottleneck, load, busiest, crowd, rush))
}

/// Whether most of those who were late waited for a connection, and not for the crowd.
fn waited_for_connections(rush: &Rush) -> bool {
    let late = |buy: &&Buy| millis(buy.started.saturating_sub(buy.due)) >= LAG_MS_MAX;
    let late: Vec<_> = rush.buys.iter().filter(late).collect();
    late.iter().filter(|buy| buy.waited).count() * 2 > late.len()
}

/// How busy the machine was while buyers waited to be begun late.
fn machine_when_late(rush: &Rush) -> Option<f64> {
    let width = rush.series.width;
    let late = (0_u32..).zip(&rush.series.bins).filter_map(|(place, bin)| {
        let lag = bin.lag.percentiles().filter(|lag| lag.p99 >= LAG_MS_MAX)?;
        let begins = width * place;
        Some((begins, begins + width + Duration::from_secs_f64(lag.p99 / 1e3)))
    });
    let late: Vec<_> = late.collect();
    let first = late.iter().map(|(begins, _)| *begins).min()?;
    let last = late.iter().map(|(_, ends)| *ends).max()?;
    mean(&rush.watched.busy(first, last).collect::<Vec<_>>())
}

/// Whether buyers were sent away, or answers came late or long after the last buyer had come.
fn kept_waiting(load: &Load, options: &Options, rush: &Rush, crowd: &Crowd) -> bool {
    let first_answers = rush.buys.iter().filter(|buy| buy.tries.asked <= 1);
    let waits = first_answers.filter(|buy| !matches!(buy.ending, Ending::Vanished));
    let p99 = waits.map(latency).collect::<Times>().percentiles().map_or(0.0, |p| p.p99);
    let turned_away = load.turned_away.is_some_and(|turned| turned.listen_overflows > 0);
    let one_by_one = options.manners.retries + options.manners.bots == 0.0;
    let last = millis(options.arrivals.span()) + DRAIN_MS_MAX;
    let slow = p99 >= SLOW_MS || one_by_one && load.drained_ms > last;
    slow || turned_away || crowd.tries.shed > 0
}

fn words(
    bottleneck: Bottleneck,
    load: &Load,
    busiest: f64,
    crowd: &Crowd,
    rush: &Rush,
) -> Option<String> {
    let late = format!("buyers were begun up to {:.0} ms late", load.lag_ms.max);
    let bound = "The latencies are upper bounds: the server may be faster.";
    Some(match bottleneck {
        Bottleneck::None => return None,
        Bottleneck::Machine => {
            let busy = machine_when_late(rush).or(load.machine.busy_percent).unwrap_or_default();
            let took: f64 = load.generators.iter().map(|one| one.cpu_seconds).sum();
            let server = load
                .server_cpu_seconds
                .map_or(String::new(), |cpu| format!(" and the server {cpu:.1} s"));
            format!(
                "This machine was the bottleneck: its {} cores were {busy:.0} % busy, and {late}. \
                 The crowd took {took:.1} s of their time{server}. {bound}",
                load.machine.cores
            )
        }
        Bottleneck::Crowd => format!(
            "The crowd was the bottleneck: its busiest generator was at work, or ready for it, for \
             {busiest:.0} % of the time, and {late}. {bound} More processes may help (--processes)."
        ),
        Bottleneck::Connections => format!(
            "{} buyers found all connections taken and began late: the server was slow, or the \
             crowd may open too few (--connections, --processes). Their latency counts the wait.",
            load.waited_for_connection
        ),
        Bottleneck::Server => {
            let lag = load.lag_ms.p99;
            let shed = crowd.tries.shed;
            let refused = (shed > 0).then(|| format!(" It sent {shed} tries away (429, 503)."));
            let turned = load.turned_away.filter(|turned| turned.listen_overflows > 0);
            let full = turned.map(|turned| {
                format!(" Its accept queue was full {} times.", turned.listen_overflows)
            });
            format!(
                "The server was the bottleneck: the crowd kept its schedule (99 of 100 buyers \
                 within {lag:.1} ms), and this machine was {:.0} % busy.{}{}",
                load.machine.busy_percent.unwrap_or_default(),
                refused.unwrap_or_default(),
                full.unwrap_or_default()
            )
        }
    })
}
