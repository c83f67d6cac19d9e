//! The seam: what every store can do, embedded or not.

use std::time::Duration;

use crate::{Nodes, Result};

/// A log's number, given by the store when the log is created. Never used twice in one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub u32);

/// One unbroken reign over a log. Starts at 1; 0 means that nobody has reigned yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

/// What the store writes on an entry. It never changes afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The reign under which the entry was appended.
    pub epoch: Epoch,
    /// Position in the log, from 1. Without gaps within a reign; between two reigns of a store that
    /// may have lost entries there is a gap.
    pub sequence: u64,
    /// The sale clock in milliseconds. Never smaller than the entry before it.
    pub clock_ms: u64,
}

/// An entry of a log, as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Position, reign and time.
    pub stamp: Stamp,
    /// The bytes that were appended.
    pub bytes: Vec<u8>,
}

/// What a store knows about one of its logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogInfo {
    /// The log's number.
    pub id: LogId,
    /// The name that it was created with.
    pub name: String,
    /// The stamp of the last durable entry; sequence 0 when there is none.
    pub last: Stamp,
    /// The reign in force.
    pub epoch: Epoch,
    /// Entries up to this sequence may be gone; a snapshot stands for them. 0: all are there.
    pub trimmed: u64,
}

/// Entries to append, back to back in one buffer so that a batch costs no allocation per entry.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    /// Adds one entry: `write` appends its bytes to the buffer.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// How many entries the batch has.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the batch has no entry.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all entries together.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}

/// One log's part of a call to [`Store::append`].
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// The log to append to.
    pub log: LogId,
    /// The reign that the writer holds; refused with `Fenced` unless it is the one in force.
    pub epoch: Epoch,
    /// The highest sequence the writer has seen of this log. A log that ends before it has been
    /// rolled back and must not be believed: refused with `RolledBack`.
    pub seen: u64,
    /// The writer wants every entry after this sequence back.
    pub cursor: u64,
    /// What to append, all of it or nothing. May be empty: then this is a current read.
    pub batch: &'a Batch,
    /// Append only if nobody else has appended after the cursor.
    pub only_if_current: bool,
}

/// What came of one log's part of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Entries after the cursor that others had appended before this batch.
    pub others: Vec<Entry>,
    /// The stamp of the batch's first entry. Entry `i` has `sequence + i` and the same clock. If
    /// nothing was appended, the stamp that an entry would have had.
    pub first: Stamp,
    /// Whether the batch was appended: not if it is empty, nor if the cursor was behind and that
    /// was to keep it from being appended.
    pub is_written: bool,
}

/// What there is to hear of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The reign in force; 0 where each log has its own.
    pub epoch: Epoch,
    /// Logs that have entries which were not read since the last time.
    pub logs: Vec<LogId>,
}

/// How a writer finds a log again after another reign has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The reign in force.
    pub epoch: Epoch,
    /// Whether the entries up to the one that the writer named are still what they were. If not, the
    /// log is to be read again from its records.
    pub is_same: bool,
}

/// A store of logs, as its one writer in this process sees it.
///
/// Calls block until their effect is durable. A store that cannot tell whether an append took
/// effect says so ([`crate::StoreError::Unknown`]) and accepts nothing more.
pub trait Store {
    /// All logs, by number.
    fn logs(&self) -> Vec<LogInfo>;

    /// Creates a log, or finds the one that has this name.
    ///
    /// # Errors
    /// `Full` and `Io` (nothing was written; `Io` also for a name of more than 255 bytes),
    /// `Unknown`, `Poisoned`.
    fn create(&mut self, name: &str) -> Result<LogId>;

    /// Begins a new reign over each of these logs, or over none, and fences every earlier one.
    /// Returns the new epochs in the same order.
    ///
    /// # Errors
    /// `NoSuchLog`, `Full` and `Io` (nothing was written), `Unknown`, `Poisoned`.
    fn reign(&mut self, logs: &[LogId]) -> Result<Vec<Epoch>>;

    /// Appends to any number of logs with one flush, and pushes one result for each part onto
    /// `results`, in order. Parts are refused alone (`NoSuchLog`, `Fenced`, `RolledBack`,
    /// `Trimmed`); a disk fails all. After `Full` and `Io` nothing was written and the same call may
    /// succeed later; after `Unknown` and `Poisoned` the store must be reopened.
    fn append(&mut self, parts: &[Append<'_>], results: &mut Vec<Result<Appended>>);

    /// The first half of [`Store::append`]: checks, stamps and writes, and lets the flush begin. (A shared
    /// store does it all here.)
    /// Nothing of it may be shown to anybody before [`Store::finish`]: an `Ok` says what the
    /// entries will be once they are durable. The sale clock and the records stand still.
    fn begin(&mut self, parts: &[Append<'_>], results: &mut Vec<Result<Appended>>);

    /// The other half: waits until what was begun is durable. If that fails, each `Ok` in these
    /// results of [`Store::begin`] becomes the error. Whatever else writes to the store in between
    /// waits for the same flush first, and changes nothing about what comes of it.
    fn finish(&mut self, results: &mut [Result<Appended>]);

    /// The log's sale clock at this moment, in milliseconds: the last durable stamp's clock plus
    /// the monotonic time since, at most [`crate::STEP_MAX`].
    ///
    /// # Errors
    /// `NoSuchLog`.
    fn clock_ms(&self, log: LogId) -> Result<u64>;

    /// A view of the durable records that another thread can use.
    fn records(&self) -> Box<dyn Records>;

    /// Whether other nodes write to the same logs. Then nothing that is known here is current by itself:
    /// an append of an empty batch says what is.
    fn is_shared(&self) -> bool {
        false
    }

    /// The logs that have entries which were not read since the last time; logs that others have created
    /// are there after it. Where the store is shared it is to be called every 250 ms at least: others
    /// hear by it that this node lives, and a store that is away is found again by it.
    ///
    /// # Errors
    /// `Away`.
    fn news(&mut self) -> Result<News> {
        Ok(News::default())
    }

    /// Shows a few names and values beside a log, to whoever looks into a shared store by hand. It goes
    /// with the next append; nothing rests on it.
    fn show(&mut self, log: LogId, words: Vec<(String, String)>) {
        let _ = (log, words);
    }

    /// Takes up a log again after `Fenced`: `at` is the last entry that the writer knows of it.
    ///
    /// # Errors
    /// `NoSuchLog`, `Away`; `Fenced` where no writer comes back.
    fn resume(&mut self, log: LogId, at: Stamp) -> Result<Resumed> {
        let reigning = self.logs().iter().find(|info| info.id == log).map(|info| info.epoch);
        let reigning = reigning.ok_or(crate::StoreError::NoSuchLog(log))?;
        Err(crate::StoreError::Fenced { log, epoch: at.epoch, reigning })
    }

    /// The nodes that share the store, as [`Store::news`] has last found them; `None`: this one has it
    /// for itself. Nobody lives as long as nothing has been heard of anybody.
    fn nodes(&self) -> Option<Nodes> {
        None
    }

    /// Goes in order: nothing is appended after it.
    fn leave(&mut self) {}
}

/// The durable records of a store: for restart, for snapshots off the hot path, for the audit.
pub trait Records: Send {
    /// The newest snapshot of a log: the sequence it stands for, and its bytes.
    ///
    /// # Errors
    /// `Damaged` when it does not match its checksum, `Io`.
    fn snapshot(&self, log: LogId) -> Result<Option<(Stamp, Vec<u8>)>>;

    /// The stamp that the newest snapshot of a log stands for, without reading its bytes.
    ///
    /// # Errors
    /// `Io`.
    fn snapshot_at(&self, log: LogId) -> Result<Option<Stamp>>;

    /// Bytes of records that are kept beside the snapshots: what a restart reads, and what
    /// snapshots and [`Records::trim`] can make less.
    fn backlog_bytes(&self) -> u64;

    /// Calls `visit` with each durable entry after `after` in order, until the end of what was
    /// durable when the call began, or until `visit` returns `false`. Returns the last sequence
    /// visited.
    ///
    /// # Errors
    /// `NoSuchLog`, `Trimmed` when entries after `after` are gone, `Damaged`, `Io`.
    fn read(
        &self,
        log: LogId,
        after: u64,
        visit: &mut dyn FnMut(Stamp, &[u8]) -> bool,
    ) -> Result<u64>;

    /// Waits until the log is durable beyond `after`, or until `patience` (of real time) is over.
    /// Returns the last durable sequence, 0 if there is no such log.
    fn watch(&self, log: LogId, after: u64, patience: Duration) -> u64;

    /// Keeps a snapshot that stands for all entries up to `at`; durable on return.
    ///
    /// # Errors
    /// `NoSuchLog`, `RolledBack` when the log ends before `at`, `Full`, `Io`.
    fn save_snapshot(&self, log: LogId, at: Stamp, bytes: &[u8]) -> Result<()>;

    /// Frees what snapshots stand for: removes records that no log needs any more, and older
    /// snapshots. Returns the bytes given back to the disk.
    ///
    /// # Errors
    /// `Io`; `Damaged` when a snapshot cannot be relied on.
    fn trim(&self) -> Result<u64>;
}
