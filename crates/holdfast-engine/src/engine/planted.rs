//! What the planted bugs do that answer, or apply, before the flush.

use std::mem;

use holdfast_store::{Append, Appended, Stamp, Store, StoreError};

use super::Engine;
use crate::Replies;

impl<S: Store, T> Engine<S, T> {
    /// [`crate::planted::Bug::AnswersFirst`]: makes stamps up, and writes in the next turn.
    pub(super) fn write_later(&mut self) {
        let mut results = mem::take(&mut self.flying.results);
        for part in self.flying.parts() {
            let slot = &self.sales.slots[part.at];
            let (epoch, sequence) = (slot.epoch, slot.durable + 1);
            self.late.push((part.at, slot.durable, part.batch.clone()));
            let first = Stamp { epoch, sequence, clock_ms: slot.clock_ms };
            results.push(Ok(Appended { others: Vec::new(), first, is_written: true }));
        }
        self.flying.results = results;
    }

    /// Writes what was answered in an earlier turn.
    pub(super) fn write_late(&mut self) {
        for (at, cursor, batch) in mem::take(&mut self.late) {
            let slot = &self.sales.slots[at];
            let part = Append {
                log: slot.log,
                epoch: slot.epoch,
                seen: 0,
                cursor,
                batch: &batch,
                only_if_current: false,
            };
            self.store.append(&[part], &mut Vec::new());
        }
    }

    /// [`crate::planted::Bug::AnswersInFlight`] and [`crate::planted::Bug::AppliesInFlight`].
    pub(super) fn jump_ahead(&mut self, replies: &mut impl Replies<T>) {
        if self.flying.has_failed() {
            return;
        }
        if planted!(AnswersInFlight) {
            self.conclude_early(replies);
        } else if planted!(AppliesInFlight) {
            let mut early = Vec::new();
            self.conclude_early(&mut early);
            self.early = early;
        }
    }

    /// Applies what is in flight. Its flush is waited for with the next round.
    fn conclude_early(&mut self, replies: &mut impl Replies<T>) {
        let mut flying = self.take_flying();
        self.flying.looks = mem::take(&mut flying.looks);
        self.flying.results.clone_from(&flying.results);
        for (part, result) in flying.outcomes() {
            if let Ok(Appended { first, .. }) = result {
                let last = first.sequence + part.commands.len() as u64 - 1;
                self.sales.slots[part.at].durable = last;
            }
        }
        self.conclude(flying, replies);
    }

    /// Replies that were held back until the flush, which may have failed.
    pub(super) fn tell_early(
        &mut self,
        results: &[Result<Appended, StoreError>],
        replies: &mut impl Replies<T>,
    ) {
        let error = results.iter().find_map(|result| result.as_ref().err());
        let error = error.map(|error| self.note(error));
        for (to, reply) in mem::take(&mut self.early) {
            replies.push(to, error.as_ref().map_or(reply, |error| Err(error.clone())));
        }
    }
}
