//! Whatever happens to any one byte of a journal: every acknowledged entry is there, or the journal
//! refuses, says where, and leaves the folder as it was.

use holdfast_store::{Store, StoreError};

use crate::rig::{Contents, Rig, append, contents};
use crate::suite::{batch, entries, info, log_named};
use crate::support::Image;

const SEGMENT: u64 = 4 << 10;

/// A journal of two segments with several frames in each, and a snapshot.
fn journal() -> (Image, Contents) {
    let rig = Rig::new(SEGMENT);
    let mut store = rig.journal();
    let (one, two) = (log_named(&mut store, "one"), log_named(&mut store, "two"));
    // Early, so that the snapshot does not tell how far the journal went.
    crate::suite::append(&mut store, two, &batch(["a", "", "b"])).unwrap();
    store.records().save_snapshot(two, info(&store, two).last, b"ab").unwrap();
    for size in [3, 400, 900, 20, 1, 30] {
        append(&mut store, one, size).unwrap();
    }
    let expected = contents(&store);
    drop(store);
    let image = rig.disk.image();
    assert!(image.contains_key("journal-0000000002.log") && image.len() == 3, "{:?}", image.keys());
    (image, expected)
}

/// Opens a damaged copy and returns whether it was refused.
fn check(image: &Image, expected: &Contents) -> bool {
    let rig = Rig::with(image, SEGMENT);
    match rig.try_open() {
        Ok(store) => {
            assert_eq!(&contents(&store), expected);
            let two = store.logs()[1].id;
            let snapshot = store.records().snapshot(two);
            match snapshot {
                Ok(found) => assert_eq!(found.unwrap().1, b"ab"),
                Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "{error}"),
            }
            false
        }
        Err(StoreError::Damaged { file, offset, .. }) => {
            assert!(offset <= image[&file].len() as u64, "{file} {offset}");
            assert_eq!(&rig.disk.image(), image, "a refused folder stays as it was");
            true
        }
        Err(error) => panic!("{error}"),
    }
}

/// Where the last frame of a segment ends: beyond are zeros.
fn written(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1
}

#[test]
fn every_truncation_is_refused() {
    let (image, expected) = journal();
    assert!(!check(&image, &expected), "whole, it opens");
    for (name, bytes) in &image {
        for length in 0..bytes.len() {
            let mut damaged = image.clone();
            damaged.get_mut(name).unwrap().truncate(length);
            assert!(check(&damaged, &expected), "{name} cut to {length}");
        }
    }
}

#[test]
pub(crate) fn every_flipped_bit_in_what_was_written_is_refused() {
    let (image, expected) = journal();
    let mut damaged = image.clone();
    for (name, bytes) in &image {
        let segment = name.starts_with("journal");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                damaged.get_mut(name).unwrap()[at] ^= 1 << bit;
                let refused = check(&damaged, &expected);
                let must = segment && at < written(bytes);
                assert!(refused || !must, "{name} byte {at} bit {bit}");
                damaged.get_mut(name).unwrap()[at] = bytes[at];
            }
        }
    }
}

#[test]
fn a_damaged_snapshot_is_told_and_nothing_is_trimmed_on_its_strength() {
    let (mut image, _) = journal();
    let name = image.keys().find(|name| name.starts_with("snapshot")).unwrap().clone();
    *image.get_mut(&name).unwrap().last_mut().unwrap() ^= 1;
    let rig = Rig::with(&image, SEGMENT);
    let store = rig.journal();
    let two = store.logs()[1].id;
    let refusal = Err(StoreError::Damaged {
        file: name,
        offset: 512,
        what: "its bytes do not match their checksum".into(),
    });
    assert_eq!(store.records().snapshot(two), refusal);
    assert_eq!(store.records().trim(), refusal.map(|_: Option<_>| 0));
    assert_eq!(rig.disk.image(), image);
}

#[test]
fn damage_after_opening_is_told_to_the_reader() {
    let (image, _) = journal();
    let rig = Rig::with(&image, SEGMENT);
    let store = rig.journal();
    let one = store.logs()[0].id;
    rig.disk.flip("journal-0000000001.log", 3 * 512 + 40);
    let refused = entries(&store, one, 0);
    assert!(matches!(refused, Err(StoreError::Damaged { offset: 1536, .. })), "{refused:?}");
}

#[test]
fn missing_and_exchanged_files_are_refused() {
    let (image, expected) = journal();
    let (first, second) = ("journal-0000000001.log", "journal-0000000002.log");
    let refused = |change: &dyn Fn(&mut Image)| {
        let mut damaged = image.clone();
        change(&mut damaged);
        match Rig::with(&damaged, SEGMENT).try_open().map(|_| ()) {
            Err(StoreError::Damaged { file, .. }) => file,
            other => panic!("{other:?}"),
        }
    };
    assert!(!check(&image, &expected));
    assert_eq!(refused(&|image| drop(image.remove(first))), first);
    assert_eq!(refused(&|image| image.retain(|name, _| name.starts_with("snap"))), first);
    let third = "journal-0000000003.log";
    let moved = |image: &mut Image| {
        let bytes = image.remove(second).unwrap();
        image.insert(third.into(), bytes);
    };
    assert_eq!(refused(&moved), second);
    let exchanged = |image: &mut Image| {
        let (a, b) = (image[first].clone(), image[second].clone());
        image.extend([(first.into(), b), (second.into(), a)]);
    };
    assert_eq!(refused(&exchanged), first);
    let doubled = |image: &mut Image| {
        image.insert(third.into(), image[second].clone());
    };
    assert_eq!(refused(&doubled), third);
}

/// Whole and unharmed, but from another journal that took as many frames to get there.
#[test]
fn a_segment_of_another_journal_is_refused() {
    let journal = |name| {
        let rig = Rig::new(SEGMENT);
        let mut store = rig.journal();
        let log = log_named(&mut store, name);
        for _ in 0..8 {
            append(&mut store, log, 400).unwrap();
        }
        rig.disk.image()
    };
    let (mut ours, theirs) = (journal("ours"), journal("them"));
    let second = "journal-0000000002.log";
    ours.insert(second.into(), theirs[second].clone());
    let refused = Rig::with(&ours, SEGMENT).try_open().map(|_| ());
    let expected = |file: &str| file == second;
    assert!(matches!(&refused, Err(StoreError::Damaged { file, .. }) if expected(file)));
}

/// A frame that vanished with all that would show it, but for its number.
#[test]
fn a_missing_frame_is_seen_by_the_numbers() {
    let rig = Rig::new(SEGMENT);
    let mut store = rig.journal();
    let (one, two) = (log_named(&mut store, "one"), log_named(&mut store, "two"));
    let file = "journal-0000000001.log";
    let end = |rig: &Rig| written(&rig.disk.image()[file]);
    let start = end(&rig);
    append(&mut store, two, 10).unwrap();
    let middle = end(&rig);
    append(&mut store, one, 10).unwrap();
    let mut image = rig.disk.image();
    let bytes = image.get_mut(file).unwrap();
    let last = written(bytes);
    bytes.copy_within(middle..last, start);
    bytes[middle..last].fill(0);
    let refused = Rig::with(&image, SEGMENT).try_open().map(|_| ());
    let at = start as u64;
    assert!(matches!(refused, Err(StoreError::Damaged { offset, .. }) if offset == at));
}
