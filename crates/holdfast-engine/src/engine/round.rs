//! A round: what one append writes, and everybody who waits for it.

use holdfast_core::Command;
use holdfast_store::{Appended, Batch, StoreError};

use crate::request::Look;

/// What is gathered during one flush, and then written with the next.
pub(crate) struct Round<T> {
    /// Each sale's part. Those beyond `used` are empty, and kept for their memory.
    parts: Vec<Part<T>>,
    used: usize,
    /// What the store said to each part, once it was written.
    pub(crate) results: Vec<Result<Appended, StoreError>>,
    /// Commands that would be refused but for what is due: decided again once that has been done.
    pub(crate) parked: Vec<(usize, Command, T)>,
    /// Who wants to look at the sales once this round is durable.
    pub(crate) looks: Vec<Look>,
}

/// One sale's part of a round.
pub(crate) struct Part<T> {
    /// The sale's slot.
    pub(crate) at: usize,
    pub(crate) commands: Vec<Command>,
    /// The same as bytes.
    pub(crate) batch: Batch,
    /// Who waits for each command; `None` for the engine's own ticks.
    pub(crate) waiting: Vec<Option<T>>,
}

impl<T> Default for Round<T> {
    fn default() -> Self {
        Self {
            parts: Vec::new(),
            used: 0,
            results: Vec::new(),
            parked: Vec::new(),
            looks: Vec::new(),
        }
    }
}

impl<T> Round<T> {
    /// Whether nothing is to be written and nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.used == 0 && self.parked.is_empty() && self.looks.is_empty()
    }

    /// Whether some of it was not written.
    pub(crate) fn has_failed(&self) -> bool {
        self.results.iter().any(Result::is_err)
    }

    /// The parts in the order in which they were begun.
    pub(crate) fn parts(&self) -> &[Part<T>] {
        &self.parts[..self.used]
    }

    /// Each part, and what the store said to it.
    pub(crate) fn outcomes(
        &mut self,
    ) -> impl Iterator<Item = (&mut Part<T>, &Result<Appended, StoreError>)> {
        self.parts[..self.used].iter_mut().zip(&self.results)
    }

    /// Begins a slot's part; returns its place.
    pub(crate) fn open(&mut self, at: usize) -> usize {
        let place = self.used;
        if place == self.parts.len() {
            let (commands, waiting) = (Vec::new(), Vec::new());
            self.parts.push(Part { at, commands, batch: Batch::default(), waiting });
        }
        self.parts[place].at = at;
        self.used += 1;
        place
    }

    /// Adds a command to the part at this place.
    pub(crate) fn push(&mut self, place: usize, command: Command, waiting: Option<T>) {
        let part = &mut self.parts[place];
        part.batch.push(|bytes| command.encode(bytes));
        part.commands.push(command);
        part.waiting.push(waiting);
    }

    /// Forgets everything but its memory.
    pub(crate) fn clear(&mut self) {
        for part in &mut self.parts[..self.used] {
            part.commands.clear();
            part.batch.clear();
            part.waiting.clear();
        }
        self.used = 0;
        self.results.clear();
    }
}
