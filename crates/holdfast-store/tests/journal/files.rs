//! Segments, spares, snapshots, trimming, the lock, and files of other versions.

use std::sync::Arc;

use holdfast_store::journal::{Journal, Options, read};
use holdfast_store::{Entry, Store, StoreError, SystemClock, SystemDisk};

use crate::rig::{Rig, append, contents};
use crate::suite::{entries, info, log_named};
use crate::support::{Image, Op};

const SEGMENT: u64 = 8 << 10;

fn segments(image: &Image) -> usize {
    image.keys().filter(|name| name.starts_with("journal-0")).count()
}

#[test]
fn a_prepared_segment_is_taken_and_none_is_made() {
    let rig = Rig::new(SEGMENT);
    let mut store = rig.journal();
    let log = log_named(&mut store, "sale");
    let upkeep = store.upkeep();
    assert!(upkeep.prepare_segment().unwrap());
    assert!(!upkeep.prepare_segment().unwrap(), "one is enough");
    // A spare is found again after a restart.
    drop((store, upkeep));
    let mut store = rig.journal();
    assert!(!store.upkeep().prepare_segment().unwrap());
    rig.disk.take_log();
    while segments(&rig.disk.image()) < 2 {
        append(&mut store, log, 900).unwrap();
    }
    let log_of_disk = rig.disk.take_log();
    assert!(!log_of_disk.iter().any(|(op, _)| *op == Op::Create), "{log_of_disk:?}");
    assert!(log_of_disk.contains(&(Op::Rename, "journal-spare.log".into())));
    assert!(store.upkeep().prepare_segment().unwrap(), "taken, so another one is due");
    assert_eq!(contents(&rig.after_power_loss().journal()), contents(&store));
}

#[test]
fn a_spare_of_another_length_is_made_again() {
    let rig = Rig::new(SEGMENT);
    rig.journal().upkeep().prepare_segment().unwrap();
    let larger = Rig::with(&rig.disk.image(), 2 * SEGMENT);
    assert!(larger.journal().upkeep().prepare_segment().unwrap());
}

#[test]
fn a_batch_larger_than_a_segment_gets_one_of_its_own() {
    let rig = Rig::new(SEGMENT);
    let mut store = rig.journal();
    let log = log_named(&mut store, "sale");
    store.upkeep().prepare_segment().unwrap();
    append(&mut store, log, 100_000).unwrap();
    append(&mut store, log, 10).unwrap();
    let image = rig.disk.image();
    assert!(image["journal-0000000002.log"].len() > 100_000);
    assert_eq!(image["journal-0000000003.log"].len() as u64, SEGMENT);
    assert_eq!(contents(&rig.after_power_loss().journal()), contents(&store));
}

#[test]
fn trimming_frees_whole_segments_and_survives_power_loss() {
    let rig = Rig::new(SEGMENT);
    let mut store = rig.journal();
    let (sale, idle) = (log_named(&mut store, "sale"), log_named(&mut store, "idle"));
    append(&mut store, idle, 5).unwrap();
    for round in 1..=6 {
        while segments(&rig.disk.image()) < 3 {
            append(&mut store, sale, 900).unwrap();
        }
        let records = store.records();
        records.save_snapshot(sale, info(&store, sale).last, &[round]).unwrap();
        if round == 1 {
            assert_eq!(records.trim().unwrap(), 0, "the idle log's entry is in the first one");
            records.save_snapshot(idle, info(&store, idle).last, b"idle").unwrap();
        }
        assert!(records.trim().unwrap() >= 2 * SEGMENT);
        let left = rig.disk.image();
        assert_eq!(segments(&left), 1, "{:?}", left.keys());
        assert_eq!(left.keys().filter(|name| name.starts_with("snap")).count(), 2);

        let trimmed = info(&store, sale).trimmed;
        let refused = entries(&store, sale, 0);
        assert_eq!(refused, Err(StoreError::Trimmed { log: sale, trimmed }));
        let recovered = rig.after_power_loss().journal();
        assert_eq!(recovered.logs(), store.logs());
        assert_eq!(contents(&recovered), contents(&store));
        let (at, bytes) = recovered.records().snapshot(sale).unwrap().unwrap();
        assert_eq!((at, bytes), (info(&store, sale).last, vec![round]));
    }
    // A journal that ends before a snapshot has lost its newest segment.
    let mut image = rig.disk.image();
    image.retain(|name, _| name.starts_with("snapshot"));
    let refused = Rig::with(&image, SEGMENT).try_open().map(|_| ());
    assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{refused:?}");
    // Once records are gone, their snapshot must not be.
    let mut image = rig.disk.image();
    image.retain(|name, _| !name.starts_with("snapshot-0000000002"));
    let refused = Rig::with(&image, SEGMENT).try_open().map(|_| ());
    assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{refused:?}");
}

/// A reader that is overtaken by trimming is told so, and never skips.
#[test]
fn a_reader_is_told_when_its_records_are_trimmed_under_it() {
    let rig = Rig::new(SEGMENT);
    let mut store = rig.journal();
    let log = log_named(&mut store, "sale");
    while segments(&rig.disk.image()) < 4 {
        append(&mut store, log, 900).unwrap();
    }
    let last = info(&store, log).last;
    let (records, trimmer) = (store.records(), store.records());
    let mut visited = 0;
    let end = records.read(log, 0, &mut |stamp, _| {
        if visited == 0 {
            trimmer.save_snapshot(log, last, b"all").unwrap();
            trimmer.trim().unwrap();
        }
        visited += 1;
        assert_eq!(stamp.sequence, visited);
        true
    });
    let trimmed = info(&store, log).trimmed;
    assert_eq!(end, Err(StoreError::Trimmed { log, trimmed }));
    assert!(visited < trimmed);
}

/// The same, in the moment between finding the segment and opening its file.
#[test]
fn a_segment_that_is_gone_when_it_is_opened_was_trimmed() {
    let rig = Rig::new(SEGMENT);
    let mut store = rig.journal();
    let log = log_named(&mut store, "sale");
    while segments(&rig.disk.image()) < 3 {
        append(&mut store, log, 900).unwrap();
    }
    let (last, trimmer) = (info(&store, log).last, store.records());
    trimmer.save_snapshot(log, last, b"all").unwrap();
    rig.disk.before_open(move || assert!(trimmer.trim().unwrap() > 0));
    let refused = entries(&store, log, 0);
    let trimmed = info(&store, log).trimmed;
    assert!(trimmed > 0);
    assert_eq!(refused, Err(StoreError::Trimmed { log, trimmed }));
}

#[test]
fn unfinished_files_are_removed_and_foreign_ones_are_not() {
    let ours = ["journal-0000000007.log.tmp", "journal-spare.log.tmp"];
    let foreign = ["notes.txt", "journal.tmp", "journal-0000000001.log.bak"];
    let files = ours.iter().chain(&foreign).map(|name| ((*name).to_owned(), b"x".to_vec()));
    let rig = Rig::with(&files.collect(), SEGMENT);
    drop(rig.journal());
    let image = rig.disk.image();
    assert!(ours.iter().all(|name| !image.contains_key(*name)), "{:?}", image.keys());
    assert!(foreign.iter().all(|name| image[*name] == b"x"));
}

/// Gives a file the header that a later version would write.
fn newer(bytes: &mut [u8]) {
    bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..508]);
    bytes[508..512].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn a_newer_format_is_refused() {
    let rig = Rig::new(SEGMENT);
    let mut store = rig.journal();
    let log = log_named(&mut store, "sale");
    append(&mut store, log, 10).unwrap();
    store.records().save_snapshot(log, info(&store, log).last, b"one").unwrap();
    let image = rig.disk.image();
    for name in image.keys() {
        let mut changed = image.clone();
        newer(changed.get_mut(name).unwrap());
        let rig = Rig::with(&changed, SEGMENT);
        let refused = rig.try_open().map(|_| ());
        let expected = StoreError::NewerFormat { file: name.clone(), found: 2, supported: 1 };
        assert_eq!(refused, Err(expected));
        assert_eq!(rig.disk.image(), changed);
    }
}

#[test]
fn a_folder_has_one_owner_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let disk = Arc::new(SystemDisk::open(folder.path()).unwrap());
        Journal::open(disk, Arc::new(SystemClock::new()), Options { segment_bytes: SEGMENT })
    };
    let store = open().unwrap();
    let Err(StoreError::InUse { folder: named, holder }) = open().map(|_| ()) else {
        panic!("two owners")
    };
    assert_eq!(named, folder.path().display().to_string());
    assert_eq!(holder, format!("process {}", std::process::id()));
    let records = store.records();
    drop(store);
    assert!(open().is_err(), "a handle on the records still owns it");
    drop(records);
    open().unwrap();
}

#[test]
fn a_journal_is_read_without_changing_a_byte() {
    let rig = Rig::new(SEGMENT);
    let mut store = rig.journal();
    let log = log_named(&mut store, "sale");
    for size in [10, 900, 5_000, 900] {
        append(&mut store, log, size).unwrap();
    }
    let (acknowledged, mut image) = (contents(&store), rig.disk.image());
    // A torn frame after the end, and a file that was never finished.
    let newest = image.keys().filter(|name| name.starts_with("journal-0")).max().unwrap().clone();
    let end = image[&newest].chunks(512).rposition(|sector| sector[511] != 0).unwrap() + 1;
    image.get_mut(&newest).unwrap()[end * 512 + 3] = 7;
    image.insert("journal-0000000009.log.tmp".into(), vec![0; 10]);

    let crashed = Rig::with(&image, SEGMENT);
    let (logs, records) = read(Arc::new(crashed.disk.clone())).unwrap();
    let mut found = Vec::new();
    records
        .read(logs[0].id, 0, &mut |stamp, bytes| {
            found.push(Entry { stamp, bytes: bytes.to_vec() });
            true
        })
        .unwrap();
    assert_eq!(vec![(logs[0].name.clone(), found)], acknowledged);
    assert_eq!(crashed.disk.image(), image);
    // The control: to open it is to repair it.
    crashed.journal();
    assert_ne!(crashed.disk.image(), image);
}

#[test]
fn a_spare_without_any_segment_is_refused() {
    let rig = Rig::new(SEGMENT);
    rig.journal().upkeep().prepare_segment().unwrap();
    let mut image = rig.disk.image();
    image.remove("journal-0000000001.log");
    let refused = Rig::with(&image, SEGMENT).try_open().err();
    let Some(StoreError::Damaged { file, offset: 0, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(file, "journal-0000000001.log");
}
