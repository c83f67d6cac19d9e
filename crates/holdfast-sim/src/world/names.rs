//! The folder: which names there are, and which of them would survive a loss of power.

use std::collections::BTreeMap;

use crate::rng::Rng;

/// The name of the segment that is made ahead.
pub(super) const SPARE: &str = "journal-spare.log";

/// Whether a name is a numbered segment's. Sorted by name they are in their order.
pub(super) fn is_segment(name: &str) -> bool {
    let number = name.strip_prefix("journal-").and_then(|rest| rest.strip_suffix(".log"));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a name is that of a whole snapshot or of the spare segment.
pub(super) fn is_finished(name: &str) -> bool {
    name == SPARE || (name.starts_with("snapshot-") && !is_unfinished(name))
}

/// Whether a name is that of a file that somebody was still making.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(".tmp").is_some()
}

/// Names and the files they stand for, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// As a process sees them.
    pub(super) now: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    /// What happened since the last flush of the folder.
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

impl Names {
    pub(super) fn create(&mut self, name: &str, file: usize) {
        self.change(Change::Create(name.to_owned(), file));
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        self.change(Change::Rename(from.to_owned(), to.to_owned()));
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.change(Change::Remove(name.to_owned()));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.pending.push(change);
    }

    pub(super) fn flush(&mut self) {
        self.pending.clear();
        self.durable.clone_from(&self.now);
    }

    /// A file system keeps a folder's changes in order: the last ones go first.
    pub(super) fn lose_power(&mut self, rng: &mut Rng) {
        let kept = rng.index(self.pending.len() + 1);
        for change in self.pending.drain(..).take(kept) {
            change.apply(&mut self.durable);
        }
        self.now.clone_from(&self.durable);
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}
