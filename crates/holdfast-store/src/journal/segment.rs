//! A segment's file: one header sector, then frames, then zeros to the end.
//!
//! The header sector: magic (8 bytes), format `u32`, length of the file `u64`, zeros, and in its
//! last four bytes the checksum of all before. It is complete and durable before the file gets its
//! name, so it can never be torn. Magic, format and checksum stay where they are in every later
//! format, so that a newer file is told apart from a damaged one. Snapshots share this layout.

use super::codec::Bytes;
use super::frame::SECTOR;
use super::names;
use crate::{Disk, DiskFile, Result, StoreError};

/// The newest format that this program reads, and the one it writes.
pub(super) const FORMAT: u32 = 1;
/// Where the first frame of a segment starts.
pub(super) const FRAMES_AT: u64 = SECTOR as u64;

const MAGIC: [u8; 8] = *b"HOLDJRNL";
const CHECKSUM_AT: usize = SECTOR - 4;
const PIECE_BYTES: usize = 1 << 20;

/// Builds a header sector: `fields` follow magic and format.
pub(super) fn header(magic: [u8; 8], fields: &[&[u8]]) -> Vec<u8> {
    let mut sector = [&magic, FORMAT.to_le_bytes().as_slice()].concat();
    fields.iter().for_each(|field| sector.extend_from_slice(field));
    sector.resize(CHECKSUM_AT, 0);
    let checksum = crc32fast::hash(&sector);
    sector.extend_from_slice(&checksum.to_le_bytes());
    sector
}

/// Checks a header sector and returns its fields.
pub(super) fn fields<'a>(name: &str, magic: [u8; 8], sector: &'a [u8]) -> Result<Bytes<'a>> {
    let (covered, checksum) = sector.split_at(CHECKSUM_AT);
    let intact = crc32fast::hash(covered).to_le_bytes() == checksum;
    let mut bytes = Bytes(covered);
    let (found_magic, format) = (bytes.array::<8>(), bytes.u32().unwrap_or_default());
    if !intact || found_magic != Some(magic) {
        return Err(damaged(name, 0, "its header does not match its checksum"));
    }
    if format > FORMAT {
        return Err(StoreError::NewerFormat {
            file: name.to_owned(),
            found: format,
            supported: FORMAT,
        });
    }
    Ok(bytes)
}

/// Reads a file's header sector; a file that is too short for one is damaged.
pub(super) fn read_header(name: &str, file: &dyn DiskFile, length: u64) -> Result<Vec<u8>> {
    if length < FRAMES_AT {
        return Err(damaged(name, length, "the file ends within its header"));
    }
    let mut sector = vec![0; SECTOR];
    file.read_at(&mut sector, 0).map_err(|error| StoreError::io(format!("read {name}"), &error))?;
    Ok(sector)
}

/// Opens a segment, checks that it is whole, and returns its length.
pub(super) fn open(disk: &dyn Disk, name: &str, write: bool) -> Result<(Box<dyn DiskFile>, u64)> {
    let cannot = |error| StoreError::io(format!("open {name}"), &error);
    let file = disk.open(name, write).map_err(cannot)?;
    let length = file.len().map_err(cannot)?;
    let sector = read_header(name, file.as_ref(), length)?;
    let said = fields(name, MAGIC, &sector)?.u64().unwrap_or_default();
    if length != said || !length.is_multiple_of(FRAMES_AT) {
        let what = format!("the file has {length} bytes, its header says {said}");
        return Err(damaged(name, length.min(said), what));
    }
    Ok((file, length))
}

/// Makes a zero-filled, durable segment of `length` bytes under the temporary name of `name`.
///
/// Zeros are written, not promised: later writes then find their blocks in place, and a flush has
/// only bytes to wait for. They are flushed piece by piece, or the writer's own flush would wait
/// behind a large one. On failure nothing is left behind.
pub(super) fn make(disk: &dyn Disk, name: &str, length: u64) -> Result<Box<dyn DiskFile>> {
    let temporary = names::temporary(name);
    let made = fill(disk, &temporary, length);
    if made.is_err() {
        // The error that stopped us is the one to tell; a leftover is removed at the next open.
        let _ = disk.remove(&temporary);
    }
    made.map_err(|error| StoreError::io(format!("make {name} of {length} bytes"), &error))
}

fn fill(disk: &dyn Disk, temporary: &str, length: u64) -> std::io::Result<Box<dyn DiskFile>> {
    let file = fresh(disk, temporary)?;
    file.write_at(&header(MAGIC, &[&length.to_le_bytes()]), 0)?;
    let zeros = vec![0; PIECE_BYTES];
    let mut at = FRAMES_AT;
    while at < length {
        let count = usize::try_from(length - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        file.write_at(&zeros[..count], at)?;
        file.sync_uncounted()?;
        at += count as u64;
    }
    Ok(file)
}

/// Makes an empty file; one that an earlier failure left behind is replaced.
pub(super) fn fresh(disk: &dyn Disk, temporary: &str) -> std::io::Result<Box<dyn DiskFile>> {
    match disk.create(temporary) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            disk.remove(temporary)?;
            disk.create(temporary)
        }
        made => made,
    }
}

/// The refusal of a damaged file.
pub(super) fn damaged(file: &str, offset: u64, what: impl Into<String>) -> StoreError {
    StoreError::Damaged { file: file.to_owned(), offset, what: what.into() }
}
