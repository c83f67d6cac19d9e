//! How fast a sale's time may run: never faster than real time, and an outage costs one step.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::auditor::Breach;

/// A sale clock that a node has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sample {
    pub(super) at: Duration,
    pub(super) log: u32,
    pub(super) clock_ms: u64,
}

/// The longest step of the sale clock, and clocks are read in whole milliseconds.
const STEP_MS: u64 = 500 + 2;

/// How far each log's clock has come, as nodes knew it to be durable.
#[derive(Default)]
pub(super) struct Clocks {
    furthest_ms: BTreeMap<u32, u64>,
}

impl Clocks {
    /// Takes up what nodes have seen since the last time. Between that and this they ran unseen for so long.
    pub(super) fn note(
        &mut self,
        mut samples: Vec<Sample>,
        unseen: Duration,
    ) -> Result<(), Breach> {
        samples.sort();
        for Sample { at, log, clock_ms } in samples {
            let furthest_ms = self.furthest_ms.entry(log).or_default();
            let most_ms = (*furthest_ms + STEP_MS + whole_ms(unseen)).min(whole_ms(at));
            if clock_ms > most_ms {
                let what = format!(
                    "at {at:?} the clock of log {log} went from {furthest_ms} to {clock_ms}"
                );
                return Err(Breach::new(8, what));
            }
            *furthest_ms = clock_ms.max(*furthest_ms);
        }
        Ok(())
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
