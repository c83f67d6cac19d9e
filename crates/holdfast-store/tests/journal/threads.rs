//! One thread appends; others read, watch, prepare segments, take snapshots and trim.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_store::journal::{Journal, Options};
use holdfast_store::{LogId, LogInfo, Records, Store, StoreError, SystemClock, SystemDisk};

use crate::suite::{append, batch, entries, info, log_named};

const ROUNDS: u64 = 400;

/// What entry `sequence` holds.
fn entry(sequence: u64) -> Vec<u8> {
    sequence.to_le_bytes().repeat(1 + usize::try_from(sequence % 40).unwrap())
}

/// Follows the log to its end and returns how often it had to start from a snapshot.
fn follow(records: &dyn Records, log: LogId) -> usize {
    let (mut position, mut restarts) = (0, 0);
    while position < ROUNDS {
        records.watch(log, position, Duration::from_secs(10));
        let read = records.read(log, position, &mut |stamp, bytes| {
            assert_eq!(stamp.sequence, position + 1, "in order, none missing");
            assert_eq!(bytes, entry(stamp.sequence));
            position = stamp.sequence;
            true
        });
        match read {
            Ok(end) => assert_eq!(end, position),
            Err(StoreError::Trimmed { trimmed, .. }) => {
                let (at, bytes) = records.snapshot(log).unwrap().unwrap();
                assert!(at.sequence >= trimmed && bytes == entry(at.sequence));
                (position, restarts) = (at.sequence, restarts + 1);
            }
            Err(error) => panic!("{error}"),
        }
    }
    restarts
}

#[test]
fn readers_see_every_entry_while_others_append_and_trim() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(SystemDisk::open(folder.path()).unwrap());
    let options = Options { segment_bytes: 8 << 10 };
    let mut store = Journal::open(disk, Arc::new(SystemClock::new()), options).unwrap();
    let log = log_named(&mut store, "sale");
    let (upkeep, done) = (store.upkeep(), AtomicBool::new(false));
    let (fast, slow, keeper) = (store.records(), store.records(), store.records());
    std::thread::scope(|scope| {
        let done = &done;
        scope.spawn(move || follow(fast.as_ref(), log));
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            follow(slow.as_ref(), log)
        });
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                upkeep.prepare_segment().unwrap();
                std::thread::yield_now();
            }
        });
        scope.spawn(move || {
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                last = keeper.watch(log, last + 20, Duration::from_millis(10));
                let mut at = None;
                let _ = keeper.read(log, last.saturating_sub(1), &mut |stamp, _| {
                    at = Some(stamp);
                    false
                });
                if let Some(at) = at {
                    keeper.save_snapshot(log, at, &entry(at.sequence)).unwrap();
                    keeper.trim().unwrap();
                }
            }
        });
        for sequence in 1..=ROUNDS {
            append(&mut store, log, &batch([entry(sequence)])).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    let LogInfo { last, trimmed, .. } = info(&store, log);
    assert_eq!(last.sequence, ROUNDS);
    assert!(trimmed > 0, "the test is about trimming, too");
    assert_eq!(entries(&store, log, trimmed).unwrap().len() as u64, ROUNDS - trimmed);
}
