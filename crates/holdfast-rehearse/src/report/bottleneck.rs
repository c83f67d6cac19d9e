//! What held a rehearsal back, in a word and in a sentence: no more than was measured.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::Crowd;
use super::load::{Load, SATURATED_PERCENT, busy};
use crate::crowd::{Buy, Rush};
use crate::duration::millis;
use crate::exchange::Failure;
use crate::series::Class;
use crate::words::{counted, time};

/// A generator that is idle for less than the rest is part of what was measured.
const ACTIVE_PERCENT_MAX: f64 = 90.0;
/// A crowd that starts its buyers later than this was late; below it is the timer's grain.
const LAG_MS_MAX: f64 = 20.0;
/// A server that answers later than this keeps people waiting.
const SLOW_MS: f64 = 250.0;
/// One buyer in so many who waits in vain is no accident.
const UNANSWERED_SHARE: u64 = 100;

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
    /// The server, or the network to it: the crowd kept its schedule on a machine with time left,
    /// and its tries were answered late, sent away with 503 `overloaded`, or not answered in time.
    Server,
}

/// What was measured of how the server treated its buyers.
struct Waits {
    /// What 99 in 100 answers took, in milliseconds, if that is long.
    slow_ms: Option<f64>,
    /// Tries that the server itself said to be too many for it.
    shed: u64,
    /// Tries that were not answered within their time, and out of how many; the first are 0 if they
    /// are no more than accidents, and nothing else was amiss.
    late_tries: (u64, u64),
    /// Buyers who waited in vain, if they are more than accidents.
    late: u64,
}

/// What held it back, and the same in a sentence.
pub(super) fn find(load: &Load, rush: &Rush, crowd: &Crowd) -> (Bottleneck, Option<String>) {
    let busiest = load.generators.iter().map(|one| one.active_percent).fold(0.0, f64::max);
    let late = load.lag_ms.p99 >= LAG_MS_MAX;
    // Of a rush that is over at once, being at work all the time says nothing.
    let last = rush.buys.iter().map(|buy| buy.ended).max().unwrap_or_default();
    let busy = busiest >= ACTIVE_PERCENT_MAX && last >= rush.series.width;
    let saturated = |busy: Option<f64>| busy.is_some_and(|busy| busy >= SATURATED_PERCENT);
    let waits = Waits::of(rush, crowd);
    let bottleneck = if late && !busy && waited_for_connections(rush) {
        Bottleneck::Connections
    } else if late && saturated(machine_when_late(rush)) {
        Bottleneck::Machine
    } else if late || busy {
        Bottleneck::Crowd
    } else if !waits.any() {
        Bottleneck::None
    } else if saturated(load.machine.busy_percent) {
        Bottleneck::Machine
    } else {
        Bottleneck::Server
    };
    let bound = "The latencies are upper bounds: the server may be faster.";
    let lag = format!("buyers were begun up to {} late", time(load.lag_ms.max));
    let words = match bottleneck {
        Bottleneck::None => None,
        Bottleneck::Machine => {
            Some(format!("{} {bound}", machine(load, rush, late.then_some(&lag))))
        }
        Bottleneck::Crowd => {
            let lag = if late { format!(", and {lag}") } else { String::new() };
            Some(format!(
                "The crowd was the bottleneck: its busiest generator was at work, or ready for it, \
                 for {busiest:.0} % of the time{lag}. {bound} More processes may help (--processes)."
            ))
        }
        Bottleneck::Connections => Some(format!(
            "{} found all connections taken and began late: the server was slow, or the \
             crowd may open too few (--connections, --processes). Their latency counts the wait.",
            counted(load.waited_for_connection, "buyer")
        )),
        Bottleneck::Server => Some(server(load, &waits)),
    };
    (bottleneck, words)
}

impl Waits {
    fn of(rush: &Rush, crowd: &Crowd) -> Self {
        let p99 = rush.series.took(&Class::ANSWERS).percentiles().map(|took| took.p99);
        // Connections that were refused or broke are of a server that is not there, not of a slow one.
        let late = Failure::Late.to_string();
        let late = crowd.unanswered_by_reason.get(&late).copied().unwrap_or_default();
        let many = late * UNANSWERED_SHARE >= rush.buys.len() as u64;
        let (slow_ms, tries) = (p99.filter(|p99| *p99 >= SLOW_MS), crowd.tries);
        let matter = slow_ms.is_some() || tries.late * UNANSWERED_SHARE >= tries.begun;
        Self {
            slow_ms,
            shed: tries.shed,
            late_tries: (if matter { tries.late } else { 0 }, tries.begun),
            late: if many { late } else { 0 },
        }
    }

    fn any(&self) -> bool {
        self.slow_ms.is_some() || self.shed + self.late + self.late_tries.0 > 0
    }

    /// What was seen, after "but".
    fn words(&self) -> String {
        let (late_tries, tries) = self.late_tries;
        let those = if late_tries > 0 { " of those that came" } else { "" };
        let slow = self.slow_ms.map(|ms| {
            let ms = time(ms);
            format!("one answer in 100{those} took {ms} or more")
        });
        let silent = (late_tries > 0).then(|| {
            let were = if late_tries == 1 { "was" } else { "were" };
            format!(
                "{late_tries} of {} {were} not answered within their time",
                counted(tries, "try")
            )
        });
        let shed = match self.shed {
            0 => None,
            1 => Some("1 try was answered 503 overloaded".to_owned()),
            shed => Some(format!("{shed} tries were answered 503 overloaded")),
        };
        let late =
            (self.late > 0).then(|| format!("{} waited in vain", counted(self.late, "buyer")));
        let all: Vec<_> = [slow, silent, shed, late].into_iter().flatten().collect();
        all.join(", and ")
    }
}

fn machine(load: &Load, rush: &Rush, lag: Option<&String>) -> String {
    let busy = machine_when_late(rush).or(load.machine.busy_percent).unwrap_or_default();
    let took: f64 = load.generators.iter().map(|one| one.cpu_seconds).sum();
    let server = load.server_cpu_seconds;
    let server = server.map_or(String::new(), |cpu| format!(" and the server {cpu:.1} s"));
    let lag = lag.map_or(String::new(), |lag| format!(", and {lag}"));
    format!(
        "This machine was the bottleneck: its {} were {busy:.0} % busy{lag}. The crowd took \
         {took:.1} s of their time{server}.",
        counted(load.machine.cores as u64, "core")
    )
}

fn server(load: &Load, waits: &Waits) -> String {
    let which = match (load.machine.has_server, waits.shed > 0) {
        (true, _) | (_, true) => "The server was the bottleneck",
        (false, false) => "The server, or the network to it, was the bottleneck",
    };
    let busy = load.machine.busy_percent;
    let busy = busy.map_or("how busy this machine was is not known".into(), |busy| {
        format!("this machine was {busy:.0} % busy")
    });
    format!(
        "{which}: the crowd kept its schedule (99 of 100 buyers within {}) and {busy}, but {}.",
        time(load.lag_ms.p99),
        waits.words()
    )
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
    Some(busy(rush, first, last)?.busy)
}
