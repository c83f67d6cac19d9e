//! What must be true of a story, whatever has failed in it.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_store::{Entry, LogId, Stamp};

use super::Breach;

/// The longest step of the sale clock, in milliseconds.
const STEP_MS: u64 = 500;

/// What nodes were told.
#[derive(Default)]
pub(crate) struct Book {
    pub(super) logs: Vec<LogId>,
    named: u64,
    /// Each confirmed entry by its place.
    confirmed: BTreeMap<(u32, u64), (Stamp, String)>,
    /// Entries that other nodes were given.
    seen: BTreeMap<(u32, u64), (Stamp, String)>,
    /// What was said not to be written.
    refused: BTreeSet<String>,
    /// A place that was given twice.
    twice: Option<Breach>,
}

impl Book {
    /// A name that no other entry has.
    pub(super) fn name(&mut self) -> String {
        self.named += 1;
        format!("entry {}", self.named)
    }

    /// The highest confirmed sequence of a log.
    pub(super) fn highest(&self, log: LogId) -> u64 {
        let all = self.confirmed.range((log.0, 0)..=(log.0, u64::MAX));
        all.last().map_or(0, |(&(_, sequence), _)| sequence)
    }

    pub(super) fn confirm(&mut self, log: LogId, first: Stamp, names: Vec<String>) {
        for (nth, name) in (0..).zip(names) {
            let stamp = Stamp { sequence: first.sequence + nth, ..first };
            let what = format!("entry {} of log {}", stamp.sequence, log.0);
            let before = self.confirmed.insert((log.0, stamp.sequence), (stamp, name.clone()));
            if let Some((_, other)) = before {
                self.twice = Some(format!("{what} was confirmed as {other:?} and as {name:?}"));
            }
        }
    }

    /// Entries that were given to a node as durable.
    pub(super) fn saw(&mut self, log: LogId, others: &[Entry]) {
        for entry in others {
            let name = String::from_utf8_lossy(&entry.bytes).into_owned();
            let key = (log.0, entry.stamp.sequence);
            let before = self.seen.insert(key, (entry.stamp, name.clone()));
            if before.is_some_and(|before| before != (entry.stamp, name)) {
                let what = format!("entry {} of log {}", entry.stamp.sequence, log.0);
                self.twice = Some(format!("{what} was given to nodes as two different ones"));
            }
        }
    }

    pub(super) fn refuse(&mut self, names: Vec<String>) {
        self.refused.extend(names);
    }

    /// Holds everything against the log as it is in the end. Returns how often it was opened with a
    /// doubt, and how many confirmed entries are lost in one.
    pub(super) fn check(
        &self,
        log: LogId,
        all: &[(Stamp, String)],
    ) -> Result<(usize, usize), Breach> {
        if let Some(twice) = &self.twice {
            return Err(twice.clone());
        }
        in_order(all)?;
        let found: BTreeMap<u64, &(Stamp, String)> =
            all.iter().map(|entry| (entry.0.sequence, entry)).collect();
        let lost_ranges: Vec<(u64, u64)> = all.iter().filter_map(lost_range).collect();
        let is_lost = |sequence: u64| {
            lost_ranges.iter().any(|&(first, end)| (first..end).contains(&sequence))
        };
        let mut lost = 0;
        let told = self.confirmed.iter().chain(&self.seen);
        for (&(_, sequence), told) in told.filter(|((of, _), _)| *of == log.0) {
            match found.get(&sequence) {
                Some(found) if *found == told => {}
                _ if is_lost(sequence) => lost += 1,
                Some(found) => {
                    return Err(format!("entry {sequence} was {told:?} and is {found:?}"));
                }
                None => return Err(format!("entry {sequence} is gone: {told:?}")),
            }
        }
        let refused = all.iter().find(|(_, name)| self.refused.contains(name));
        if let Some((stamp, name)) = refused {
            return Err(format!("{name:?} was refused, and is entry {}", stamp.sequence));
        }
        Ok((lost_ranges.len(), lost))
    }
}

/// What a doubt says may be lost.
fn lost_range((stamp, name): &(Stamp, String)) -> Option<(u64, u64)> {
    Some((name.strip_prefix("doubt ")?.parse().ok()?, stamp.sequence))
}

/// Sequences grow, epochs and the clock never fall, and the clock makes no leap.
fn in_order(all: &[(Stamp, String)]) -> Result<(), Breach> {
    let mut names = BTreeSet::new();
    for pair in all.windows(2) {
        let (before, after) = (pair[0].0, pair[1].0);
        let is_right = before.sequence < after.sequence
            && before.epoch <= after.epoch
            && (before.clock_ms..=before.clock_ms + STEP_MS).contains(&after.clock_ms);
        if !is_right {
            return Err(format!("{after:?} comes after {before:?}"));
        }
    }
    match all.iter().find(|(_, name)| !name.starts_with("doubt") && !names.insert(name)) {
        Some((stamp, name)) => Err(format!("{name:?} is there twice, also as {}", stamp.sequence)),
        None => Ok(()),
    }
}
