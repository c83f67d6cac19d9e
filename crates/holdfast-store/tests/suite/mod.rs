//! What every store must do, whatever it stands on. Each check takes a fresh [`Backend`].

use std::time::{Duration, Instant};

use holdfast_store::{
    Append, Appended, Batch, Entry, Epoch, LogId, LogInfo, Result, Stamp, Store, StoreError,
};

/// A store under test: where it lives, and its time.
pub(crate) trait Backend {
    /// Opens the store; called again after the last one is dropped, it finds what was there.
    fn open(&self) -> Box<dyn Store>;

    /// Lets so much time pass.
    fn pass(&self, time: Duration);
}

type Check = fn(&dyn Backend);

/// Every check, with its name.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("a_log_is_created_once", a_log_is_created_once),
    ("entries_come_back_as_they_were_appended", entries_come_back_as_they_were_appended),
    ("entries_survive_a_reopening", entries_survive_a_reopening),
    ("only_the_reign_in_force_appends", only_the_reign_in_force_appends),
    ("a_rolled_back_log_is_not_believed", a_rolled_back_log_is_not_believed),
    ("unknown_logs_are_refused", unknown_logs_are_refused),
    ("parts_are_refused_alone", parts_are_refused_alone),
    ("a_cursor_that_lags_gets_the_entries_between", a_cursor_that_lags_gets_the_entries_between),
    ("an_empty_batch_is_a_current_read", an_empty_batch_is_a_current_read),
    ("a_log_may_be_named_twice", a_log_may_be_named_twice),
    ("what_is_begun_is_seen_once_it_is_finished", what_is_begun_is_seen_once_it_is_finished),
    ("whatever_else_writes_waits_for_what_is_begun", whatever_else_writes_waits_for_what_is_begun),
    ("the_clock_moves_in_capped_steps", the_clock_moves_in_capped_steps),
    ("the_clock_keeps_fractions", the_clock_keeps_fractions),
    ("the_clock_resumes_at_the_last_stamp", the_clock_resumes_at_the_last_stamp),
    ("reading_starts_and_stops_where_asked", reading_starts_and_stops_where_asked),
    ("the_newest_snapshot_is_kept", the_newest_snapshot_is_kept),
    ("trimming_keeps_what_no_snapshot_covers", trimming_keeps_what_no_snapshot_covers),
    ("watching_ends_when_it_should", watching_ends_when_it_should),
];

/// A batch of these entries.
pub(crate) fn batch<E: AsRef<[u8]>>(entries: impl IntoIterator<Item = E>) -> Batch {
    let mut batch = Batch::default();
    for entry in entries {
        batch.push(|bytes| bytes.extend_from_slice(entry.as_ref()));
    }
    batch
}

/// Appends a batch by a writer that has seen everything.
pub(crate) fn append(store: &mut dyn Store, log: LogId, batch: &Batch) -> Result<Appended> {
    let LogInfo { last, epoch, .. } = info(store, log);
    let (seen, cursor) = (last.sequence, last.sequence);
    append_part(store, Append { log, epoch, seen, cursor, batch, only_if_current: false })
}

/// Appends one part.
pub(crate) fn append_part(store: &mut dyn Store, part: Append<'_>) -> Result<Appended> {
    let mut results = Vec::new();
    store.append(&[part], &mut results);
    assert_eq!(results.len(), 1);
    results.remove(0)
}

/// What the store knows of a log.
pub(crate) fn info(store: &dyn Store, log: LogId) -> LogInfo {
    store.logs().into_iter().find(|info| info.id == log).expect("the log is there")
}

/// A new log with a reign over it.
pub(crate) fn log_named(store: &mut dyn Store, name: &str) -> LogId {
    let log = store.create(name).unwrap();
    store.reign(&[log]).unwrap();
    log
}

/// All entries of a log after a sequence.
pub(crate) fn entries(store: &dyn Store, log: LogId, after: u64) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    store.records().read(log, after, &mut |stamp, bytes| {
        entries.push(Entry { stamp, bytes: bytes.to_vec() });
        true
    })?;
    Ok(entries)
}

fn bytes(entries: &[Entry]) -> Vec<&[u8]> {
    entries.iter().map(|entry| entry.bytes.as_slice()).collect()
}

fn a_log_is_created_once(backend: &dyn Backend) {
    let mut store = backend.open();
    let (first, second) = (store.create("first").unwrap(), store.create("second").unwrap());
    assert_ne!(first, second);
    assert_eq!(store.create("first").unwrap(), first);
    let info = info(store.as_ref(), second);
    assert_eq!((info.name.as_str(), info.last), ("second", Stamp::default()));
    assert_eq!(info.epoch, if store.is_shared() { Epoch(1) } else { Epoch(0) });
    assert_eq!(info.trimmed, 0);
    drop(store);
    let mut store = backend.open();
    assert_eq!(store.create("second").unwrap(), second);
    assert_eq!(store.logs().len(), 2);
    assert!(!store.logs().iter().any(|info| info.id == LogId(u32::MAX)));
}

fn entries_come_back_as_they_were_appended(backend: &dyn Backend) {
    let mut store = backend.open();
    let log = log_named(store.as_mut(), "sale");
    let large = vec![0xA5; 100_000];
    let sent: Vec<&[u8]> = vec![b"one", b"", &large, b"four"];
    let first = append(store.as_mut(), log, &batch(&sent)).unwrap();
    assert_eq!((first.first.sequence, first.first.epoch), (1, Epoch(1)));
    let second = append(store.as_mut(), log, &batch(["five"])).unwrap();
    assert_eq!(second.first.sequence, 5);
    let found = entries(store.as_ref(), log, 0).unwrap();
    assert_eq!(bytes(&found), [sent.as_slice(), &[b"five"]].concat());
    for (sequence, entry) in (1..).zip(&found) {
        assert_eq!(entry.stamp.sequence, sequence);
        let stamped = if sequence < 5 { first.first } else { second.first };
        assert_eq!(entry.stamp, Stamp { sequence, ..stamped });
    }
    assert_eq!(info(store.as_ref(), log).last, found[4].stamp);
}

fn entries_survive_a_reopening(backend: &dyn Backend) {
    let mut store = backend.open();
    let (one, two) = (log_named(store.as_mut(), "one"), log_named(store.as_mut(), "two"));
    for round in 0..20_u8 {
        append(store.as_mut(), one, &batch([[round; 40]])).unwrap();
        append(store.as_mut(), two, &batch([[round; 3], [0; 3]])).unwrap();
    }
    let before =
        (entries(store.as_ref(), one, 0).unwrap(), entries(store.as_ref(), two, 0).unwrap());
    let logs = store.logs();
    drop(store);
    let mut store = backend.open();
    assert_eq!(store.logs(), logs);
    let after =
        (entries(store.as_ref(), one, 0).unwrap(), entries(store.as_ref(), two, 0).unwrap());
    assert_eq!(after, before);
    assert_eq!((after.0.len(), after.1.len()), (20, 40));
    assert_eq!(append(store.as_mut(), one, &batch(["next"])).unwrap().first.sequence, 21);
}

/// A shared store begins its reigns by itself; it has tests of its own for that.
fn only_the_reign_in_force_appends(backend: &dyn Backend) {
    let mut store = backend.open();
    if store.is_shared() {
        return;
    }
    let log = store.create("sale").unwrap();
    let entry = batch(["entry"]);
    let attempt = |store: &mut dyn Store, epoch| {
        append_part(
            store,
            Append { log, epoch, seen: 0, cursor: 0, batch: &entry, only_if_current: false },
        )
    };
    let fenced = |epoch, reigning| Err(StoreError::Fenced { log, epoch, reigning });
    assert_eq!(attempt(store.as_mut(), Epoch(0)), fenced(Epoch(0), Epoch(0)));
    assert_eq!(attempt(store.as_mut(), Epoch(1)), fenced(Epoch(1), Epoch(0)));
    assert_eq!(store.reign(&[log]).unwrap(), [Epoch(1)]);
    assert_eq!(store.reign(&[log]).unwrap(), [Epoch(2)]);
    assert_eq!(attempt(store.as_mut(), Epoch(1)), fenced(Epoch(1), Epoch(2)));
    let read = Append {
        log,
        epoch: Epoch(1),
        seen: 0,
        cursor: 0,
        batch: &Batch::default(),
        only_if_current: false,
    };
    assert_eq!(append_part(store.as_mut(), read), fenced(Epoch(1), Epoch(2)));
    assert_eq!(entries(store.as_ref(), log, 0).unwrap(), []);
    drop(store);
    let mut store = backend.open();
    assert_eq!(attempt(store.as_mut(), Epoch(1)), fenced(Epoch(1), Epoch(2)));
    assert_eq!(attempt(store.as_mut(), Epoch(2)).unwrap().first.epoch, Epoch(2));
}

fn a_rolled_back_log_is_not_believed(backend: &dyn Backend) {
    let mut store = backend.open();
    let log = log_named(store.as_mut(), "sale");
    append(store.as_mut(), log, &batch(["a", "b"])).unwrap();
    for (seen, cursor) in [(3, 2), (2, 3)] {
        let entry = batch(["entry"]);
        let part =
            Append { log, epoch: Epoch(1), seen, cursor, batch: &entry, only_if_current: false };
        let refused = append_part(store.as_mut(), part);
        assert_eq!(refused, Err(StoreError::RolledBack { log, seen: 3, last: 2 }));
    }
    assert_eq!(entries(store.as_ref(), log, 0).unwrap().len(), 2);
}

fn unknown_logs_are_refused(backend: &dyn Backend) {
    let mut store = backend.open();
    for log in [LogId(0), LogId(77), LogId(u32::MAX)] {
        let entry = batch(["entry"]);
        let part = Append {
            log,
            epoch: Epoch(1),
            seen: 0,
            cursor: 0,
            batch: &entry,
            only_if_current: false,
        };
        assert_eq!(append_part(store.as_mut(), part), Err(StoreError::NoSuchLog(log)));
        assert_eq!(store.reign(&[log]), Err(StoreError::NoSuchLog(log)));
        assert_eq!(store.clock_ms(log), Err(StoreError::NoSuchLog(log)));
        assert_eq!(entries(store.as_ref(), log, 0), Err(StoreError::NoSuchLog(log)));
    }
}

fn parts_are_refused_alone(backend: &dyn Backend) {
    let mut store = backend.open();
    let (good, fenced) = (log_named(store.as_mut(), "good"), log_named(store.as_mut(), "fenced"));
    let also_good = log_named(store.as_mut(), "also good");
    let entry = batch(["entry"]);
    let part = |log, epoch| Append {
        log,
        epoch,
        seen: 0,
        cursor: 0,
        batch: &entry,
        only_if_current: false,
    };
    let parts = [part(good, Epoch(1)), part(fenced, Epoch(9)), part(also_good, Epoch(1))];
    let mut results = vec![Err(StoreError::NoSuchLog(LogId(5)))];
    store.append(&parts, &mut results);
    assert_eq!(results.len(), 4, "results are added, none is taken away");
    assert!(results[1].is_ok() && results[3].is_ok(), "{results:?}");
    assert!(matches!(results[2], Err(StoreError::Fenced { .. })));
    for (log, count) in [(good, 1), (fenced, 0), (also_good, 1)] {
        assert_eq!(entries(store.as_ref(), log, 0).unwrap().len(), count);
    }
}

fn a_cursor_that_lags_gets_the_entries_between(backend: &dyn Backend) {
    let mut store = backend.open();
    let log = log_named(store.as_mut(), "sale");
    append(store.as_mut(), log, &batch(["a", "b", "c"])).unwrap();
    let all = entries(store.as_ref(), log, 0).unwrap();
    let entry = batch(["d"]);
    let part =
        Append { log, epoch: Epoch(1), seen: 3, cursor: 1, batch: &entry, only_if_current: false };
    let appended = append_part(store.as_mut(), part).unwrap();
    assert_eq!(appended.others, all[1..]);
    assert_eq!(appended.first.sequence, 4);
    let up_to_date = append(store.as_mut(), log, &entry).unwrap();
    assert_eq!(up_to_date.others, []);
}

fn an_empty_batch_is_a_current_read(backend: &dyn Backend) {
    let mut store = backend.open();
    let log = log_named(store.as_mut(), "sale");
    append(store.as_mut(), log, &batch(["a", "b"])).unwrap();
    let part = Append {
        log,
        epoch: Epoch(1),
        seen: 0,
        cursor: 0,
        batch: &Batch::default(),
        only_if_current: false,
    };
    let read = append_part(store.as_mut(), part).unwrap();
    assert_eq!(bytes(&read.others), [b"a", b"b"]);
    assert_eq!((read.first.sequence, read.first.epoch), (3, Epoch(1)));
    assert_eq!(info(store.as_ref(), log).last.sequence, 2);
}

fn a_log_may_be_named_twice(backend: &dyn Backend) {
    let mut store = backend.open();
    let log = log_named(store.as_mut(), "sale");
    let (one, two) = (batch(["one"]), batch(["two", "three"]));
    let part =
        |batch| Append { log, epoch: Epoch(1), seen: 0, cursor: 0, batch, only_if_current: false };
    let mut results = Vec::new();
    store.append(&[part(&one), part(&two)], &mut results);
    let results: Vec<Appended> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(results[0].others, []);
    assert_eq!(bytes(&results[1].others), [b"one"]);
    assert_eq!(results[1].first.sequence, 2);
    let all = entries(store.as_ref(), log, 0).unwrap();
    assert_eq!(bytes(&all), [b"one".as_slice(), b"two", b"three"]);
}

/// A shared store does it all when it is begun.
fn what_is_begun_is_seen_once_it_is_finished(backend: &dyn Backend) {
    let mut store = backend.open();
    if store.is_shared() {
        return;
    }
    let log = log_named(store.as_mut(), "sale");
    let (one, two) = (batch(["one"]), batch(["two"]));
    let part = |seen, batch| Append {
        log,
        epoch: Epoch(1),
        seen,
        cursor: seen,
        batch,
        only_if_current: false,
    };
    let mut results = Vec::new();
    store.begin(&[part(0, &one)], &mut results);
    assert_eq!(results[0].as_ref().unwrap().first.sequence, 1);
    assert_eq!(info(store.as_ref(), log).last.sequence, 0);
    assert_eq!(entries(store.as_ref(), log, 0).unwrap(), []);
    store.finish(&mut results);
    assert!(results[0].is_ok());
    assert_eq!(bytes(&entries(store.as_ref(), log, 0).unwrap()), [b"one"]);
    store.finish(&mut results);
    assert!(results[0].is_ok(), "finishing twice changes nothing");
    store.append(&[part(1, &two)], &mut results);
    assert_eq!(results[1].as_ref().unwrap().first.sequence, 2);
}

fn whatever_else_writes_waits_for_what_is_begun(backend: &dyn Backend) {
    let mut store = backend.open();
    let (log, other) = (log_named(store.as_mut(), "sale"), log_named(store.as_mut(), "other"));
    let entry = batch(["entry"]);
    let part = |log| Append {
        log,
        epoch: Epoch(1),
        seen: 0,
        cursor: 0,
        batch: &entry,
        only_if_current: false,
    };
    let (mut results, mut others) = (Vec::new(), Vec::new());
    store.begin(&[part(log)], &mut results);
    assert_eq!(store.create("third"), Ok(LogId(3)));
    assert_eq!(info(store.as_ref(), log).last.sequence, 1);
    store.finish(&mut results);
    assert!(results[0].is_ok());
    store.begin(&[part(other)], &mut results);
    store.append(&[part(other)], &mut others);
    store.finish(&mut results[1..]);
    let sequences = [&results[1], &others[0]].map(|one| one.as_ref().unwrap().first.sequence);
    assert_eq!(sequences, [1, 2]);
}

/// The most that real time may add to what a check lets pass.
const SLACK_MS: u64 = 200;

fn the_clock_moves_in_capped_steps(backend: &dyn Backend) {
    let mut store = backend.open();
    let log = log_named(store.as_mut(), "sale");
    let stamp = |store: &mut dyn Store| {
        let said = store.clock_ms(log).unwrap();
        let stamped = append(store, log, &batch(["tick"])).unwrap().first.clock_ms;
        assert!(stamped >= said, "a stamp is not before what the clock said");
        stamped
    };
    let start = stamp(store.as_mut());
    backend.pass(Duration::from_millis(100));
    let normal = stamp(store.as_mut());
    assert!((start + 100..=start + 100 + SLACK_MS).contains(&normal), "{start} {normal}");
    backend.pass(Duration::from_millis(1500));
    assert_eq!(store.clock_ms(log).unwrap(), normal + 500);
    assert_eq!(stamp(store.as_mut()), normal + 500);
    let on = stamp(store.as_mut());
    assert!(on <= normal + 500 + SLACK_MS, "the time beyond the step is gone for good");
}

fn the_clock_keeps_fractions(backend: &dyn Backend) {
    let mut store = backend.open();
    let log = log_named(store.as_mut(), "sale");
    let start = append(store.as_mut(), log, &batch(["tick"])).unwrap().first.clock_ms;
    for _ in 0..100 {
        backend.pass(Duration::from_micros(300));
        append(store.as_mut(), log, &batch(["tick"])).unwrap();
    }
    let passed = info(store.as_ref(), log).last.clock_ms - start;
    assert!(passed >= 29, "30 ms passed in steps of 0.3 ms, the clock says {passed}");
}

fn the_clock_resumes_at_the_last_stamp(backend: &dyn Backend) {
    let mut store = backend.open();
    let log = log_named(store.as_mut(), "sale");
    backend.pass(Duration::from_millis(300));
    let last = append(store.as_mut(), log, &batch(["tick"])).unwrap().first.clock_ms;
    backend.pass(Duration::from_millis(400));
    drop(store);
    backend.pass(Duration::from_millis(400));
    let store = backend.open();
    let resumed = store.clock_ms(log).unwrap();
    assert!((last..=last + 500).contains(&resumed), "{last} {resumed}");
}

fn reading_starts_and_stops_where_asked(backend: &dyn Backend) {
    let mut store = backend.open();
    let log = log_named(store.as_mut(), "sale");
    for number in 1..=50_u8 {
        append(store.as_mut(), log, &batch([[number]])).unwrap();
    }
    for after in [0, 1, 25, 49, 50, 60] {
        let found = entries(store.as_ref(), log, after).unwrap();
        let sequences: Vec<u64> = found.iter().map(|entry| entry.stamp.sequence).collect();
        assert_eq!(sequences, (after + 1..=50).collect::<Vec<_>>());
        assert!(found.iter().all(|entry| u64::from(entry.bytes[0]) == entry.stamp.sequence));
    }
    let mut visited = Vec::new();
    let end = store.records().read(log, 10, &mut |stamp, _| {
        visited.push(stamp.sequence);
        stamp.sequence < 13
    });
    assert_eq!((end.unwrap(), visited), (13, vec![11, 12, 13]));
}

fn the_newest_snapshot_is_kept(backend: &dyn Backend) {
    let mut store = backend.open();
    let log = log_named(store.as_mut(), "sale");
    for entry in ["a", "b", "c"] {
        append(store.as_mut(), log, &batch([entry])).unwrap();
    }
    let records = store.records();
    assert_eq!(records.snapshot(log).unwrap(), None);
    let all = entries(store.as_ref(), log, 0).unwrap();
    let (second, third) = (all[1].stamp, all[2].stamp);
    records.save_snapshot(log, second, b"two").unwrap();
    assert_eq!(records.snapshot(log).unwrap(), Some((second, b"two".to_vec())));
    records.save_snapshot(log, third, b"three").unwrap();
    records.save_snapshot(log, second, b"two").unwrap();
    assert_eq!(records.snapshot(log).unwrap(), Some((third, b"three".to_vec())));
    let beyond = Stamp { sequence: 4, ..third };
    let refused = records.save_snapshot(log, beyond, b"four");
    assert_eq!(refused, Err(StoreError::RolledBack { log, seen: 4, last: 3 }));
    drop((store, records));
    let store = backend.open();
    assert_eq!(store.records().snapshot(log).unwrap(), Some((third, b"three".to_vec())));
}

fn trimming_keeps_what_no_snapshot_covers(backend: &dyn Backend) {
    let mut store = backend.open();
    let (kept, gone) = (log_named(store.as_mut(), "kept"), log_named(store.as_mut(), "gone"));
    append(store.as_mut(), kept, &batch(["keep"])).unwrap();
    for _ in 0..30 {
        append(store.as_mut(), gone, &batch([[7; 500], [8; 500]])).unwrap();
    }
    let all = entries(store.as_ref(), gone, 0).unwrap();
    store.records().save_snapshot(gone, all[49].stamp, b"fifty").unwrap();
    store.records().trim().unwrap();
    assert_eq!(entries(store.as_ref(), kept, 0).unwrap().len(), 1);
    store.records().save_snapshot(kept, info(store.as_ref(), kept).last, b"one").unwrap();
    store.records().trim().unwrap();
    let check = |store: &dyn Store| {
        let trimmed = info(store, gone).trimmed;
        assert!(trimmed <= 50, "entries that no snapshot covers stay");
        let left = all.iter().filter(|entry| entry.stamp.sequence > trimmed).cloned();
        assert_eq!(entries(store, gone, trimmed).unwrap(), left.collect::<Vec<_>>());
        if trimmed > 0 {
            let refused = entries(store, gone, trimmed - 1);
            assert_eq!(refused, Err(StoreError::Trimmed { log: gone, trimmed }));
        }
    };
    check(store.as_ref());
    drop(store);
    check(backend.open().as_ref());
}

fn watching_ends_when_it_should(backend: &dyn Backend) {
    let mut store = backend.open();
    let log = log_named(store.as_mut(), "sale");
    append(store.as_mut(), log, &batch(["a"])).unwrap();
    let records = store.records();
    assert_eq!(records.watch(log, 0, Duration::from_secs(60)), 1, "there already");
    assert_eq!(records.watch(log, 1, Duration::from_millis(1)), 1, "patience is over");
    assert_eq!(records.watch(LogId(77), 0, Duration::ZERO), 0);
    let patience = Duration::from_secs(10);
    let watcher = std::thread::spawn(move || {
        let started = Instant::now();
        (records.watch(log, 1, patience), started.elapsed())
    });
    // Long enough for the watcher to be waiting, almost always.
    std::thread::sleep(Duration::from_millis(50));
    append(store.as_mut(), log, &batch(["b"])).unwrap();
    let (last, waited) = watcher.join().unwrap();
    assert_eq!(last, 2);
    assert!(waited < patience, "the append ends the waiting");
}
