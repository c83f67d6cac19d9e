//! Opens journals that may be anything: refused or opened, never a panic, the same answer twice.
//!
//! From this folder: `cargo run --release --bin journal -- -max_total_time=60`. The first byte of the
//! input says how to read the rest: as a segment's file, or as changes to a sound journal; and whether
//! the checksums are put right afterwards, so that what lies behind them is reached as well.

#![no_main]

#[path = "../../crates/holdfast-store/tests/support/mod.rs"]
#[expect(dead_code, reason = "the journal's own tests need more of it")]
mod support;

use std::sync::{Arc, OnceLock};

use holdfast_store::journal::{Journal, Options};
use holdfast_store::{Append, Batch, Entry, LogInfo, Result, Store, StoreError};
use libfuzzer_sys::fuzz_target;
use support::{Image, ManualClock, MemDisk};

const SECTOR: usize = 512;
const SEGMENT: usize = 4 << 10;

fuzz_target!(|data: &[u8]| {
    let Some((&how, data)) = data.split_first() else { return };
    let mut image = if how & 1 == 0 { raw(data) } else { changed(data) };
    if how & 2 == 0 {
        image.values_mut().for_each(|file| mend(file));
    }
    let disk = MemDisk::with(&image);
    let first = open(&disk);
    match &first {
        Ok(_) => {}
        Err(StoreError::Damaged { .. } | StoreError::NewerFormat { .. }) => {
            assert!(disk.image() == image, "a refused folder stays as it was");
        }
        Err(error) => panic!("{error}"),
    }
    assert!(open(&disk) == first, "the same answer twice");
    if first.is_ok() {
        go_on(&disk);
    }
});

/// The input as the one segment there is.
fn raw(data: &[u8]) -> Image {
    let mut file = vec![0; SECTOR];
    file.extend_from_slice(data);
    file.resize(file.len().next_multiple_of(SECTOR).max(SEGMENT), 0);
    Image::from([("journal-0000000001.log".into(), file)])
}

/// A sound journal of several segments; every three bytes of the input are a place and what to flip.
fn changed(data: &[u8]) -> Image {
    let mut image = sound().clone();
    for change in data.chunks_exact(3) {
        let mut at = usize::from(u16::from_le_bytes([change[0], change[1]]));
        for file in image.values_mut() {
            if let Some(byte) = file.get_mut(at) {
                *byte ^= change[2];
                break;
            }
            at -= file.len();
        }
    }
    image
}

fn sound() -> &'static Image {
    static SOUND: OnceLock<Image> = OnceLock::new();
    SOUND.get_or_init(|| {
        let disk = MemDisk::default();
        let mut journal = journal(&disk).expect("an empty folder");
        let logs = ["one", "two"].map(|name| journal.create(name).expect("a log"));
        for (round, log) in logs.into_iter().cycle().take(6).enumerate() {
            let epoch = journal.reign(&[log]).expect("a reign")[0];
            let last = journal.logs().into_iter().find(|info| info.id == log).expect("it").last;
            let mut batch = Batch::default();
            batch.push(|bytes| bytes.resize(round * 90, 7));
            batch.push(|bytes| bytes.push(1));
            let (seen, cursor) = (last.sequence, last.sequence);
            let part = Append { log, epoch, seen, cursor, batch: &batch, only_if_current: false };
            journal.append(&[part], &mut Vec::new());
        }
        drop(journal);
        let image = disk.image();
        assert!(image.len() > 1);
        image
    })
}

/// Puts right whatever checksum and magic there may be.
fn mend(file: &mut [u8]) {
    let length = (file.len() as u64).to_le_bytes();
    file[..8].copy_from_slice(b"HOLDJRNL");
    file[12..20].copy_from_slice(&length);
    let checksum = crc32fast::hash(&file[..508]);
    file[508..512].copy_from_slice(&checksum.to_le_bytes());
    let mut at = SECTOR;
    while at + SECTOR <= file.len() {
        if file[at + SECTOR - 1] == 0xA5 {
            mend_frame(&mut file[at..]);
        }
        at += SECTOR;
    }
}

fn mend_frame(bytes: &mut [u8]) {
    let payload = u64::from_le_bytes(bytes[16..24].try_into().expect("eight bytes"));
    let sectors = payload.saturating_add(28).div_ceil(511);
    let extent = usize::try_from(sectors.saturating_mul(512)).unwrap_or(usize::MAX);
    if let Some(body) = bytes.get(28..extent) {
        let checksum = crc32fast::hash(body);
        bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
    }
    bytes[..4].copy_from_slice(b"HFfr");
    let checksum = crc32fast::hash(&bytes[..24]);
    bytes[24..28].copy_from_slice(&checksum.to_le_bytes());
}

fn journal(disk: &MemDisk) -> Result<Journal> {
    let options = Options { segment_bytes: SEGMENT as u64 };
    Journal::open(Arc::new(disk.clone()), Arc::new(ManualClock::default()), options)
}

type Contents = Vec<(LogInfo, Vec<Entry>)>;

/// All that can be read of a journal. What was sound at opening can be read.
fn contents(journal: &Journal) -> Contents {
    let entries = |info: &LogInfo| {
        let mut entries = Vec::new();
        let mut visit = |stamp, bytes: &[u8]| {
            entries.push(Entry { stamp, bytes: bytes.to_vec() });
            true
        };
        let end = journal.records().read(info.id, info.trimmed, &mut visit);
        assert_eq!(end.expect("it was sound at opening"), info.last.sequence);
        entries
    };
    journal.logs().into_iter().map(|info| (info.clone(), entries(&info))).collect()
}

fn open(disk: &MemDisk) -> Result<Contents> {
    journal(disk).map(|journal| contents(&journal))
}

/// A journal that was opened goes on: new entries come after the old ones.
fn go_on(disk: &MemDisk) {
    let mut journal = journal(disk).expect("it was opened before");
    journal.create("one more").expect("a log");
    for info in journal.logs() {
        let Ok(epochs) = journal.reign(&[info.id]) else { continue };
        let epoch = epochs[0];
        let mut batch = Batch::default();
        batch.push(|bytes| bytes.resize(700, 7));
        let (seen, cursor) = (info.last.sequence, info.last.sequence);
        let mut results = Vec::new();
        let part =
            Append { log: info.id, epoch, seen, cursor, batch: &batch, only_if_current: false };
        journal.append(&[part], &mut results);
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
    let before = contents(&journal);
    drop(journal);
    assert!(open(disk).expect("it was sound before") == before);
}
