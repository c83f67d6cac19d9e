//! The rules' own share of a decision, without queue, log or threads.

use std::time::{Duration, Instant};

use anyhow::ensure;
use holdfast_core::{Command, Sale, Stamp, TierId};

use super::Kind;
use crate::rules::config;

/// About as many as one run decides.
const COMMANDS: usize = 1 << 20;
/// Commands that are applied together.
const BATCH: usize = 64;

/// Nanoseconds a command, as the engine runs it: read ahead, settled and then applied.
pub(super) fn ns(kind: Kind) -> anyhow::Result<f64> {
    let mut sale = Sale::new(1, 7);
    let mut stamp = Stamp { epoch: 1, ..Stamp::default() };
    let config = config(TierId::new("standing")?, 10_000_000);
    for command in [Command::Configure(Box::new(config)), Command::Open] {
        stamp.sequence += 1;
        sale.apply(stamp, &command);
    }
    let mut took = Duration::ZERO;
    for first in (0..COMMANDS).step_by(BATCH) {
        let commands = (first..first + BATCH).map(kind.make).collect::<anyhow::Result<Vec<_>>>()?;
        let mut outcomes = [None; BATCH];
        let started = Instant::now();
        sale.warm(commands.iter());
        for (command, outcome) in commands.iter().zip(&mut outcomes) {
            *outcome = sale.settled(stamp.clock_ms, command);
        }
        for (command, outcome) in commands.iter().zip(&mut outcomes) {
            stamp.sequence += 1;
            outcome.get_or_insert(sale.apply(stamp, command));
        }
        took += started.elapsed();
        ensure!(outcomes.iter().flatten().all(kind.is_right), "another outcome: {outcomes:?}");
    }
    Ok(took.as_nanos() as f64 / COMMANDS as f64)
}
