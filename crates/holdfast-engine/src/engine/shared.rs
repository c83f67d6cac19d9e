//! Where other nodes write to the same logs: what they have written is heard, and a reign that others
//! have begun is taken up.

use std::time::Duration;

use holdfast_core::{Sale, SaleId};
use holdfast_store::{LogId, LogInfo, News, Resumed, Stamp, Store, StoreError};

use super::Engine;
use crate::recovery::recover;
use crate::slot::Slot;
use crate::{EngineError, OpenError};

/// How often the others are listened to: views may be so old, and they hear by it that this node lives.
const HEAR_EVERY: Duration = Duration::from_millis(200);

/// How often a store that is away is tried.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// What a node knows of the others.
pub(super) struct Others {
    /// When they were last listened to.
    heard_at: Option<Duration>,
    /// The turn in which that was.
    turn: u64,
    /// The reign under which all slots are.
    reign: u32,
    /// Why nothing can be asked of the store, if that is so.
    pub(super) away: Option<EngineError>,
}

impl Others {
    pub(super) fn new(reign: u32) -> Self {
        Self { heard_at: None, turn: 0, reign, away: None }
    }
}

impl<S: Store, T> Engine<S, T> {
    /// Whether other nodes write to the same logs.
    pub fn is_shared(&self) -> bool {
        self.others.is_some()
    }

    /// Why nothing can be asked of the store now.
    pub(super) fn away(&self) -> Option<&EngineError> {
        self.others.as_ref()?.away.as_ref()
    }

    /// How long nobody has to be listened to.
    pub(super) fn hear_in(&self) -> Option<Duration> {
        let others = self.others.as_ref()?;
        let every = if others.away.is_some() { TRY_EVERY } else { HEAR_EVERY };
        let due = others.heard_at.map_or(Duration::ZERO, |at| at + every);
        Some(due.saturating_sub(self.clock.monotonic()))
    }

    /// Listens to the others, if it is time.
    pub(super) fn hear_if_due(&mut self) {
        if self.hear_in().is_some_and(|wait| wait.is_zero()) {
            self.hear();
        }
    }

    /// Listens to the others, once a turn: what they have written will be read with this round.
    pub(super) fn hear(&mut self) {
        let now = self.clock.monotonic();
        let turn = self.turn;
        let Some(others) = &mut self.others else { return };
        if others.turn == turn {
            return;
        }
        (others.heard_at, others.turn) = (Some(now), turn);
        let heard: Result<(), _> = self.store.news().and_then(|news| {
            self.renew(&news)?;
            // What cannot be followed keeps nobody from the rest.
            let mut followed = Ok(());
            for &log in &news.logs {
                followed = followed.and(self.follow(log));
            }
            followed
        });
        self.try_again();
        self.sales.nodes = self.store.nodes();
        self.show();
        self.set_away(heard.err().as_ref());
    }

    /// Has those sales read with this round that could not be read before: nobody says again that there
    /// is something new.
    fn try_again(&mut self) {
        for at in 0..self.sales.slots.len() {
            if self.sales.slots[at].failed.is_some() {
                self.touch(at);
            }
        }
    }

    /// Shows what has changed to whoever looks into the store by hand.
    fn show(&mut self) {
        for slot in &mut self.sales.slots {
            if slot.shown != slot.durable && slot.place.is_some() {
                slot.shown = slot.durable;
                self.store.show(slot.log, slot.in_words());
            }
        }
    }

    /// The store's failure is everybody's until it is heard again.
    pub(super) fn set_away(&mut self, error: Option<&StoreError>) {
        let away = error.map(|error| EngineError::Unavailable(error.to_string()));
        let Some(others) = &mut self.others else { return };
        others.away = away;
    }

    /// Has everything taken up again before the next request.
    pub(super) fn take_up_again(&mut self) {
        if let Some(others) = &mut self.others {
            (others.reign, others.heard_at) = (0, None);
        }
    }

    /// Takes all sales under the reign in force, if another has begun.
    fn renew(&mut self, news: &News) -> Result<(), StoreError> {
        let Some(others) = &self.others else { return Ok(()) };
        if others.reign == news.epoch.0 {
            return Ok(());
        }
        for at in 0..self.sales.slots.len() {
            self.take_up(at)?;
        }
        if let Some(others) = &mut self.others {
            others.reign = news.epoch.0;
        }
        Ok(())
    }

    /// Takes one sale up again. Where its log is not what it was, it is read again.
    fn take_up(&mut self, at: usize) -> Result<(), StoreError> {
        let slot = &self.sales.slots[at];
        let (log, last) = (slot.log, slot.sale.last());
        let known = Stamp {
            epoch: holdfast_store::Epoch(last.epoch),
            sequence: last.sequence,
            clock_ms: last.clock_ms,
        };
        let resumed = match self.store.resume(log, known) {
            Err(StoreError::NoSuchLog(_)) => {
                let lost = "the sale was lost with the nodes and the data that knew it";
                self.sales.slots[at].fenced = Some(EngineError::Unavailable(lost.to_owned()));
                self.watched.remove(&at);
                return Ok(());
            }
            resumed => resumed?,
        };
        let Resumed { epoch, is_same } = resumed;
        let slot = &mut self.sales.slots[at];
        slot.epoch = epoch;
        // What made no sense has not been applied: it is not as far as its log was read.
        let is_same = is_same && slot.fenced.take().is_none();
        if !is_same && !planted!(KeepsOldState) {
            tracing::warn!(sale = %slot.id, "the sale is read again: its log is another");
            let place = slot.place;
            self.sales.slots[at] = Slot { place, ..self.read(log)? };
        }
        self.watch(at);
        self.touch(at);
        Ok(())
    }

    /// What others have written to a log is read with this round; a log that is new becomes a sale.
    fn follow(&mut self, log: LogId) -> Result<(), StoreError> {
        let at = match self.sales.find(crate::SaleRef::Number(log.0)) {
            Some(at) => at,
            None => self.adopt(log)?,
        };
        self.touch(at);
        Ok(())
    }

    /// Makes a sale of a log that others have made.
    pub(super) fn adopt(&mut self, log: LogId) -> Result<usize, StoreError> {
        let slot = self.read(log)?;
        let at = self.sales.push(slot);
        self.watch(at);
        Ok(at)
    }

    /// A sale as its records have it. One whose records make no sense is nobody's to sell; the others
    /// go on.
    fn read(&self, log: LogId) -> Result<Slot, StoreError> {
        let info = self.store.logs().into_iter().find(|info| info.id == log);
        let info = info.ok_or(StoreError::NoSuchLog(log))?;
        match recover(self.store.records().as_ref(), &info, self.seed) {
            Ok((id, sale)) => Ok(Slot::new(id, log, info.epoch, sale)),
            Err(error) => set_aside(&info, self.seed, error).map_err(|error| match error {
                OpenError::Store(error) => error,
                error => StoreError::Away(error.to_string()),
            }),
        }
    }

    /// Has a sale read with this round.
    pub(super) fn touch(&mut self, at: usize) {
        if self.is_shared() && self.sales.slots[at].place.is_none() {
            let place = self.gathering.open(at);
            self.sales.slots[at].place = Some(place);
        }
    }

    /// Looks after a sale by itself for as long as something will be due in it.
    pub(super) fn watch(&mut self, at: usize) {
        let slot = &self.sales.slots[at];
        if slot.has_more_to_do() && slot.fenced.is_none() {
            self.watched.insert(at);
        } else {
            self.watched.remove(&at);
        }
    }
}

/// A sale whose records make no sense: nobody can sell it, and the others go on.
pub(super) fn set_aside(log: &LogInfo, seed: u64, error: OpenError) -> Result<Slot, OpenError> {
    if matches!(error, OpenError::Store(_)) {
        return Err(error);
    }
    let Ok(id) = SaleId::new(&log.name) else { return Err(error) };
    tracing::error!(sale = log.name, %error, "the sale cannot be read: nobody can sell it");
    let mut slot = Slot::new(id, log.id, log.epoch, Sale::new(log.id.0, seed));
    slot.fenced = Some(EngineError::Unavailable(error.to_string()));
    Ok(slot)
}
