//! The turn: what one writer does, again and again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_core::{Command, Outcome, Refusal, Sale, SaleId};
use holdfast_store::{Append, Appended, Clock, LogId, LogInfo, Records, Store, StoreError};

use crate::recovery::recover;
use crate::request::{Answer, Look, Reply, Request};
use crate::slot::Slot;
use crate::{EngineError, OpenError, SaleRef, Sales};

/// How long nothing is written after an append that failed, such as on a full disk: trying again
/// for every request would keep the disk busy and everyone waiting.
const REST: Duration = Duration::from_millis(250);

/// The one writer over a store. `T` is what a caller needs to pass a reply on.
pub struct Engine<S, T> {
    pub(crate) store: S,
    clock: Arc<dyn Clock>,
    seed: u64,
    pub(crate) sales: Sales,
    /// What a sale is that is not there.
    nothing: Sale,
    /// Per slot, who waits for each command of this turn; `None` for the engine's own ticks.
    waiting: Vec<Vec<Option<T>>>,
    /// Slots that have something to do without being asked.
    watched: BTreeSet<usize>,
    /// Slots with a batch in this turn.
    pub(crate) touched: Vec<usize>,
    pub(crate) results: Vec<Result<Appended, StoreError>>,
    /// Commands that would be refused but for what is due: decided again once that has been done.
    parked: Vec<(usize, Command, T)>,
    /// Who wants to look at the sales once this turn is durable.
    looks: Vec<Look>,
    turn: u64,
    /// Until when nothing is written, in monotonic time, and why: what is due then stays due.
    rest: Option<(Duration, EngineError)>,
    /// Why nothing can be answered any more, once that is so.
    doubt: Option<EngineError>,
    /// Batches that were answered and are still to be written.
    #[cfg(feature = "planted")]
    pub(crate) late: Vec<(usize, holdfast_store::Batch)>,
}

impl<S: Store, T> Engine<S, T> {
    /// Reads every sale from the store's records and begins a new reign over each.
    ///
    /// `seed` spreads the hash tables and shows in no outcome.
    ///
    /// # Errors
    /// When the store cannot be read, or holds what no version up to this one wrote.
    pub fn open(mut store: S, clock: Arc<dyn Clock>, seed: u64) -> Result<Self, OpenError> {
        let records = store.records();
        let mut sales = Sales::default();
        for log in store.logs() {
            let (id, sale) = recover(records.as_ref(), &log, seed)?;
            sales.push(Slot::new(id, log.id, log.epoch, sale));
        }
        let logs: Vec<LogId> = sales.slots.iter().map(|slot| slot.log).collect();
        for (slot, epoch) in sales.slots.iter_mut().zip(store.reign(&logs)?) {
            slot.epoch = epoch;
        }
        let waiting = sales.slots.iter().map(|_| Vec::new()).collect();
        let is_watched = |&at: &usize| sales.slots[at].has_more_to_do();
        let watched = (0..sales.slots.len()).filter(is_watched).collect();
        Ok(Self {
            store,
            clock,
            seed,
            sales,
            nothing: Sale::new(0, seed),
            waiting,
            watched,
            touched: Vec::new(),
            results: Vec::new(),
            parked: Vec::new(),
            looks: Vec::new(),
            turn: 0,
            rest: None,
            doubt: None,
            #[cfg(feature = "planted")]
            late: Vec::new(),
        })
    }

    /// One turn: [`Engine::settle`], then [`Engine::commit`].
    pub fn turn(&mut self, requests: &mut Vec<Request<T>>, replies: &mut Vec<(T, Reply)>) {
        self.settle(requests, replies);
        self.commit(replies);
    }

    /// Takes all requests; pushes a reply onto `replies` for each that changes nothing, and gets
    /// the rest ready to be written. Gets ready what is due even without requests.
    pub fn settle(&mut self, requests: &mut Vec<Request<T>>, replies: &mut Vec<(T, Reply)>) {
        self.turn += 1;
        let now = self.clock.monotonic();
        self.rest.take_if(|(until, _)| *until <= now);
        #[cfg(feature = "planted")]
        self.write_late();
        self.prepare_watched();
        self.warm(requests);
        for request in requests.drain(..) {
            match request {
                Request::Look(look) => self.looks.push(look),
                Request::Do { sale, command, reply } => {
                    self.queue(sale, command, reply, replies);
                }
            }
        }
    }

    /// Appends what [`Engine::settle`] got ready with one flush, applies it, pushes the other
    /// replies, and then answers the looks.
    pub fn commit(&mut self, replies: &mut Vec<(T, Reply)>) {
        if !self.touched.is_empty() {
            self.append(replies);
        }
        if !self.parked.is_empty() {
            self.decide_parked(replies);
        }
        self.show();
    }

    /// How long the engine can wait for requests before something is due. `None`: for ever.
    pub fn wake_in(&self) -> Option<Duration> {
        if self.doubt.is_some() || planted!(NeedsTraffic) {
            return None;
        }
        let wall_ms = self.clock.wall_ms();
        let wait = |&at: &usize| {
            let slot = &self.sales.slots[at];
            slot.wake_in(self.store.clock_ms(slot.log).ok()?, wall_ms)
        };
        let wait = self.watched.iter().filter_map(wait).min();
        let rest = |(until, _): &(Duration, _)| until.saturating_sub(self.clock.monotonic());
        wait.map(|wait| wait.max(self.rest.as_ref().map(rest).unwrap_or_default()))
    }

    /// Why nothing can be answered until a restart, if that is so.
    pub fn doubt(&self) -> Option<&EngineError> {
        self.doubt.as_ref()
    }

    /// What spreads the hash tables.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The store's records, for the keeper and the audit.
    pub fn records(&self) -> Box<dyn Records> {
        self.store.records()
    }

    /// The store's logs as they stand.
    pub fn logs(&self) -> Vec<LogInfo> {
        self.store.logs()
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
        if self.doubt.is_some() {
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

    /// Puts a command into its sale's batch, after a tick if its deadline needs one.
    fn push(&mut self, at: usize, command: Command, reply: Option<T>) {
        let slot = &mut self.sales.slots[at];
        if slot.commands.is_empty() {
            self.touched.push(at);
            if reply.is_some() && slot.is_anchor_off() {
                slot.push(Command::Tick { wall_ms: slot.wall_ms });
                self.waiting[at].push(None);
            }
        }
        slot.push(command);
        self.waiting[at].push(reply);
    }

    /// Answers a command at once if it would change nothing, or puts it into its sale's batch.
    fn queue(&mut self, sale: SaleRef, command: Command, reply: T, replies: &mut Vec<(T, Reply)>) {
        if let Some(doubt) = &self.doubt {
            return replies.push((reply, Err(doubt.clone())));
        }
        let at = match self.find_or_create(sale, &command) {
            Ok(at) => at,
            Err(answer) => return replies.push((reply, *answer)),
        };
        self.prepare(at);
        let slot = &mut self.sales.slots[at];
        if let Some(error) = &slot.fenced {
            return replies.push((reply, Err(error.clone())));
        }
        let settled = slot.sale.settled(slot.clock_ms, &command);
        if let Some(outcome) = settled.filter(|_| !slot.is_due) {
            let answer = Answer::read(&slot.sale, outcome, slot.clock_ms);
            return replies.push((reply, Ok(answer)));
        }
        match &self.rest {
            Some((_, why)) => replies.push((reply, Err(why.clone()))),
            None if settled.is_some() => self.parked.push((at, command, reply)),
            None => self.push(at, command, Some(reply)),
        }
    }

    /// What was due has been done. Most refusals still are: they need no entry. The others are
    /// written after all, and so is everything if more is due than one turn does.
    fn decide_parked(&mut self, replies: &mut Vec<(T, Reply)>) {
        for (at, command, reply) in std::mem::take(&mut self.parked) {
            let slot = &self.sales.slots[at];
            let gone_wrong = self.doubt.as_ref().or(slot.fenced.as_ref());
            let gone_wrong = gone_wrong.or(self.rest.as_ref().map(|(_, why)| why));
            if let Some(why) = gone_wrong {
                replies.push((reply, Err(why.clone())));
                continue;
            }
            // By this turn's wall, as the tick had it: a slow flush makes nothing due anew.
            let is_due = slot.sale.is_due(slot.clock_ms, slot.wall_ms);
            match slot.sale.settled(slot.clock_ms, &command).filter(|_| !is_due) {
                Some(outcome) => {
                    replies.push((reply, Ok(Answer::read(&slot.sale, outcome, slot.clock_ms))));
                }
                None => self.push(at, command, Some(reply)),
            }
        }
        if !self.touched.is_empty() {
            self.append(replies);
        }
    }

    /// The slot of a sale. A sale that is not there answers as an empty one would, unless the
    /// command creates it.
    fn find_or_create(&mut self, sale: SaleRef, command: &Command) -> Result<usize, Box<Reply>> {
        if let Some(at) = self.sales.find(sale) {
            return Ok(at);
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
        let epoch = self.store.reign(&[log])?.first().copied().unwrap_or_default();
        self.waiting.push(Vec::new());
        Ok(self.sales.push(Slot::new(id, log, epoch, Sale::new(log.0, self.seed))))
    }

    /// Appends every batch of this turn with one flush, applies, and answers.
    fn append(&mut self, replies: &mut Vec<(T, Reply)>) {
        #[cfg(feature = "planted")]
        if planted!(AnswersFirst) {
            return self.answer_first(replies);
        }
        let slots = &self.sales.slots;
        let part = |&at: &usize| {
            let slot = &slots[at];
            let last = slot.sale.last().sequence;
            Append {
                log: slot.log,
                epoch: slot.epoch,
                seen: last,
                cursor: last,
                batch: &slot.batch,
            }
        };
        let parts: Vec<Append<'_>> = self.touched.iter().map(part).collect();
        self.results.clear();
        self.store.append(&parts, &mut self.results);
        let touched = std::mem::take(&mut self.touched);
        let results = std::mem::take(&mut self.results);
        for (&at, result) in touched.iter().zip(&results) {
            match result {
                Ok(appended) => self.apply(at, appended, replies),
                Err(error) => self.fail(at, error, replies),
            }
        }
        (self.touched, self.results) = (touched, results);
        self.touched.clear();
    }

    pub(crate) fn apply(&mut self, at: usize, appended: &Appended, replies: &mut Vec<(T, Reply)>) {
        let slot = &mut self.sales.slots[at];
        let mut waiting = self.waiting[at].drain(..);
        let applied = slot.apply(appended, |answer| {
            if let Some(Some(reply)) = waiting.next() {
                replies.push((reply, Ok(answer)));
            }
        });
        let rest: Vec<T> = waiting.flatten().collect();
        if let Err(error) = applied {
            let error = EngineError::Unknown(format!("another node wrote {error}"));
            slot.drop_batch();
            slot.fenced = Some(error.clone());
            replies.extend(rest.into_iter().map(|reply| (reply, Err(error.clone()))));
        }
        if slot.has_more_to_do() && slot.fenced.is_none() {
            self.watched.insert(at);
        } else {
            self.watched.remove(&at);
        }
    }

    /// Nothing of a slot's batch was applied: says so to everyone who waits for it.
    fn fail(&mut self, at: usize, error: &StoreError, replies: &mut Vec<(T, Reply)>) {
        let reason = self.note(error);
        let slot = &mut self.sales.slots[at];
        slot.drop_batch();
        if matches!(error, StoreError::Fenced { .. } | StoreError::RolledBack { .. }) {
            slot.fenced = Some(reason.clone());
            self.watched.remove(&at);
        }
        let waiting = self.waiting[at].drain(..).flatten();
        replies.extend(waiting.map(|reply| (reply, Err(reason.clone()))));
    }

    /// Turns a store's failure into a reply. One that leaves the store in doubt ends all answers;
    /// one that may pass is given time to pass.
    fn note(&mut self, error: &StoreError) -> EngineError {
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

    fn show(&mut self) {
        for look in self.looks.drain(..) {
            match &self.doubt {
                Some(doubt) => look(Err(doubt.clone())),
                None => look(Ok(&self.sales)),
            }
        }
    }
}
