//! A round's flight: written, made durable, then applied, and only then told.

use std::mem;

use holdfast_store::{Append, Appended, Store, StoreError};

use super::round::{Part, Round};
use super::{Engine, REST};
use crate::EngineError;
use crate::request::Replies;
use crate::slot::Slot;

/// How a store takes a round: flushed before it returns, or flushed meanwhile.
type Write<S> = fn(&mut S, &[Append<'_>], &mut Vec<Result<Appended, StoreError>>);

impl<S: Store, T> Engine<S, T> {
    /// Lands what is in flight; then appends what [`Engine::settle`] got ready with one flush,
    /// applies it, pushes the other replies and answers the looks.
    pub fn commit(&mut self, replies: &mut impl Replies<T>) {
        self.land(replies);
        if !self.gathering.looks.is_empty() {
            self.hear();
        }
        while !self.gathering.is_empty() {
            self.launch(S::append);
            self.land(replies);
        }
    }

    /// Waits for what is in flight, sends what [`Engine::settle`] got ready after it, and applies
    /// and answers the one while the other is being flushed.
    pub fn advance(&mut self, replies: &mut impl Replies<T>) {
        self.finish();
        let landed = self.take_flying();
        self.launch(S::begin);
        self.conclude(landed, replies);
        #[cfg(feature = "planted")]
        self.jump_ahead(replies);
        if self.flying.has_failed() {
            self.land(replies);
        }
    }

    /// How many commands are ready to be written.
    pub fn gathered(&self) -> usize {
        self.gathering.parts().iter().map(|part| part.commands.len()).sum()
    }

    /// Whether a round is in flight.
    pub fn is_in_flight(&self) -> bool {
        !self.flying.is_empty()
    }

    fn land(&mut self, replies: &mut impl Replies<T>) {
        self.finish();
        let landed = self.take_flying();
        self.conclude(landed, replies);
    }

    pub(super) fn take_flying(&mut self) -> Round<T> {
        mem::replace(&mut self.flying, mem::take(&mut self.spare))
    }

    /// Writes what was gathered.
    fn launch(&mut self, write: Write<S>) {
        mem::swap(&mut self.gathering, &mut self.flying);
        let slots = &mut self.sales.slots;
        self.flying.parts().iter().for_each(|part| slots[part.at].place = None);
        #[cfg(feature = "planted")]
        if planted!(AnswersFirst) {
            return self.write_later();
        }
        let mut results = mem::take(&mut self.flying.results);
        let slots = &self.sales.slots;
        let part = |one| append(one, &slots[one.at]);
        let parts: Vec<_> = self.flying.parts().iter().map(part).collect();
        if !parts.is_empty() {
            write(&mut self.store, &parts, &mut results);
        }
        self.flying.results = results;
    }

    /// Waits until what is in flight is durable. It is applied with the next [`Engine::advance`] or
    /// [`Engine::commit`].
    pub fn finish(&mut self) {
        if self.flying.results.is_empty() {
            return;
        }
        self.store.finish(&mut self.flying.results);
        let slots = &mut self.sales.slots;
        for (part, result) in self.flying.outcomes() {
            if let Ok(appended) = result {
                let written = if appended.is_written { part.commands.len() as u64 } else { 0 };
                slots[part.at].durable = appended.first.sequence + written - 1;
            }
        }
    }

    /// Applies a round that has landed and tells what came of it; or why nothing did.
    pub(super) fn conclude(&mut self, mut round: Round<T>, replies: &mut impl Replies<T>) {
        #[cfg(feature = "planted")]
        self.tell_early(&round.results, replies);
        for (part, result) in round.outcomes() {
            match result {
                Ok(appended) => self.apply(part, appended, replies),
                Err(error) => self.fail(part, error, replies),
            }
        }
        if self.decide_parked(&mut round.parked, replies) {
            // A look comes after all that was asked before it.
            self.gathering.looks.splice(..0, round.looks.drain(..));
        }
        for look in round.looks.drain(..) {
            match self.doubt.as_ref().or(self.away()) {
                Some(doubt) => look(Err(doubt.clone())),
                None => look(Ok(&self.sales)),
            }
        }
        round.clear();
        self.spare = round;
    }

    fn apply(&mut self, part: &mut Part<T>, appended: &Appended, replies: &mut impl Replies<T>) {
        let slot = &mut self.sales.slots[part.at];
        slot.failed = None;
        let mut waiting = part.waiting.drain(..);
        let applied = match &slot.fenced {
            Some(error) => Err(error.clone()),
            None => slot.apply(appended, &part.commands, |answer| {
                if let Some(Some(reply)) = waiting.next() {
                    replies.push(reply, Ok(answer));
                }
            }),
        };
        if let Err(error) = applied {
            refuse(waiting, &error, replies);
            slot.fenced = Some(error);
        }
        self.watch(part.at);
    }

    /// Nothing of a part was applied: says so to everyone who waits for it.
    fn fail(&mut self, part: &mut Part<T>, error: &StoreError, replies: &mut impl Replies<T>) {
        let reason = self.note(error);
        let is_over = matches!(
            error,
            StoreError::Fenced { .. } | StoreError::RolledBack { .. } | StoreError::Trimmed { .. }
        );
        let slot = &mut self.sales.slots[part.at];
        if self.others.is_some() {
            slot.failed = Some(EngineError::Unavailable(error.to_string()));
            if !matches!(error, StoreError::Behind(_)) {
                self.set_away(Some(error));
            }
            if is_over {
                self.take_up_again();
            }
        } else if is_over {
            slot.fenced = Some(reason.clone());
            self.watched.remove(&part.at);
        }
        refuse(part.waiting.drain(..), &reason, replies);
    }

    /// Turns a store's failure into a reply. One that leaves the store in doubt ends all answers;
    /// one that may pass is given time to pass.
    pub(super) fn note(&mut self, error: &StoreError) -> EngineError {
        let in_doubt = matches!(error, StoreError::Unknown(_) | StoreError::Poisoned(_));
        if in_doubt && self.doubt.is_none() && !planted!(IgnoresDoubt) {
            tracing::error!(%error, "the store is in doubt: nothing is answered until a restart");
            self.doubt = Some(EngineError::Unavailable(error.to_string()));
        }
        let reason = EngineError::from(error);
        if matches!(error, StoreError::Full(_) | StoreError::Io { .. }) {
            self.rest = Some((self.clock.monotonic() + REST, reason.clone()));
        }
        reason
    }
}

/// What is asked of the store for a sale.
fn append<'a, T>(part: &'a Part<T>, slot: &Slot) -> Append<'a> {
    let (log, epoch, seen) = slot.position();
    // What nobody waits for need not be written twice, by two nodes.
    let only_if_current = part.waiting.iter().all(Option::is_none);
    Append { log, epoch, seen, cursor: seen, batch: &part.batch, only_if_current }
}

/// Says why to everyone who waits.
fn refuse<T>(
    waiting: impl Iterator<Item = Option<T>>,
    why: &EngineError,
    replies: &mut impl Replies<T>,
) {
    waiting.flatten().for_each(|reply| replies.push(reply, Err(why.clone())));
}
