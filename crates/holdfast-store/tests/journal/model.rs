//! Any sequence of calls, against a model that is nothing but lists in memory.

use holdfast_store::journal::Journal;
use holdfast_store::{Append, Epoch, LogId, Stamp, Store};
use proptest::prelude::*;

use crate::rig::Rig;
use crate::suite::{batch, entries, info};

#[derive(Clone, Debug)]
enum Step {
    Create(u8),
    Reign(u8),
    /// Appends to several logs at once: entries of these sizes.
    Append(Vec<(u8, Vec<u16>)>),
    Snapshot(u8),
    Trim,
    Prepare,
    Reopen,
    PowerLoss,
}

fn step() -> impl Strategy<Value = Step> {
    let log = || 0..4_u8;
    let sizes = || prop::collection::vec(prop_oneof![0..60_u16, 0..3000_u16], 0..6);
    prop_oneof![
        1 => log().prop_map(Step::Create),
        1 => log().prop_map(Step::Reign),
        12 => prop::collection::vec((log(), sizes()), 1..4).prop_map(Step::Append),
        2 => log().prop_map(Step::Snapshot),
        1 => Just(Step::Trim),
        1 => Just(Step::Prepare),
        1 => Just(Step::Reopen),
        1 => Just(Step::PowerLoss),
    ]
}

#[derive(Default)]
struct ModelLog {
    name: String,
    epoch: u32,
    /// Each entry with the reign it was appended under.
    entries: Vec<(u32, Vec<u8>)>,
    snapshot: u64,
}

/// The store and its model, side by side.
struct Pair {
    rig: Rig,
    store: Journal,
    logs: Vec<ModelLog>,
    salt: u8,
}

impl Pair {
    fn new() -> Self {
        let rig = Rig::new(4 << 10);
        let store = rig.journal();
        Self { rig, store, logs: Vec::new(), salt: 0 }
    }

    /// A log that exists, if there is any.
    fn log(&self, number: u8) -> Option<(usize, LogId)> {
        let index = usize::from(number).checked_rem(self.logs.len())?;
        Some((index, self.store.logs()[index].id))
    }

    fn take(mut self, step: &Step) -> Self {
        match step {
            Step::Create(number) => self.create(&format!("log {number}")),
            Step::Reign(number) => {
                if let Some((index, id)) = self.log(*number) {
                    self.logs[index].epoch += 1;
                    assert_eq!(self.store.reign(&[id]).unwrap(), [Epoch(self.logs[index].epoch)]);
                }
            }
            Step::Append(parts) => self.append(parts),
            Step::Snapshot(number) => {
                if let Some((index, id)) = self.log(*number) {
                    let at = info(&self.store, id).last;
                    self.store.records().save_snapshot(id, at, b"snapshot").unwrap();
                    self.logs[index].snapshot = at.sequence;
                }
            }
            Step::Trim => drop(self.store.records().trim().unwrap()),
            Step::Prepare => drop(self.store.upkeep().prepare_segment().unwrap()),
            Step::Reopen => {
                drop(self.store);
                self.store = self.rig.journal();
            }
            Step::PowerLoss => {
                self.rig = self.rig.after_power_loss();
                self.store = self.rig.journal();
            }
        }
        self
    }

    fn create(&mut self, name: &str) {
        self.store.create(name).unwrap();
        if !self.logs.iter().any(|log| log.name == name) {
            self.logs.push(ModelLog { name: name.into(), ..Default::default() });
        }
    }

    fn append(&mut self, parts: &[(u8, Vec<u16>)]) {
        let mut batches = Vec::new();
        for (number, sizes) in parts {
            let Some((index, id)) = self.log(*number) else { return };
            self.salt = self.salt.wrapping_add(1);
            let entries = sizes.iter().map(|&size| vec![self.salt; usize::from(size)]);
            batches.push((index, id, entries.collect::<Vec<_>>()));
        }
        let made: Vec<_> = batches.iter().map(|(_, _, entries)| batch(entries)).collect();
        let parts: Vec<Append<'_>> = batches
            .iter()
            .zip(&made)
            .map(|((index, id, _), batch)| {
                let seen = self.logs[*index].entries.len() as u64;
                Append {
                    log: *id,
                    epoch: Epoch(self.logs[*index].epoch),
                    seen,
                    cursor: seen,
                    batch,
                    only_if_current: false,
                }
            })
            .collect();
        let mut results = Vec::new();
        self.store.append(&parts, &mut results);
        for ((index, _, entries), result) in batches.into_iter().zip(results) {
            let log = &mut self.logs[index];
            if log.epoch == 0 {
                assert!(result.is_err(), "nobody reigns");
                continue;
            }
            assert_eq!(result.unwrap().first.sequence, log.entries.len() as u64 + 1);
            log.entries.extend(entries.into_iter().map(|entry| (log.epoch, entry)));
        }
    }

    /// The store says what the model says.
    fn compare(&self) {
        let logs = self.store.logs();
        assert_eq!(logs.len(), self.logs.len());
        for (model, info) in self.logs.iter().zip(logs) {
            assert_eq!((&info.name, info.epoch), (&model.name, Epoch(model.epoch)));
            assert_eq!(info.last.sequence, model.entries.len() as u64);
            assert!(info.trimmed <= model.snapshot);
            let found = entries(&self.store, info.id, info.trimmed).unwrap();
            let skipped = usize::try_from(info.trimmed).unwrap();
            assert_eq!(found.len(), model.entries.len() - skipped);
            for (entry, (sequence, (epoch, bytes))) in
                found.iter().zip((1..).zip(&model.entries).skip(skipped))
            {
                let stamp = Stamp { epoch: Epoch(*epoch), sequence, clock_ms: 0 };
                assert_eq!((entry.stamp, &entry.bytes), (stamp, bytes));
            }
            let snapshot = self.store.records().snapshot(info.id).unwrap();
            assert_eq!(snapshot.map_or(0, |(at, _)| at.sequence), model.snapshot);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_journal_is_its_model(steps in prop::collection::vec(step(), 1..50)) {
        let mut pair = Pair::new();
        pair.create("log 0");
        for step in &steps {
            pair = pair.take(step);
            pair.compare();
        }
    }
}
