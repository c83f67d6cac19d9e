//! Snapshots off the hot path: the keeper follows the log as any reader does, makes its own copy
//! of a sale from the records, keeps that as the snapshot, and frees what it stands for.
//!
//! Nobody waits for it, and a wrong snapshot cannot come of a race with the engine: they share
//! nothing but the durable records.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use holdfast_store::{Epoch, LogInfo, Records, Stamp, StoreError};

use crate::OpenError;
use crate::recovery::recover;

/// How long the keeper waits after a round that failed, such as on a full disk.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What one round of keeping did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Snapshots made.
    pub snapshots: usize,
    /// Bytes of these snapshots.
    pub written: u64,
    /// Bytes given back to the disk.
    pub freed: u64,
}

/// Makes a snapshot of every log that has grown since its last one, then trims the records. A log
/// that cannot be kept does not stop the others.
///
/// # Errors
/// The first thing that went wrong; the records are whole, and the next round goes on from there.
pub fn keep(records: &dyn Records, logs: &[LogInfo], seed: u64) -> Result<Kept, OpenError> {
    let mut kept = Kept::default();
    let mut failed = None;
    for log in logs {
        match keep_log(records, log, seed) {
            Ok(0) => {}
            Ok(bytes) => {
                kept.snapshots += 1;
                kept.written += bytes;
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    kept.freed = records.trim()?;
    failed.map_or(Ok(kept), Err)
}

/// Makes one log's snapshot if it has grown; returns the bytes written.
fn keep_log(records: &dyn Records, log: &LogInfo, seed: u64) -> Result<u64, OpenError> {
    let kept = records.snapshot_at(log.id)?.map_or(0, |at| at.sequence);
    if log.last.sequence <= kept {
        return Ok(0);
    }
    let (_, sale) = recover(records, log, seed)?;
    let last = sale.last();
    let at = Stamp { epoch: Epoch(last.epoch), sequence: last.sequence, clock_ms: last.clock_ms };
    let bytes = sale.to_snapshot();
    records.save_snapshot(log.id, at, &bytes)?;
    Ok(bytes.len() as u64)
}

/// The engine's side of the keeper: knows when a round is due.
pub(crate) struct Keeper {
    work: SyncSender<Vec<LogInfo>>,
    records: Box<dyn Records>,
    /// The backlog at which the next round is due; [`u64::MAX`] while one runs.
    due_bytes: Arc<AtomicU64>,
}

impl Keeper {
    /// Starts the keeper's thread. A round is due once the backlog has grown by `grow_bytes`, or by
    /// as much as the last round's snapshots took, so that keeping large sales stays in proportion.
    /// What an earlier process left counts too.
    pub(crate) fn start(
        (records, own): (Box<dyn Records>, Box<dyn Records>),
        seed: u64,
        grow_bytes: u64,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (work, rounds) = mpsc::sync_channel(1);
        let due_bytes = Arc::new(AtomicU64::new(grow_bytes));
        let next = Arc::clone(&due_bytes);
        let run = move || run(own.as_ref(), seed, &rounds, grow_bytes, &next);
        let thread = thread::Builder::new().name("keeper".into()).spawn(run)?;
        Ok((Self { work, records, due_bytes }, thread))
    }

    /// Asks for a round if one is due; never waits.
    pub(crate) fn mind(&self, logs: impl FnOnce() -> Vec<LogInfo>) {
        let due_bytes = self.due_bytes.load(Ordering::Acquire);
        if due_bytes == u64::MAX || self.records.backlog_bytes() < due_bytes {
            return;
        }
        self.due_bytes.store(u64::MAX, Ordering::Release);
        if self.work.try_send(logs()).is_err() {
            tracing::error!(
                "the keeper has ended: no snapshots are made, the journal keeps growing"
            );
        }
    }
}

fn run(
    records: &dyn Records,
    seed: u64,
    rounds: &Receiver<Vec<LogInfo>>,
    grow_bytes: u64,
    due_bytes: &AtomicU64,
) {
    while let Ok(logs) = rounds.recv() {
        let next = match keep(records, &logs, seed) {
            Ok(Kept { snapshots, written, freed }) => {
                tracing::info!(snapshots, written, freed, "kept");
                records.backlog_bytes() + grow_bytes.max(written)
            }
            Err(OpenError::Store(StoreError::Behind(why))) => {
                tracing::info!(why, "the next snapshot is made later");
                thread::sleep(RETRY_AFTER);
                0
            }
            Err(error) => {
                tracing::warn!(%error, "a snapshot could not be made; the journal keeps growing");
                thread::sleep(RETRY_AFTER);
                0
            }
        };
        due_bytes.store(next, Ordering::Release);
    }
}
