//! Gathering: what needs no entry is answered at once, the rest goes into the next round.

use holdfast_core::{Command, Outcome, Refusal, Sale, SaleId};
use holdfast_store::{Store, StoreError};

use super::Engine;
use crate::SaleRef;
use crate::request::{Answer, Replies, Reply, Request};
use crate::slot::Slot;

impl<S: Store, T> Engine<S, T> {
    /// Takes all requests; pushes a reply onto `replies` for each that changes nothing, and gets
    /// the rest ready to be written. Gets ready what is due even without requests.
    ///
    /// While a round is in flight the sales stand as they were before it. Whoever asks meanwhile
    /// may be answered from that: nobody has heard of what is in flight. What it would change
    /// goes into the next round, and is decided after it.
    pub fn settle(&mut self, requests: &mut Vec<Request<T>>, replies: &mut impl Replies<T>) {
        self.turn += 1;
        let now = self.clock.monotonic();
        self.rest.take_if(|(until, _)| *until <= now);
        #[cfg(feature = "planted")]
        self.write_late();
        self.hear_if_due();
        self.prepare_watched();
        self.warm(requests);
        for request in requests.drain(..) {
            match request {
                Request::Look(look) => self.gathering.looks.push(look),
                Request::Do { sale, command, reply } => {
                    self.queue(sale, command, reply, replies);
                }
            }
        }
    }

    /// Reads ahead for the sale that is asked first: in a rush, the one that all ask.
    fn warm(&self, requests: &[Request<T>]) {
        let Some(Request::Do { sale: first, .. }) = requests.first() else { return };
        let Some(at) = self.sales.find(*first) else { return };
        self.sales.slots[at].sale.warm(requests.iter().filter_map(|request| match request {
            Request::Do { sale, command, .. } if sale == first => Some(command),
            _ => None,
        }));
    }

    fn prepare_watched(&mut self) {
        if self.doubt.is_some() || self.away().is_some() {
            return;
        }
        let watched: Vec<usize> = self.watched.iter().copied().collect();
        for at in watched {
            self.prepare(at);
        }
    }

    /// Brings a slot to this turn, once.
    fn prepare(&mut self, at: usize) {
        let slot = &mut self.sales.slots[at];
        if slot.prepared == self.turn || slot.fenced.is_some() {
            return;
        }
        let clock_ms = self.store.clock_ms(slot.log).unwrap_or(slot.clock_ms);
        let ticks = slot.prepare(self.turn, clock_ms, self.clock.wall_ms());
        if self.rest.is_none() {
            for _ in 0..ticks {
                self.push(at, Command::Tick { wall_ms: self.sales.slots[at].wall_ms }, None);
            }
        }
    }

    /// Puts a command into its sale's part of the round, after a tick if its deadline needs one.
    fn push(&mut self, at: usize, command: Command, reply: Option<T>) {
        let slot = &mut self.sales.slots[at];
        let place = *slot.place.get_or_insert_with(|| self.gathering.open(at));
        let is_first = self.gathering.parts()[place].commands.is_empty();
        if is_first && reply.is_some() && slot.is_anchor_off() {
            self.gathering.push(place, Command::Tick { wall_ms: slot.wall_ms }, None);
        }
        self.gathering.push(place, command, reply);
    }

    /// Answers a command at once if it would change nothing, or puts it into the round.
    fn queue(&mut self, sale: SaleRef, command: Command, reply: T, replies: &mut impl Replies<T>) {
        if let Some(why) = self.doubt.as_ref().or(self.away()) {
            return replies.push(reply, Err(why.clone()));
        }
        let at = match self.find_or_create(sale, &command) {
            Ok(at) => at,
            Err(answer) => return replies.push(reply, *answer),
        };
        self.prepare(at);
        let slot = &mut self.sales.slots[at];
        if let Some(error) = &slot.fenced {
            return replies.push(reply, Err(error.clone()));
        }
        let settled = slot.sale.settled(slot.clock_ms, &command);
        // Where others write too, what is known here may be old: first it is read.
        let is_current = !slot.is_due && (self.others.is_none() || planted!(RefusesUnread));
        if let Some(outcome) = settled.filter(|_| is_current) {
            let answer = Answer::read(&slot.sale, outcome, slot.clock_ms);
            return replies.push(reply, Ok(answer));
        }
        match &self.rest {
            Some((_, why)) => replies.push(reply, Err(why.clone())),
            None if settled.is_some() => {
                self.touch(at);
                self.gathering.parked.push((at, command, reply));
            }
            None => self.push(at, command, Some(reply)),
        }
    }

    /// What was due when these were parked has been done. Most refusals still are: they need no
    /// entry. The others are written after all, and so is everything if more is due than one turn
    /// does. Returns whether any is.
    pub(super) fn decide_parked(
        &mut self,
        parked: &mut Vec<(usize, Command, T)>,
        replies: &mut impl Replies<T>,
    ) -> bool {
        let mut is_any_written = false;
        for (at, command, reply) in parked.drain(..) {
            let slot = &self.sales.slots[at];
            let gone_wrong = self.doubt.as_ref().or(slot.trouble());
            let gone_wrong = gone_wrong.or(self.rest.as_ref().map(|(_, why)| why));
            if let Some(why) = gone_wrong {
                replies.push(reply, Err(why.clone()));
                continue;
            }
            // By the turn's wall, as the tick had it: a slow flush makes nothing due anew.
            let is_due = slot.sale.is_due(slot.clock_ms, slot.wall_ms);
            match slot.sale.settled(slot.clock_ms, &command).filter(|_| !is_due) {
                Some(outcome) => {
                    let answer = Answer::read(&slot.sale, outcome, slot.clock_ms);
                    replies.push(reply, Ok(answer));
                }
                None => {
                    self.push(at, command, Some(reply));
                    is_any_written = true;
                }
            }
        }
        is_any_written
    }

    /// The slot of a sale. A sale that is not there answers as an empty one would, unless the
    /// command creates it.
    fn find_or_create(&mut self, sale: SaleRef, command: &Command) -> Result<usize, Box<Reply>> {
        if let Some(at) = self.sales.find(sale) {
            return Ok(at);
        }
        if self.is_shared() {
            // Another node may have made it a moment ago.
            self.hear();
            if let Some(away) = self.away() {
                return Err(Box::new(Err(away.clone())));
            }
            if let Some(at) = self.sales.find(sale) {
                return Ok(at);
            }
        }
        let outcome = self.nothing.settled(0, command);
        match (outcome, sale) {
            (None, SaleRef::Id(id)) => match &self.rest {
                Some((_, why)) => Err(Box::new(Err(why.clone()))),
                None => self.create(id).map_err(|error| Box::new(Err(self.note(&error)))),
            },
            (outcome, _) => {
                let outcome = outcome.unwrap_or(Outcome::Refused(Refusal::SaleNotFound));
                Err(Box::new(Ok(Answer { outcome, hold: None })))
            }
        }
    }

    fn create(&mut self, id: SaleId) -> Result<usize, StoreError> {
        let log = self.store.create(id.as_str())?;
        if self.is_shared() {
            return self.adopt(log);
        }
        let epoch = self.store.reign(&[log])?.first().copied().unwrap_or_default();
        Ok(self.sales.push(Slot::new(id, log, epoch, Sale::new(log.0, self.seed))))
    }
}
