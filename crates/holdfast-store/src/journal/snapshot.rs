//! Snapshots: files that stand for all entries of a log up to one sequence.
//!
//! The file: a header sector like a segment's (magic, format `u32`, then log `u32`, epoch `u32`,
//! sequence `u64`, clock `u64`, length `u64` and checksum `u32` of the bytes), then the bytes. It is
//! complete and durable before it gets its name.

use std::collections::BTreeMap;

use super::names;
use super::segment::{self, FRAMES_AT, damaged};
use super::shared::{Shared, lock};
use crate::{Disk, Epoch, LogId, Result, Stamp, StoreError};

const MAGIC: [u8; 8] = *b"HOLDSNAP";
/// Flushed piece by piece, as a new segment is.
const PIECE_BYTES: usize = 1 << 20;

/// The snapshots in the folder.
#[derive(Debug, Default)]
pub(super) struct Kept {
    newest: BTreeMap<LogId, Snapshot>,
    /// Snapshots that a newer one has replaced: name and bytes.
    replaced: Vec<(String, u64)>,
}

/// One snapshot's header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    pub(super) log: LogId,
    pub(super) at: Stamp,
    length: u64,
    checksum: u32,
    /// Whether its bytes are known to match the checksum.
    proven: bool,
}

impl Snapshot {
    fn name(&self) -> String {
        names::snapshot(self.log, self.at.sequence)
    }

    fn header(&self) -> Vec<u8> {
        let fields: [&[u8]; 6] = [
            &self.log.0.to_le_bytes(),
            &self.at.epoch.0.to_le_bytes(),
            &self.at.sequence.to_le_bytes(),
            &self.at.clock_ms.to_le_bytes(),
            &self.length.to_le_bytes(),
            &self.checksum.to_le_bytes(),
        ];
        segment::header(MAGIC, &fields)
    }

    /// Reads the header of the file called `name`, and checks the file's length against it.
    pub(super) fn examine(disk: &dyn Disk, name: &str) -> Result<Self> {
        let cannot = |error| StoreError::io(format!("open {name}"), &error);
        let file = disk.open(name, false).map_err(cannot)?;
        let length = file.len().map_err(cannot)?;
        let sector = segment::read_header(name, file.as_ref(), length)?;
        let mut fields = segment::fields(name, MAGIC, &sector)?;
        let mut parse = || {
            Some(Self {
                log: LogId(fields.u32()?),
                at: Stamp {
                    epoch: Epoch(fields.u32()?),
                    sequence: fields.u64()?,
                    clock_ms: fields.u64()?,
                },
                length: fields.u64()?,
                checksum: fields.u32()?,
                proven: false,
            })
        };
        let snapshot = parse().filter(|snapshot| snapshot.name() == name);
        let snapshot = snapshot.ok_or_else(|| damaged(name, 0, "it is not what its name says"))?;
        let said = snapshot.length.saturating_add(FRAMES_AT);
        if length != said {
            let what = format!("the file has {length} bytes, its header says {said}");
            return Err(damaged(name, length.min(said), what));
        }
        Ok(snapshot)
    }

    fn read(&self, disk: &dyn Disk) -> Result<Vec<u8>> {
        let name = self.name();
        let cannot = |error| StoreError::io(format!("read {name}"), &error);
        let file = disk.open(&name, false).map_err(cannot)?;
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        file.read_at(&mut bytes, FRAMES_AT).map_err(cannot)?;
        if crc32fast::hash(&bytes) != self.checksum {
            return Err(damaged(&name, FRAMES_AT, "its bytes do not match their checksum"));
        }
        Ok(bytes)
    }

    fn write(&self, disk: &dyn Disk, bytes: &[u8]) -> std::io::Result<()> {
        let name = self.name();
        let temporary = names::temporary(&name);
        let fill = || {
            let file = segment::fresh(disk, &temporary)?;
            file.write_at(&self.header(), 0)?;
            let mut at = FRAMES_AT;
            for piece in bytes.chunks(PIECE_BYTES) {
                file.write_at(piece, at)?;
                file.sync_uncounted()?;
                at += piece.len() as u64;
            }
            file.sync_uncounted()
        };
        if let Err(error) = fill() {
            // The error that stopped us is the one to tell.
            let _ = disk.remove(&temporary);
            return Err(error);
        }
        disk.rename(&temporary, &name)?;
        disk.sync_folder()
    }
}

impl Kept {
    /// The newest snapshot of a log.
    pub(super) fn newest(&self, log: LogId) -> Option<&Snapshot> {
        self.newest.get(&log)
    }

    /// All newest snapshots.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Snapshot> {
        self.newest.values()
    }

    /// Takes note of a durable snapshot.
    pub(super) fn add(&mut self, snapshot: Snapshot) {
        let Some(held) = self.newest.insert(snapshot.log, snapshot) else { return };
        let older = if held.at.sequence > snapshot.at.sequence {
            self.newest.insert(snapshot.log, held);
            snapshot
        } else {
            held
        };
        // The same sequence means the same file, written again.
        if held.at.sequence != snapshot.at.sequence {
            self.replaced.push((older.name(), older.length + FRAMES_AT));
        }
    }

    fn sequence(&self, log: LogId) -> u64 {
        self.newest(log).map_or(0, |snapshot| snapshot.at.sequence)
    }
}

impl Shared {
    /// See [`crate::Records::snapshot`].
    pub(super) fn snapshot(&self, log: LogId) -> Result<Option<(Stamp, Vec<u8>)>> {
        let mut kept = lock(&self.kept);
        let Some(snapshot) = kept.newest.get_mut(&log) else { return Ok(None) };
        let bytes = snapshot.read(self.disk.as_ref())?;
        snapshot.proven = true;
        Ok(Some((snapshot.at, bytes)))
    }

    /// See [`crate::Records::save_snapshot`].
    pub(super) fn save_snapshot(&self, log: LogId, at: Stamp, bytes: &[u8]) -> Result<()> {
        let last = self.log(log)?.last.sequence;
        if at.sequence > last {
            return Err(StoreError::RolledBack { log, seen: at.sequence, last });
        }
        let mut kept = lock(&self.kept);
        if at.sequence < kept.sequence(log) {
            return Ok(()); // A newer one stands for these entries too.
        }
        let (length, checksum) = (bytes.len() as u64, crc32fast::hash(bytes));
        let snapshot = Snapshot { log, at, length, checksum, proven: true };
        let doing = || format!("write {} of {length} bytes", snapshot.name());
        let written = snapshot.write(self.disk.as_ref(), bytes);
        written.map_err(|error| StoreError::io(doing(), &error))?;
        kept.add(snapshot);
        Ok(())
    }

    /// See [`crate::Records::trim`].
    ///
    /// Removals become durable one by one, oldest first: a crash never leaves a gap.
    pub(super) fn trim(&self) -> Result<u64> {
        let mut kept = lock(&self.kept);
        kept.prove(self.disk.as_ref())?;
        let mut freed = 0;
        while let Some((name, length)) = kept.replaced.last() {
            self.remove(name)?;
            freed += length;
            kept.replaced.pop();
        }
        loop {
            let retired = lock(&self.progress).retire(|log| kept.sequence(log));
            let Some((number, length)) = retired else { return Ok(freed) };
            self.remove(&names::segment(number))?;
            freed += length;
            lock(&self.progress).segments.pop_front();
        }
    }

    fn remove(&self, name: &str) -> Result<()> {
        let removed = match self.disk.remove(name) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        let durable = removed.and_then(|()| self.disk.sync_folder());
        durable.map_err(|error| StoreError::io(format!("remove {name}"), &error))
    }
}

impl Kept {
    /// Reads every snapshot that this process has neither written nor read: nothing may be
    /// removed on the strength of bytes that are damaged.
    fn prove(&mut self, disk: &dyn Disk) -> Result<()> {
        for snapshot in self.newest.values_mut().filter(|snapshot| !snapshot.proven) {
            snapshot.read(disk)?;
            snapshot.proven = true;
        }
        Ok(())
    }
}
