//! What a disk sees of a process that starts: what it finds, and which repairs it makes.
//!
//! Told from outside, by the bytes and the names alone; see docs/decisions/0002-journal-format.md.

use std::collections::{BTreeMap, BTreeSet};

use super::disk::{SimDisk, State};
use super::file::SECTOR;
use super::names;

/// The mark of a frame's first sector.
const FIRST_MARK: u8 = 0xa5;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// A process is starting, and this was seen of it so far.
    starting: Option<BTreeSet<&'static str>>,
    /// The spare segment was made by an earlier process.
    old_spare: bool,
    paths: BTreeMap<&'static str, u64>,
}

impl Watch {
    fn saw(&mut self, what: &'static str) {
        if let Some(seen) = &mut self.starting {
            seen.insert(what);
        }
    }
}

impl SimDisk {
    /// The process that was watched from its birth has started.
    pub fn started(&self) {
        let mut state = self.state();
        let seen = state.watch.starting.take().unwrap_or_default();
        let repaired = seen.iter().any(|what| what.ends_with(REPAIRED));
        let nothing = (!repaired).then_some("nothing to repair");
        for what in seen.into_iter().chain(nothing) {
            *state.watch.paths.entry(what.trim_end_matches(REPAIRED)).or_default() += 1;
        }
    }

    /// How often a process that started was seen to go each way.
    pub fn paths(&self) -> BTreeMap<&'static str, u64> {
        self.state().watch.paths.clone()
    }
}

/// Ends the words for what was made good, to tell it from what was merely found.
const REPAIRED: char = '!';

impl State {
    /// A new process will start on this disk.
    pub(super) fn watch_start(&mut self) {
        self.watch.starting = Some(BTreeSet::new());
        self.watch.old_spare = self.names.now.contains_key(names::SPARE);
        let segments = self.names.now.keys().filter(|name| names::is_segment(name)).count();
        match segments {
            0 => self.watch.saw("a new journal"),
            1 => self.watch.saw("from one segment"),
            _ => self.watch.saw("from several segments"),
        }
        if self.watch.old_spare {
            self.watch.saw("a spare found");
        }
        let bare = self.last_segment().is_some_and(|(_, file)| self.files[file].used() <= SECTOR);
        if bare && segments > 1 {
            self.watch.saw("new segment still empty");
        }
    }

    /// Something is about to be written.
    pub(super) fn watch_write(&mut self, file: usize, at: usize, bytes: &[u8]) {
        let Some(here) = self.files[file].bytes.get(at..at + bytes.len()) else { return };
        if self.watch.starting.is_none() || here.iter().all(|&byte| byte == 0) {
            return;
        }
        if here == bytes {
            let unsure = self.files[file].is_unflushed(at, bytes.len());
            self.watch.saw(if unsure {
                "last frame made durable, which was not!"
            } else {
                "last frame written again"
            });
        } else if bytes.iter().all(|&byte| byte == 0) {
            let first_frame = at == SECTOR;
            let mark = here.get(SECTOR - 1).copied();
            self.watch.saw(match (first_frame, mark) {
                (true, _) => "new segment's torn first frame cut!",
                (false, Some(FIRST_MARK)) => "torn tail cut!",
                (false, _) => "torn tail without its first sector cut!",
            });
        }
    }

    /// A file is about to get another name.
    pub(super) fn watch_rename(&mut self, from: &str, to: &str) {
        if to == names::SPARE {
            self.watch.old_spare = false;
        }
        if from == names::SPARE && std::mem::take(&mut self.watch.old_spare) {
            *self.watch.paths.entry("an earlier process's spare used").or_default() += 1;
        }
    }

    /// A file is about to be removed.
    pub(super) fn watch_remove(&mut self, name: &str) {
        if names::is_unfinished(name) {
            self.watch.saw("unfinished file removed!");
        } else if name == names::SPARE {
            self.watch.saw("spare of another length thrown away!");
        }
    }
}
