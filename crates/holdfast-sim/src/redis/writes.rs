//! What was written: as it travels to replicas, and as it is on disk.

use std::sync::Arc;

use super::data::{self, Data};
use super::functions::name_of;
use super::reply::Command;

/// What was written in one call. It travels, and reaches the disk, as one.
pub(super) type Effect = Arc<[Command]>;

/// The stream of writes, as a server numbers them.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// `master_replid`.
    pub(super) replid: String,
    /// The name that the stream had before, and the last offset that it is right for.
    pub(super) second: Option<(String, u64)>,
    /// How many writes it has had.
    pub(super) offset: u64,
    /// The newest of them, so that a replica can go on from where it was.
    pub(super) backlog: Vec<Effect>,
}

impl Stream {
    pub(super) fn new(replid: String) -> Self {
        Self { replid, second: None, offset: 0, backlog: Vec::new() }
    }

    /// What follows an offset of a stream, if this is that stream and still has it.
    pub(super) fn after(&self, replid: &str, offset: u64) -> Option<&[Effect]> {
        let is_own = replid == self.replid && offset <= self.offset;
        let second = self.second.as_ref();
        let is_second = second.is_some_and(|(name, last)| replid == name && offset <= *last);
        let missing = usize::try_from(self.offset.checked_sub(offset)?).ok()?;
        let from = self.backlog.len().checked_sub(missing)?;
        (is_own || is_second).then(|| &self.backlog[from..])
    }

    /// Gives it a new name; the old one is right up to here.
    pub(super) fn rename(&mut self, replid: String) {
        self.second = Some((std::mem::replace(&mut self.replid, replid), self.offset));
    }
}

/// What a server has on disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) base: Data,
    pub(super) effects: Vec<Effect>,
    /// How many of them would survive the process.
    pub(super) flushed: usize,
    /// The offset up to which it is flushed.
    pub(super) offset: u64,
}

/// Does once more what went well before.
pub(super) fn replay(data: &mut Data, effect: &Effect) {
    for command in effect.iter() {
        if command[0].eq_ignore_ascii_case(b"FUNCTION") {
            let Some(source) = command.get(2) else {
                data.libraries.clear();
                continue;
            };
            let source = String::from_utf8_lossy(source);
            let name = name_of(&source).expect("it was loaded before").to_owned();
            data.libraries.insert(name, source.as_ref().into());
        } else {
            let kind = data::kind(&command[0]).expect("it was run before");
            data.run(kind, command).expect("it went well before");
        }
    }
}
