//! The records in a frame's payload: what one append did to each log.
//!
//! All numbers are little-endian. A record is one byte that says what it is, then:
//!
//! | byte | record | contents |
//! |---|---|---|
//! | 1 | roll | segment `u64`, logs `u64`, then for each log its last stamp, epoch in force `u32`, name |
//! | 2 | create | log `u32`, name |
//! | 3 | reign | log `u32`, epoch `u32` |
//! | 4 | entries | log `u32`, first stamp, count `u64`, size `u64`, then `size` bytes: each entry as length `u32` and bytes |
//!
//! A stamp is epoch `u32`, sequence `u64`, clock `u64`. A name is its length `u8` and its bytes.

use super::codec::Bytes;
use super::frame::FrameBuffer;
use crate::{Batch, Epoch, LogId, Stamp};

/// The longest name of a log, in bytes.
pub(super) const NAME_MAX: usize = 255;

const ROLL: u8 = 1;
const CREATE: u8 = 2;
const REIGN: u8 = 3;
const ENTRIES: u8 = 4;
/// An entry's bytes before its own: the length.
const PREFIX: usize = 4;

/// All that a log is besides its entries. Log `n` is at index `n - 1` of every list of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogState {
    pub(super) name: String,
    pub(super) epoch: Epoch,
    pub(super) last: Stamp,
}

impl LogState {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), epoch: Epoch(0), last: Stamp::default() }
    }
}

/// Where a log is kept in a list.
pub(super) fn index(log: LogId) -> Option<usize> {
    usize::try_from(log.0).ok()?.checked_sub(1)
}

/// The log at this place of a list.
pub(super) fn id(index: usize) -> LogId {
    LogId(u32::try_from(index + 1).unwrap_or(u32::MAX))
}

impl FrameBuffer {
    /// Repeats what every log is, so that older segments may go.
    pub(super) fn put_roll<'a>(
        &mut self,
        segment: u64,
        logs: impl ExactSizeIterator<Item = &'a LogState>,
    ) {
        self.put(&[ROLL]);
        self.put(&segment.to_le_bytes());
        self.put(&(logs.len() as u64).to_le_bytes());
        for log in logs {
            self.put_stamp(log.last);
            self.put(&log.epoch.0.to_le_bytes());
            self.put_name(&log.name);
        }
    }

    pub(super) fn put_create(&mut self, log: LogId, name: &str) {
        self.put(&[CREATE]);
        self.put(&log.0.to_le_bytes());
        self.put_name(name);
    }

    pub(super) fn put_reign(&mut self, log: LogId, epoch: Epoch) {
        self.put(&[REIGN]);
        self.put(&log.0.to_le_bytes());
        self.put(&epoch.0.to_le_bytes());
    }

    pub(super) fn put_entries(&mut self, log: LogId, first: Stamp, batch: &Batch) {
        self.put(&[ENTRIES]);
        self.put(&log.0.to_le_bytes());
        self.put_stamp(first);
        self.put(&(batch.len() as u64).to_le_bytes());
        self.put(&(entries_size(batch) as u64).to_le_bytes());
        for entry in batch.iter() {
            // An entry is smaller than a frame's payload may be, which fits.
            let length = u32::try_from(entry.len()).unwrap_or(u32::MAX);
            self.put(&length.to_le_bytes());
            self.put(entry);
        }
    }

    fn put_stamp(&mut self, stamp: Stamp) {
        self.put(&stamp.epoch.0.to_le_bytes());
        self.put(&stamp.sequence.to_le_bytes());
        self.put(&stamp.clock_ms.to_le_bytes());
    }

    fn put_name(&mut self, name: &str) {
        let bytes = &name.as_bytes()[..name.len().min(NAME_MAX)];
        self.put(&[u8::try_from(bytes.len()).unwrap_or(u8::MAX)]);
        self.put(bytes);
    }
}

/// Bytes of a batch's entries with their lengths.
pub(super) fn entries_size(batch: &Batch) -> usize {
    batch.size() + batch.len() * PREFIX
}

/// A record, as read back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    Roll { segment: u64, logs: Vec<LogState> },
    Create { log: LogId, name: &'a str },
    Reign { log: LogId, epoch: Epoch },
    Entries { log: LogId, first: Stamp, entries: Entries<'a> },
}

/// Reads the next record; `None` if the bytes make no sense.
pub(super) fn next<'a>(payload: &mut Bytes<'a>) -> Option<Record<'a>> {
    match payload.u8()? {
        ROLL => {
            let segment = payload.u64()?;
            let mut logs = Vec::new();
            // Each round takes bytes, so a wrong count ends with them.
            for _ in 0..payload.u64()? {
                let last = stamp(payload)?;
                let epoch = Epoch(payload.u32()?);
                logs.push(LogState { name: name(payload)?.to_owned(), epoch, last });
            }
            Some(Record::Roll { segment, logs })
        }
        CREATE => Some(Record::Create { log: LogId(payload.u32()?), name: name(payload)? }),
        REIGN => Some(Record::Reign { log: LogId(payload.u32()?), epoch: Epoch(payload.u32()?) }),
        ENTRIES => {
            let log = LogId(payload.u32()?);
            let first = stamp(payload)?;
            let count = payload.u64()?;
            let size = payload.length()?;
            let entries = Entries { count, bytes: payload.take(size)? };
            Some(Record::Entries { log, first, entries })
        }
        _ => None,
    }
}

fn stamp(payload: &mut Bytes<'_>) -> Option<Stamp> {
    Some(Stamp { epoch: Epoch(payload.u32()?), sequence: payload.u64()?, clock_ms: payload.u64()? })
}

fn name<'a>(payload: &mut Bytes<'a>) -> Option<&'a str> {
    let length = payload.u8()?;
    std::str::from_utf8(payload.take(usize::from(length))?).ok()
}

/// The entries of one record, each with its length before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entries<'a> {
    /// How many there are.
    pub(super) count: u64,
    bytes: &'a [u8],
}

impl<'a> Entries<'a> {
    /// Whether the lengths add up, so that [`Entries::iter`] visits every one.
    pub(super) fn add_up(&self) -> bool {
        let mut bytes = Bytes(self.bytes);
        let found = std::iter::from_fn(|| entry(&mut bytes)).fold(0, |count: u64, _| count + 1);
        found == self.count && bytes.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut bytes = Bytes(self.bytes);
        std::iter::from_fn(move || entry(&mut bytes))
    }
}

fn entry<'a>(bytes: &mut Bytes<'a>) -> Option<&'a [u8]> {
    let mut rest = *bytes;
    let length = usize::try_from(rest.u32()?).ok()?;
    let entry = rest.take(length)?;
    *bytes = rest;
    Some(entry)
}
