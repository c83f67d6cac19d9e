//! What the writer, the readers and the upkeep of one journal share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::record;
use super::snapshot::Kept;
use crate::{Disk, DiskFile, FolderLock, LogId, Result, Stamp, StoreError};

/// Shared by all handles of a journal; the folder stays locked as long as one of them lives.
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    /// Length of an ordinary segment.
    pub(super) segment_bytes: u64,
    /// Held for moments only: the writer takes it at every append.
    pub(super) progress: Mutex<Progress>,
    /// Something became durable.
    pub(super) moved: Condvar,
    /// The spare segment, if it is ready. Held while it is renamed, never while it is filled.
    pub(super) spare: Mutex<Option<Box<dyn DiskFile>>>,
    /// Held while a spare is made, so that there is one at a time.
    pub(super) preparing: Mutex<()>,
    /// Held while snapshots are written and records trimmed, so that there is one at a time.
    pub(super) kept: Mutex<Kept>,
    pub(super) _lock: FolderLock,
}

/// How far the journal is durable, and which segment holds what.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) logs: Vec<LogProgress>,
    /// Oldest first. A segment appears once its first frame is durable.
    pub(super) segments: VecDeque<Segment>,
    pub(super) watchers: usize,
}

/// How far one log is durable.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LogProgress {
    pub(super) last: Stamp,
    pub(super) trimmed: u64,
}

/// What a segment holds that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// Length of its file.
    pub(super) length: u64,
    /// End of its last durable frame.
    pub(super) end: u64,
    /// The last sequence of each log that has entries in it.
    pub(super) lasts: BTreeMap<LogId, u64>,
}

impl Segment {
    pub(super) fn new(number: u64, length: u64, end: u64) -> Self {
        Self { number, length, end, lasts: BTreeMap::new() }
    }
}

/// Takes a lock. Whoever panicked while holding it left whole values behind.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        progress: Progress,
        spare: Option<Box<dyn DiskFile>>,
        kept: Kept,
        folder_lock: FolderLock,
    ) -> Self {
        Self {
            disk,
            segment_bytes,
            progress: Mutex::new(progress),
            moved: Condvar::new(),
            spare: Mutex::new(spare),
            preparing: Mutex::new(()),
            kept: Mutex::new(kept),
            _lock: folder_lock,
        }
    }

    /// How far a log is durable.
    pub(super) fn log(&self, log: LogId) -> Result<LogProgress> {
        lock(&self.progress).log(log)
    }

    /// See [`crate::Records::watch`].
    pub(super) fn watch(&self, log: LogId, after: u64, patience: Duration) -> u64 {
        let mut progress = lock(&self.progress);
        if progress.last(log) <= after && !patience.is_zero() {
            progress.watchers += 1;
            let waiting = |progress: &mut Progress| progress.last(log) <= after;
            let waited = self.moved.wait_timeout_while(progress, patience, waiting);
            progress = waited.unwrap_or_else(PoisonError::into_inner).0;
            progress.watchers -= 1;
        }
        progress.last(log)
    }
}

impl Progress {
    pub(super) fn log(&self, log: LogId) -> Result<LogProgress> {
        let found = record::index(log).and_then(|index| self.logs.get(index));
        found.copied().ok_or(StoreError::NoSuchLog(log))
    }

    fn last(&self, log: LogId) -> u64 {
        self.log(log).unwrap_or_default().last.sequence
    }

    /// The segment that holds the entry after `position`: its number, and the end of what is
    /// durable in it.
    pub(super) fn segment_after(&self, log: LogId, position: u64) -> Result<Option<(u64, u64)>> {
        let trimmed = self.log(log)?.trimmed;
        if position < trimmed {
            return Err(StoreError::Trimmed { log, trimmed });
        }
        let holds = |segment: &&Segment| segment.lasts.get(&log).is_some_and(|&l| l > position);
        let found = self.segments.iter().find(holds);
        Ok(found.map(|segment| (segment.number, segment.end)))
    }

    /// Gives up the oldest segment if every log's entries in it are covered by `covered(log)`;
    /// returns its number and length. It stays listed until its file is gone.
    pub(super) fn retire(&mut self, covered: impl Fn(LogId) -> u64) -> Option<(u64, u64)> {
        if self.segments.len() < 2 {
            return None;
        }
        let oldest = self.segments.front()?;
        if oldest.lasts.iter().any(|(&log, &last)| covered(log) < last) {
            return None;
        }
        for (&log, &last) in &oldest.lasts {
            if let Some(place) = record::index(log).and_then(|index| self.logs.get_mut(index)) {
                place.trimmed = place.trimmed.max(last);
            }
        }
        Some((oldest.number, oldest.length))
    }
}
