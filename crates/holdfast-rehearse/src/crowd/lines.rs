//! What a rehearsal and a generator in a process of its own say to each other: a line of JSON each.

use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::buy::Buy;
use super::generator::{Counters, Effort, Job};
use crate::series::Series;

/// To a generator.
#[derive(Serialize, Deserialize)]
pub(super) enum Order {
    /// Make ready.
    Prepare(Box<Job>),
    /// The rush starts at this moment of the system's monotonic clock.
    Start {
        /// In nanoseconds.
        monotonic_ns: u64,
    },
}

/// From a generator.
#[derive(Serialize, Deserialize)]
pub(super) enum Word {
    Ready,
    Progress(Counters),
    Buy(Box<Buy>),
    /// There are no more.
    Done {
        series: Series,
        effort: Effort,
    },
}

pub(super) fn write(to: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

/// The next line, if there is one.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

/// A moment, as every process of this machine knows it.
pub(super) fn monotonic_ns(moment: Instant) -> u64 {
    let ahead = moment.saturating_duration_since(Instant::now());
    u64::try_from((monotonic() + ahead).as_nanos()).unwrap_or(u64::MAX)
}

/// The other way round.
pub(super) fn instant(monotonic_ns: u64) -> Instant {
    let (moment, now) = (Duration::from_nanos(monotonic_ns), monotonic());
    let here = Instant::now();
    match moment.checked_sub(now) {
        Some(ahead) => here + ahead,
        None => here.checked_sub(now.saturating_sub(moment)).unwrap_or(here),
    }
}

fn monotonic() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_same_in_every_process() {
        let moment = Instant::now() + Duration::from_secs(1);
        let there = instant(monotonic_ns(moment));
        let apart = there.max(moment) - there.min(moment);
        assert!(apart < Duration::from_millis(100), "{apart:?}");
    }
}
