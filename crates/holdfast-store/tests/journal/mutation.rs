//! Journals that were changed at random: opened or refused, never a panic, never an entry that was
//! not written, and the same answer twice.

use holdfast_store::{Store, StoreError};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::rig::{Contents, Rig, append, contents};
use crate::suite::{info, log_named};
use crate::support::Image;

const SECTOR: usize = 512;
const SEGMENT: u64 = 4 << 10;

#[derive(Clone, Debug)]
enum Change {
    Flip(Index, Index, u8),
    Truncate(Index, Index),
    Extend(Index, u16),
    ZeroSectors(Index, Index, usize),
    CopySector(Index, Index, Index),
    Remove(Index),
    Exchange(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        6 => (at(), at(), 0..8_u8).prop_map(|(file, byte, bit)| Change::Flip(file, byte, bit)),
        1 => (at(), at()).prop_map(|(file, length)| Change::Truncate(file, length)),
        1 => (at(), any::<u16>()).prop_map(|(file, more)| Change::Extend(file, more)),
        4 => (at(), at(), 1..5_usize).prop_map(|(f, from, n)| Change::ZeroSectors(f, from, n)),
        4 => (at(), at(), at()).prop_map(|(file, from, to)| Change::CopySector(file, from, to)),
        1 => at().prop_map(Change::Remove),
        1 => (at(), at()).prop_map(|(one, other)| Change::Exchange(one, other)),
    ]
}

impl Change {
    fn make(&self, image: &mut Image) {
        let names: Vec<String> = image.keys().cloned().collect();
        if names.is_empty() {
            return;
        }
        let name = |index: &Index| index.get(&names).clone();
        match self {
            Self::Flip(file, byte, bit) => {
                let bytes = image.get_mut(&name(file)).unwrap();
                if !bytes.is_empty() {
                    let at = byte.index(bytes.len());
                    bytes[at] ^= 1 << bit;
                }
            }
            Self::Truncate(file, length) => {
                let bytes = image.get_mut(&name(file)).unwrap();
                bytes.truncate(length.index(bytes.len() + 1));
            }
            Self::Extend(file, more) => {
                let bytes = image.get_mut(&name(file)).unwrap();
                bytes.resize(bytes.len() + usize::from(*more), 0);
            }
            Self::ZeroSectors(file, from, count) => {
                let bytes = image.get_mut(&name(file)).unwrap();
                let from = from.index(bytes.len() / SECTOR + 1);
                bytes.iter_mut().skip(from * SECTOR).take(count * SECTOR).for_each(|b| *b = 0);
            }
            Self::CopySector(file, from, to) => {
                let bytes = image.get_mut(&name(file)).unwrap();
                if let Some(sectors) = std::num::NonZero::new(bytes.len() / SECTOR) {
                    let from = from.index(sectors.get()) * SECTOR;
                    bytes.copy_within(from..from + SECTOR, to.index(sectors.get()) * SECTOR);
                }
            }
            Self::Remove(file) => drop(image.remove(&name(file))),
            Self::Exchange(one, other) => {
                let (one, other) = (name(one), name(other));
                let bytes = (image[&one].clone(), image[&other].clone());
                image.extend([(one, bytes.1), (other, bytes.0)]);
            }
        }
    }
}

/// Three segments, the first of them trimmed away in one variant, a spare, two snapshots.
fn journal(trimmed: bool) -> (Image, Contents) {
    let rig = Rig::new(SEGMENT);
    let mut store = rig.journal();
    let (one, two) = (log_named(&mut store, "one"), log_named(&mut store, "two"));
    for size in [3, 400, 900, 20, 1, 30, 1200, 700, 0, 300] {
        append(&mut store, one, size).unwrap();
        append(&mut store, two, size / 3).unwrap();
    }
    store.upkeep().prepare_segment().unwrap();
    let expected = contents(&store);
    if trimmed {
        for log in [one, two] {
            store.records().save_snapshot(log, info(&store, log).last, b"all").unwrap();
        }
        assert!(store.records().trim().unwrap() > 0);
    }
    (rig.disk.image(), expected)
}

/// Opens a changed journal and returns what it holds, or the refusal.
fn open(rig: &Rig, expected: &Contents) -> Result<Contents, StoreError> {
    let before = rig.disk.image();
    let store = match rig.try_open() {
        Ok(store) => store,
        Err(error) => {
            let named =
                matches!(error, StoreError::Damaged { .. } | StoreError::NewerFormat { .. });
            assert!(named, "{error}");
            assert_eq!(rig.disk.image(), before, "a refused folder stays as it was");
            return Err(error);
        }
    };
    let found = contents(&store);
    for (name, entries) in &found {
        let (_, sent) = expected.iter().find(|(other, _)| other == name).unwrap();
        for entry in entries {
            assert!(sent.contains(entry), "an entry that was never appended");
        }
    }
    Ok(found)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_changed_journal_is_opened_or_refused(
        trimmed: bool,
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let (mut image, expected) = journal(trimmed);
        changes.iter().for_each(|change| change.make(&mut image));
        let rig = Rig::with(&image, SEGMENT);
        let first = open(&rig, &expected);
        let second = open(&rig, &expected);
        prop_assert_eq!(first, second);
    }
}
