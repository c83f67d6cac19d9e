//! Snapshots off the hot path: the keeper follows the log as any reader does, makes its own copy
//! of a sale from the records, keeps that as the snapshot, and frees what it stands for.
//!
//! Nobody waits for it, and a wrong snapshot cannot come of a race with the engine: they share
//! nothing but the durable records.

use holdfast_store::{LogId, LogInfo, Records, Stamp};

use crate::OpenError;
use crate::recovery::recover;

/// What one round of keeping did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Snapshots made.
    pub snapshots: usize,
    /// Bytes given back to the disk.
    pub freed: u64,
}

/// Makes a snapshot of every log that has grown since its last one, then trims the records.
///
/// # Errors
/// When the records cannot be read or a snapshot cannot be written; the records are as they were.
pub fn keep(records: &dyn Records, logs: &[LogInfo], seed: u64) -> Result<Kept, OpenError> {
    let mut kept = Kept::default();
    for log in logs.iter().filter(|log| log.last.sequence > 0) {
        if log.last.sequence > snapshot_sequence(records, log.id)? {
            let (_, sale) = recover(records, log, seed)?;
            let last = sale.last();
            let at = Stamp {
                epoch: holdfast_store::Epoch(last.epoch),
                sequence: last.sequence,
                clock_ms: last.clock_ms,
            };
            records.save_snapshot(log.id, at, &sale.to_snapshot())?;
            kept.snapshots += 1;
        }
    }
    kept.freed = records.trim()?;
    Ok(kept)
}

fn snapshot_sequence(records: &dyn Records, log: LogId) -> Result<u64, OpenError> {
    Ok(records.snapshot(log)?.map_or(0, |(at, _)| at.sequence))
}
