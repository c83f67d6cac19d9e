//! Damage: one bit of a journal's file is another one than was written.
//!
//! A flipped bit is what a checksum always finds, so what must come of it is known exactly. What
//! no format could tell (docs/decisions/0002-journal-format.md) a single bit cannot do.

use std::collections::BTreeMap;

use super::disk::{SimDisk, State};
use super::file::SECTOR;
use super::names;

/// Every file and its bytes, as a process reads them.
pub type Image = BTreeMap<String, Vec<u8>>;

/// A bit that was flipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// In which file.
    pub file: String,
    /// At which byte.
    pub at: u64,
    /// What that byte is for.
    pub part: Part,
}

/// What a damaged byte is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A segment's header or frames, or what follows them in a segment that is not the last.
    Segment,
    /// The newest snapshot of a log.
    Snapshot,
    /// A snapshot that a newer one has replaced.
    Replaced,
    /// The segment that is made ahead.
    Spare,
    /// What has not been written yet of the last segment.
    Unused,
}

impl Part {
    /// Whether something that was promised rests on it.
    pub fn is_needed(self) -> bool {
        matches!(self, Self::Segment | Self::Snapshot)
    }

    /// For the report: damage of this part, and what came of it.
    pub fn label(self, refused: bool) -> &'static str {
        match (self, refused) {
            (Self::Segment, _) => "damaged segment, refused",
            (Self::Snapshot, _) => "damaged snapshot, refused",
            (Self::Replaced, true) => "damaged replaced snapshot, refused",
            (Self::Replaced, false) => "damaged replaced snapshot, harmless",
            (Self::Spare, true) => "damaged spare, refused",
            (Self::Spare, false) => "damaged spare, harmless",
            (Self::Unused, true) => "damaged unused bytes, refused",
            (Self::Unused, false) => "damaged unused bytes, cut",
        }
    }
}

impl SimDisk {
    /// Flips one bit of any byte that is on the disk, in any of the journal's files. `None`: there
    /// is no such byte.
    pub fn damage(&self) -> Option<Damage> {
        let mut state = self.state();
        let ours = |name: &&String| names::is_segment(name) || names::is_finished(name);
        let files: Vec<String> = state.names.now.keys().filter(ours).cloned().collect();
        let file = state.rng.pick(&files)?.clone();
        let number = *state.names.now.get(&file)?;
        let at = state.choose_byte(number)?;
        if !state.files[number].is_durable(at) {
            return None;
        }
        let part = state.part(&file, at);
        let bit = 1 << state.rng.below(8);
        state.files[number].flip(at, bit);
        state.count("bit flipped");
        Some(Damage { file, at: at as u64, part })
    }

    /// Flips back the bit that was flipped, where nothing was written over it.
    pub fn heal(&self) {
        self.state().files.iter_mut().for_each(super::file::File::heal);
    }

    /// The disk as a process finds it.
    pub fn image(&self) -> Image {
        let state = self.state();
        let bytes =
            |(name, &file): (&String, &usize)| (name.clone(), state.files[file].bytes.clone());
        state.names.now.iter().map(bytes).collect()
    }
}

impl State {
    /// Headers and what was written are hit more often than their share of the bytes.
    fn choose_byte(&mut self, file: usize) -> Option<usize> {
        let (length, used) = (self.files[file].bytes.len(), self.files[file].used());
        let limit = match self.rng.below(10) {
            0 => SECTOR,
            1..8 => used,
            _ => length,
        };
        let at = self.rng.index(limit.min(length));
        (at < length).then_some(at)
    }

    fn part(&self, name: &str, at: usize) -> Part {
        if name == names::SPARE {
            return Part::Spare;
        }
        if names::is_segment(name) {
            let used = self.names.now.get(name).map_or(0, |&file| self.files[file].used());
            let is_last = self.last_segment().is_some_and(|(last, _)| last == name);
            return if is_last && at >= used { Part::Unused } else { Part::Segment };
        }
        // Names of one log's snapshots differ in the sequence only, and sort by it.
        let log = name.rsplit_once('-').map_or(name, |(log, _)| log);
        let same_log = |other: &&String| names::is_finished(other) && other.starts_with(log);
        let newest = self.names.now.keys().filter(same_log).max();
        if newest.is_some_and(|newest| newest == name) { Part::Snapshot } else { Part::Replaced }
    }

    /// The name and the number of the newest segment's file.
    pub(super) fn last_segment(&self) -> Option<(&str, usize)> {
        let segments = self.names.now.iter().filter(|(name, _)| names::is_segment(name));
        segments.map(|(name, &file)| (name.as_str(), file)).next_back()
    }
}
