//! Follows a sale's durable log as it grows, and plays it through the naive model.

use holdfast_core::{Command, Sale, Stamp};
use holdfast_store::{LogInfo, Records};

use super::promises::check;
use super::{Breach, Checks};
use crate::model::Model;

/// The longest step of the sale clock.
const STEP_MS: u64 = 500;

/// One sale's log, as far as it was read.
#[derive(Debug)]
pub struct Follower {
    model: Model,
    last: Stamp,
}

impl Follower {
    /// Follows the log with this number from its beginning.
    pub fn new(number: u32) -> Self {
        Self { model: Model::new(number), last: Stamp::default() }
    }

    /// Reads what is new, and says whether that could be read to its end. Must be called before
    /// anything unread is trimmed.
    ///
    /// # Errors
    /// Promise 3, if entries that were durable are gone; promise 8, if the sale clock went back or
    /// made a long step.
    pub fn follow(
        &mut self,
        records: &dyn Records,
        log: &LogInfo,
        checks: &mut Checks,
    ) -> Result<bool, Breach> {
        let after = self.last.sequence;
        check(3, log.last.sequence >= after, checks, || {
            format!("entry {after} was durable, the log ends at {}", log.last.sequence)
        })?;
        let mut found = Ok(());
        let read = records.read(log.id, after, &mut |stamp, bytes| {
            let (epoch, sequence) = (stamp.epoch.0, stamp.sequence);
            found = self.take(Stamp { epoch, sequence, clock_ms: stamp.clock_ms }, bytes, checks);
            found.is_ok()
        });
        found?;
        // A disk that fails just now is asked again later; entries that are gone are not.
        match read {
            Err(holdfast_store::StoreError::Trimmed { trimmed, .. }) => {
                Err(Breach::new(3, format!("entries from {after} to {trimmed} were never read")))
            }
            _ => Ok(self.last.sequence == log.last.sequence),
        }
    }

    fn take(&mut self, stamp: Stamp, bytes: &[u8], checks: &mut Checks) -> Result<(), Breach> {
        let last = self.last;
        check(3, stamp.sequence == last.sequence + 1, checks, || {
            format!("entry {} comes after {}", stamp.sequence, last.sequence)
        })?;
        let steady = stamp.clock_ms >= last.clock_ms && stamp.clock_ms <= last.clock_ms + STEP_MS;
        check(8, steady, checks, || {
            let (from, to) = (last.clock_ms, stamp.clock_ms);
            format!("the sale clock went from {from} to {to} ms in one step")
        })?;
        let command = Command::decode(bytes);
        let command = command.map_err(|error| Breach::new(3, error.to_string()))?;
        self.model.apply(stamp, &command);
        self.last = stamp;
        Ok(())
    }

    /// Compares the whole sale with the naive model after the same entries.
    ///
    /// # Errors
    /// Promise 1, if they differ; whatever the sale's own audit finds.
    pub fn compare(&self, sale: &Sale, checks: &mut Checks) -> Result<(), Breach> {
        let clock_ms = sale.last().clock_ms;
        let (engine, model) = (sale.view(clock_ms), self.model.view(clock_ms));
        check(1, engine == model, checks, || format!("{engine:?} by the log is {model:?}"))?;
        let holds: Vec<_> = sale.holds_after(None, usize::MAX, clock_ms).collect();
        let expected: Vec<_> = self.model.holds(clock_ms).collect();
        check(1, holds == expected, checks, || "its holds are not those of its log".to_owned())?;
        match sale.audit().first() {
            Some(difference) => Err(Breach::new(difference.promise, difference.what.clone())),
            None => Ok(()),
        }
    }
}
