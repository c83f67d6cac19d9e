//! Disks that fail, fill up and lose what was not flushed.

use std::io::ErrorKind;
use std::time::Duration;

use holdfast_store::{Store, StoreError};

use crate::rig::{Rig, append, contents};
use crate::suite::{info, log_named};
use crate::support::Op;

const SEGMENT: u64 = 8 << 10;

fn rig() -> (Rig, holdfast_store::journal::Journal, holdfast_store::LogId) {
    let rig = Rig::new(SEGMENT);
    let mut store = rig.journal();
    let log = log_named(&mut store, "sale");
    append(&mut store, log, 10).unwrap();
    (rig, store, log)
}

#[test]
fn an_append_is_one_write_and_one_flush_and_nothing_is_none() {
    let (rig, mut store, log) = rig();
    rig.disk.take_log();
    append(&mut store, log, 2000).unwrap();
    let done: Vec<Op> = rig.disk.take_log().into_iter().map(|(op, _)| op).collect();
    assert_eq!(done, [Op::Write, Op::Sync]);
    crate::suite::append(&mut store, log, &holdfast_store::Batch::default()).unwrap();
    assert_eq!(rig.disk.take_log(), []);
}

#[test]
pub(crate) fn what_was_acknowledged_survives_power_loss() {
    let rig = Rig::new(SEGMENT);
    let mut store = rig.journal();
    let log = log_named(&mut store, "sale");
    for size in (0..40).map(|round| round * 97) {
        append(&mut store, log, size).unwrap();
        let recovered = rig.after_power_loss().journal();
        assert_eq!(recovered.logs(), store.logs());
        assert_eq!(contents(&recovered), contents(&store));
    }
}

#[test]
fn a_failed_write_or_flush_poisons() {
    for (op, skip) in [(Op::Write, 0), (Op::Sync, 0)] {
        let (rig, mut store, log) = rig();
        let before = contents(&store);
        rig.disk.fail(op, skip, ErrorKind::Other);
        let unknown = append(&mut store, log, 10);
        assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{op:?} {unknown:?}");
        rig.disk.take_log();
        for _ in 0..2 {
            let refused = append(&mut store, log, 10);
            assert!(matches!(refused, Err(StoreError::Poisoned(_))), "{refused:?}");
        }
        let read = crate::suite::append(&mut store, log, &holdfast_store::Batch::default());
        assert!(matches!(read, Err(StoreError::Poisoned(_))), "not even a read: {read:?}");
        assert!(matches!(store.create("x"), Err(StoreError::Poisoned(_))));
        assert!(matches!(store.reign(&[log]), Err(StoreError::Poisoned(_))));
        assert_eq!(rig.disk.take_log(), [], "nothing is written, nothing is tried again");
        assert_eq!(contents(&store), before, "what is in doubt is not to be seen");
        drop(store);
        let mut store = rig.journal();
        append(&mut store, log, 10).unwrap();
    }
}

#[test]
fn what_is_begun_and_not_flushed_is_in_doubt_whatever_came_between() {
    for create_between in [false, true] {
        let (rig, mut store, log) = rig();
        let before = contents(&store);
        let mut entry = holdfast_store::Batch::default();
        entry.push(|bytes| bytes.extend_from_slice(b"entry"));
        let last = info(&store, log).last.sequence;
        let epoch = info(&store, log).epoch;
        let part = holdfast_store::Append {
            log,
            epoch,
            seen: last,
            cursor: last,
            batch: &entry,
            only_if_current: false,
        };
        let mut results = Vec::new();
        store.begin(&[part], &mut results);
        assert!(results[0].is_ok(), "it is written: {results:?}");
        rig.disk.fail(Op::Sync, 0, ErrorKind::Other);
        if create_between {
            assert!(matches!(store.create("x"), Err(StoreError::Poisoned(_))));
        }
        store.finish(&mut results);
        assert!(matches!(results[0], Err(StoreError::Unknown(_))), "{results:?}");
        assert_eq!(contents(&store), before, "what is in doubt is not to be seen");
        assert!(matches!(append(&mut store, log, 10), Err(StoreError::Poisoned(_))));
    }
}

/// The frame whose flush failed is still in the cache, and after a restart it looks whole.
#[test]
fn a_frame_that_was_never_flushed_is_written_again_before_anything_rests_on_it() {
    let (rig, mut store, log) = rig();
    rig.disk.fail(Op::Sync, 0, ErrorKind::Other);
    assert!(append(&mut store, log, 10).is_err());
    drop(store);
    let store = rig.journal();
    let seen = contents(&store);
    assert_eq!(seen[0].1.len(), 2, "it is there, as the cache has it");
    drop(store);
    assert_eq!(contents(&rig.after_power_loss().journal()), seen);
}

#[test]
fn a_folder_whose_flush_fails_poisons() {
    let (rig, mut store, log) = rig();
    rig.disk.fail(Op::SyncFolder, 0, ErrorKind::Other);
    let refused = loop {
        if let Err(error) = append(&mut store, log, 900) {
            break error;
        }
    };
    assert!(matches!(refused, StoreError::Unknown(_)), "{refused}");
    assert!(matches!(append(&mut store, log, 10), Err(StoreError::Poisoned(_))));
    let seen = contents(&store);
    drop(store);
    let mut store = rig.journal();
    assert_eq!(contents(&store), seen);
    append(&mut store, log, 10).unwrap();
    assert_eq!(contents(&rig.after_power_loss().journal()), contents(&store));
}

#[test]
fn a_full_disk_refuses_and_recovers_without_a_restart() {
    let (rig, mut store, log) = rig();
    let used = rig.disk.image().values().map(Vec::len).sum::<usize>();
    rig.disk.set_capacity(Some(used + 5000));
    let full = loop {
        if let Err(error) = append(&mut store, log, 900) {
            break error;
        }
    };
    assert!(matches!(full, StoreError::Full(_)), "{full}");
    let (before, image) = (contents(&store), rig.disk.image());
    assert!(matches!(append(&mut store, log, 900), Err(StoreError::Full(_))));
    assert!(matches!(store.upkeep().prepare_segment(), Err(StoreError::Full(_))));
    assert_eq!(rig.disk.image(), image, "no partial file is left");
    append(&mut store, log, 10).unwrap();
    rig.disk.set_capacity(None);
    append(&mut store, log, 900).unwrap();
    assert_eq!(contents(&store)[0].1.len(), before[0].1.len() + 2);
    assert_eq!(contents(&rig.after_power_loss().journal()), contents(&store));
}

#[test]
fn a_disk_that_fills_up_in_the_middle_of_a_write_is_undone() {
    let (rig, mut store, log) = rig();
    let (before, image) = (contents(&store), rig.disk.image());
    rig.disk.fail(Op::Write, 0, ErrorKind::StorageFull);
    let full = append(&mut store, log, 2000);
    assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    assert_eq!(rig.disk.image(), image);
    assert_eq!(contents(&rig.after_power_loss().journal()), before);
    append(&mut store, log, 10).unwrap();
    assert_eq!(contents(&rig.after_power_loss().journal()), contents(&store));

    // If that fails as well, the end is in doubt.
    rig.disk.fail(Op::Write, 0, ErrorKind::StorageFull);
    rig.disk.fail(Op::Write, 1, ErrorKind::StorageFull);
    let unknown = append(&mut store, log, 2000);
    assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{unknown:?}");
}

/// Every place at which making a new segment can fail, one after the other.
#[test]
fn a_rotation_that_fails_anywhere_loses_nothing() {
    let kinds = [ErrorKind::StorageFull, ErrorKind::Other];
    for op in [Op::Create, Op::Write, Op::Sync, Op::Rename, Op::SyncFolder] {
        for (kind, skip) in kinds.into_iter().flat_map(|kind| (0..4).map(move |n| (kind, n))) {
            let (rig, mut store, log) = rig();
            for _ in 0..5 {
                append(&mut store, log, 900).unwrap();
            }
            assert!(!rig.disk.image().contains_key("journal-0000000002.log"), "the next one does");
            let before = contents(&store);
            rig.disk.fail(op, skip, kind);
            let result = append(&mut store, log, 900);
            rig.disk.heal();
            let again = append(&mut store, log, 900);
            match &result {
                Err(StoreError::Unknown(_)) => {
                    assert!(matches!(again, Err(StoreError::Poisoned(_))), "{again:?}");
                }
                _ => again.unwrap(),
            }
            let appended = contents(&store)[0].1.len() - before[0].1.len();
            let expected = match &result {
                Ok(()) => 2,
                Err(StoreError::Unknown(_)) => 0,
                Err(_) => 1,
            };
            assert_eq!(appended, expected, "{op:?} {skip} {kind:?} {result:?}");
            for reopened in [rig.after_power_loss().journal(), rig.journal()] {
                let (found, seen) = (contents(&reopened), contents(&store));
                assert!(found[0].1.starts_with(&seen[0].1), "{op:?} {skip} {kind:?}");
                assert!(found[0].1.len() <= seen[0].1.len() + 1);
            }
        }
    }
}

#[test]
fn a_failed_append_does_not_move_the_clock() {
    let (rig, mut store, log) = rig();
    let last = info(&store, log).last.clock_ms;
    rig.clock.pass(Duration::from_millis(300));
    rig.disk.fail(Op::Write, 0, ErrorKind::StorageFull);
    assert!(append(&mut store, log, 10).is_err());
    assert_eq!(info(&store, log).last.clock_ms, last);
    rig.clock.pass(Duration::from_millis(300));
    assert_eq!(store.clock_ms(log).unwrap(), last + 500, "one step past the last durable entry");
}

#[test]
fn a_snapshot_that_cannot_be_written_leaves_the_last_one() {
    let (rig, mut store, log) = rig();
    let records = store.records();
    records.save_snapshot(log, info(&store, log).last, b"old").unwrap();
    append(&mut store, log, 10).unwrap();
    let newest = info(&store, log).last;
    for op in [Op::Create, Op::Write, Op::Sync, Op::Rename, Op::SyncFolder] {
        rig.disk.fail(op, 0, ErrorKind::StorageFull);
        let failed = records.save_snapshot(log, newest, b"new");
        assert!(matches!(failed, Err(StoreError::Full(_))), "{op:?} {failed:?}");
        assert_eq!(records.snapshot(log).unwrap().unwrap().1, b"old");
        records.trim().unwrap();
        let recovered = rig.after_power_loss().journal().records().snapshot(log);
        let recovered = recovered.unwrap().unwrap().1;
        assert!(recovered == b"old" || recovered == b"new");
    }
    records.save_snapshot(log, newest, b"new").unwrap();
    records.trim().unwrap();
    let other = store.create("other").unwrap();
    records.save_snapshot(other, info(&store, other).last, b"").unwrap();
    let recovered = rig.after_power_loss().journal();
    assert_eq!(recovered.records().snapshot(other).unwrap().unwrap().1, b"");
    assert_eq!(
        rig.after_power_loss().journal().records().snapshot(log).unwrap().unwrap().1,
        b"new"
    );
}

#[test]
fn what_is_too_long_is_refused_and_nothing_else() {
    let (rig, mut store, log) = rig();
    let (before, image) = (contents(&store), rig.disk.image());
    let refused = append(&mut store, log, 256 << 20);
    assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
    let refused = store.create(&"x".repeat(256));
    assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
    assert_eq!((contents(&store), rig.disk.image()), (before, image));
    store.create(&"x".repeat(255)).unwrap();
    append(&mut store, log, 10).unwrap();
    assert_eq!(rig.after_power_loss().journal().logs(), store.logs());
}
