//! A write that was cut short loses nothing that was acknowledged, and never hides damage.

use holdfast_store::{Store, StoreError};

use crate::rig::{Contents, Rig, append, contents};
use crate::suite::{info, log_named};
use crate::support::Image;

const SECTOR: usize = 512;
const SEGMENT: u64 = 8 << 10;
const FILE: &str = "journal-0000000001.log";

/// The folder before and after a frame of so many sectors was written, and after one more.
struct Write {
    before: Image,
    after: Image,
    and_another: Image,
    acknowledged: Contents,
    with_frame: Contents,
    /// Where the frame's sectors are.
    at: usize,
}

fn write(sectors: usize) -> Write {
    let rig = Rig::new(SEGMENT);
    let mut store = rig.journal();
    let log = log_named(&mut store, "sale");
    append(&mut store, log, 700).unwrap();
    let (before, acknowledged) = (rig.disk.image(), contents(&store));
    append(&mut store, log, sectors * 500 - 90).unwrap();
    let (after, with_frame) = (rig.disk.image(), contents(&store));
    append(&mut store, log, 10).unwrap();
    let and_another = rig.disk.image();
    let changed = |sector: &usize| {
        let range = sector * SECTOR..(sector + 1) * SECTOR;
        before[FILE][range.clone()] != after[FILE][range]
    };
    let all: Vec<usize> = (0..before[FILE].len() / SECTOR).filter(changed).collect();
    assert_eq!(all.len(), sectors, "the frame fills so many sectors");
    Write { before, after, and_another, acknowledged, with_frame, at: all[0] * SECTOR }
}

/// `whole`, but only the sectors of the frame whose bit is set were written, each of the others
/// only up to `prefix` bytes.
fn torn(write: &Write, whole: &Image, sectors: usize, subset: u32, prefix: usize) -> Image {
    let mut image = whole.clone();
    for sector in (0..sectors).filter(|sector| subset & (1 << sector) == 0) {
        let start = write.at + sector * SECTOR;
        let rest = start + prefix..start + SECTOR;
        image.get_mut(FILE).unwrap()[rest.clone()].copy_from_slice(&write.before[FILE][rest]);
    }
    image
}

#[test]
fn every_torn_write_keeps_what_was_acknowledged() {
    for sectors in 1..=6 {
        let write = write(sectors);
        let all = (1 << sectors) - 1;
        for subset in 0..=all {
            for prefix in [0, 1, 27, 28, 300, 511] {
                let rig = Rig::with(&torn(&write, &write.after, sectors, subset, prefix), SEGMENT);
                let expected = if subset == all { &write.with_frame } else { &write.acknowledged };
                let mut store = rig.journal();
                assert_eq!(&contents(&store), expected, "{sectors} {subset:b} {prefix}");
                // What was torn is gone for good, and the journal goes on.
                let log = store.logs()[0].id;
                append(&mut store, log, 5).unwrap();
                let longer = contents(&store);
                assert_eq!(longer[0].1.len(), expected[0].1.len() + 1);
                drop(store);
                let store = rig.after_power_loss().journal();
                assert_eq!(contents(&store), longer);
            }
        }
    }
}

#[test]
fn a_cut_leaves_zeros() {
    let write = write(4);
    let rig = Rig::with(&torn(&write, &write.after, 4, 0b1010, 100), SEGMENT);
    drop(rig.journal());
    assert_eq!(rig.disk.image(), write.before);
    assert_eq!(rig.disk.image_after_power_loss(), write.before);
}

#[test]
pub(crate) fn a_torn_frame_that_another_follows_is_damage() {
    for sectors in 1..=6 {
        let write = write(sectors);
        for subset in 0..(1 << sectors) - 1 {
            let image = torn(&write, &write.and_another, sectors, subset, 0);
            let rig = Rig::with(&image, SEGMENT);
            let refused = rig.try_open().map(|_| ());
            assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{sectors} {subset:b}");
            assert_eq!(rig.disk.image(), image);
        }
    }
}

#[test]
fn bytes_beyond_a_torn_frame_are_damage() {
    let write = write(3);
    let mut image = torn(&write, &write.after, 3, 0b001, 0);
    let beyond = write.at + 4 * SECTOR;
    image.get_mut(FILE).unwrap()[beyond] = 1;
    let refused = Rig::with(&image, SEGMENT).try_open().map(|_| ());
    assert!(matches!(refused, Err(StoreError::Damaged { offset, .. }) if offset == beyond as u64));
}

/// A segment's first frame can be torn as well: then the segment before it tells how things stood.
#[test]
fn a_torn_first_frame_of_a_segment_is_cut() {
    let rig = Rig::new(SEGMENT);
    let mut store = rig.journal();
    let log = log_named(&mut store, "sale");
    while !rig.disk.image().contains_key("journal-0000000002.log") {
        append(&mut store, log, 900).unwrap();
    }
    let mut acknowledged = contents(&store);
    acknowledged[0].1.pop();
    drop(store);
    let mut image = rig.disk.image();
    image.get_mut("journal-0000000002.log").unwrap()[SECTOR + 60..].fill(0);
    let rig = Rig::with(&image, SEGMENT);
    let mut store = rig.journal();
    assert_eq!(contents(&store), acknowledged);
    append(&mut store, log, 900).unwrap();
    drop(store);
    let store = rig.after_power_loss().journal();
    assert_eq!(contents(&store)[0].1.len(), acknowledged[0].1.len() + 1);

    // But a segment before the newest has no torn frame, and a lone one must tell by itself.
    image.remove(FILE);
    let refused = Rig::with(&image, SEGMENT).try_open().map(|_| ());
    assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{refused:?}");
}

/// An entry may hold anything, even what looks like a frame: it never passes for one.
#[test]
fn an_entry_that_looks_like_a_frame_is_none() {
    let write = write(2);
    let frame = write.after[FILE][write.at..write.at + 2 * SECTOR].to_vec();
    let rig = Rig::with(&write.before, SEGMENT);
    let mut store = rig.journal();
    let log = store.logs()[0].id;
    let disguised: Vec<u8> = frame.iter().copied().cycle().take(3000).collect();
    crate::suite::append(&mut store, log, &crate::suite::batch([disguised])).unwrap();
    assert_eq!(info(&store, log).last.sequence, 2);
    drop(store);
    let mut image = rig.disk.image();
    // The first sector was not written, all the others were.
    image.get_mut(FILE).unwrap()[write.at..write.at + SECTOR].fill(0);
    let store = Rig::with(&image, SEGMENT).journal();
    assert_eq!(contents(&store), write.acknowledged);
}
