//! What this node knows of the logs: every durable entry since the newest snapshot but one, as it was
//! stamped. So any node that is left can write the whole order back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::node::INDEX;
use crate::{Batch, Entry, Epoch, LogId, Result, Stamp, StoreError};

/// Entries that were appended at once, with one stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// The stamp of the last of them.
    pub(super) last: Stamp,
    pub(super) count: u32,
    /// [`pack`]ed.
    pub(super) bytes: Arc<[u8]>,
}

impl Item {
    /// The sequence of the first of them.
    pub(super) fn first(&self) -> u64 {
        self.last.sequence + 1 - u64::from(self.count)
    }

    /// Each entry with its stamp.
    pub(super) fn entries(&self) -> Result<Vec<(Stamp, &[u8])>> {
        let first = self.first();
        let entries = unpack(&self.bytes, self.count).ok_or_else(|| StoreError::Damaged {
            file: "a batch in Redis".to_owned(),
            offset: self.last.sequence,
            what: "it does not have as many entries as it says".to_owned(),
        })?;
        let stamp = |nth| Stamp { sequence: first + nth, ..self.last };
        Ok((0..).map(stamp).zip(entries).collect())
    }

    /// Adds its entries to a list.
    pub(super) fn spread(&self, entries: &mut Vec<Entry>) -> Result<()> {
        let mine = self.entries()?;
        entries.extend(mine.into_iter().map(|(stamp, bytes)| Entry { stamp, bytes: bytes.into() }));
        Ok(())
    }
}

/// A batch as bytes: the length of each entry (4 bytes, little-endian), then all entries.
pub(super) fn pack(batch: &Batch) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 * batch.len() + batch.size());
    for entry in batch.iter() {
        bytes.extend_from_slice(&u32::try_from(entry.len()).unwrap_or(u32::MAX).to_le_bytes());
    }
    batch.iter().for_each(|entry| bytes.extend_from_slice(entry));
    bytes
}

/// The entries of a packed batch; `None`: they are not `count`.
fn unpack(bytes: &[u8], count: u32) -> Option<Vec<&[u8]>> {
    let heads = usize::try_from(count).ok()?.checked_mul(4)?;
    let (heads, mut rest) = bytes.split_at_checked(heads)?;
    let mut entries = Vec::with_capacity(heads.len() / 4);
    for head in heads.chunks_exact(4) {
        let length = u32::from_le_bytes(head.try_into().ok()?);
        let (entry, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        entries.push(entry);
        rest = after;
    }
    rest.is_empty().then_some(entries)
}

/// One log, as far as this node knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Mirror {
    pub(super) name: String,
    /// What stands for the entries that are not here.
    pub(super) base: Stamp,
    pub(super) snapshot: Option<(Stamp, Arc<[u8]>)>,
    pub(super) items: VecDeque<Item>,
    pub(super) bytes: u64,
}

impl Mirror {
    /// The last entry's stamp.
    pub(super) fn last(&self) -> Stamp {
        self.items.back().map_or(self.base, |item| item.last)
    }

    /// The stamp of the last entry of the item before the last one.
    pub(super) fn before_last(&self) -> Option<Stamp> {
        let before = self.items.len().checked_sub(2);
        self.items.back()?;
        Some(before.map_or(self.base, |before| self.items[before].last))
    }

    pub(super) fn push(&mut self, item: Item) {
        self.bytes += item.bytes.len() as u64;
        self.items.push_back(item);
    }

    /// Whether the entry with this stamp is the one that it knows; also one that a snapshot of its
    /// own stands for.
    pub(super) fn has(&self, at: Stamp) -> bool {
        if at.sequence <= self.base.sequence {
            let kept = self.snapshot.as_ref().map_or(self.base, |(kept, _)| *kept);
            return at == self.base || at == kept;
        }
        let found = self.items.partition_point(|item| item.last.sequence < at.sequence);
        self.items.get(found).is_some_and(|item| {
            item.first() <= at.sequence
                && (item.last.epoch, item.last.clock_ms) == (at.epoch, at.clock_ms)
        })
    }

    /// The items that have entries after this one.
    pub(super) fn after(&self, after: u64) -> impl Iterator<Item = &Item> {
        let is_all = self.last().sequence <= after;
        let is_known = |item: &Item| item.last.sequence <= after;
        let from = if is_all { self.items.len() } else { self.items.partition_point(is_known) };
        self.items.range(from..)
    }

    /// Whether an item comes right after the last one: sequences jump only from one epoch to another.
    pub(super) fn is_followed_by(&self, item: &Item) -> bool {
        let last = self.last();
        item.first() == last.sequence + 1
            || (item.first() > last.sequence && item.last.epoch > last.epoch)
    }

    /// Keeps a snapshot, if it is newer than what there is.
    pub(super) fn keep(&mut self, at: Stamp, bytes: &[u8]) {
        if self.snapshot.as_ref().is_none_or(|(kept, _)| kept.sequence < at.sequence) {
            self.snapshot = Some((at, bytes.into()));
        }
    }

    /// Drops what the snapshot stands for; returns how many bytes.
    pub(super) fn trim(&mut self) -> u64 {
        let Some((at, _)) = self.snapshot else { return 0 };
        let before = self.bytes;
        while let Some(item) = self.items.pop_front_if(|item| item.last.sequence <= at.sequence) {
            self.bytes -= item.bytes.len() as u64;
            self.base = item.last;
        }
        before - self.bytes
    }
}

/// All logs, and what whoever reads beside the engine has to know.
#[derive(Debug, Default)]
pub(super) struct Mirrors {
    pub(super) logs: BTreeMap<u32, Mirror>,
}

/// The mirrors, shared with whoever reads them.
#[derive(Debug, Default)]
pub(super) struct SharedMirrors {
    mirrors: Mutex<Mirrors>,
    pub(super) moved: Condvar,
}

impl SharedMirrors {
    pub(super) fn lock(&self) -> MutexGuard<'_, Mirrors> {
        self.mirrors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mirrors {
    /// A sale's log.
    pub(super) fn get(&self, log: LogId) -> Result<&Mirror> {
        let found = self.logs.get(&log.0).filter(|_| log.0 != INDEX);
        found.ok_or(StoreError::NoSuchLog(log))
    }
}

/// What nothing has been read of yet.
pub(super) const NOTHING: Stamp = Stamp { epoch: Epoch(0), sequence: 0, clock_ms: 0 };

#[cfg(test)]
mod tests {
    use super::*;

    fn item(epoch: u32, last: u64, entries: &[&[u8]]) -> Item {
        let mut batch = Batch::default();
        entries.iter().for_each(|entry| batch.push(|bytes| bytes.extend_from_slice(entry)));
        let last = Stamp { epoch: Epoch(epoch), sequence: last, clock_ms: last * 10 };
        Item { last, count: u32::try_from(entries.len()).unwrap(), bytes: pack(&batch).into() }
    }

    #[test]
    fn what_is_packed_comes_back() {
        let item = item(1, 5, &[b"one", b"", b"three"]);
        let entries = item.entries().unwrap();
        let found: Vec<(u64, &[u8])> =
            entries.iter().map(|(stamp, bytes)| (stamp.sequence, *bytes)).collect();
        assert_eq!(found, [(3, b"one".as_slice()), (4, b""), (5, b"three")]);
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let whole = item(1, 2, &[b"one", b"two"]);
        for length in 0..whole.bytes.len() {
            assert!(unpack(&whole.bytes[..length], 2).is_none());
        }
        assert!(unpack(&whole.bytes, 1).is_none());
    }

    #[test]
    fn it_knows_which_entries_are_its_own() {
        let mut mirror = Mirror::default();
        mirror.push(item(1, 2, &[b"a", b"b"]));
        mirror.push(item(2, 9, &[b"c"]));
        let stamp = |epoch, sequence, clock_ms| Stamp { epoch: Epoch(epoch), sequence, clock_ms };
        assert!(mirror.has(stamp(1, 1, 20)) && mirror.has(stamp(1, 2, 20)));
        assert!(mirror.has(stamp(2, 9, 90)) && mirror.has(NOTHING));
        assert!(!mirror.has(stamp(2, 2, 20)), "another reign's");
        assert!(!mirror.has(stamp(2, 8, 90)), "in a gap");
        assert!(!mirror.has(stamp(2, 10, 90)));
        let after = [0, 1, 2, 8, 9, 12].map(|after| mirror.after(after).count());
        assert_eq!(after, [2, 2, 1, 1, 0, 0]);
        mirror.keep(stamp(1, 2, 20), b"snapshot");
        assert_eq!(mirror.trim(), 10);
        assert!(mirror.has(stamp(1, 2, 20)) && !mirror.has(stamp(1, 1, 20)));
        assert!(!mirror.has(NOTHING), "what comes first is gone");
        assert_eq!((mirror.base.sequence, mirror.last().sequence), (2, 9));
    }
}
