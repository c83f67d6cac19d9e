//! One sale's place in the engine: its state, its log, and what is about to be appended.

use std::time::Duration;

use holdfast_core::{Command, Outcome, Sale, SaleId, Stamp};
use holdfast_store::{Appended, Epoch, LogId, STEP_MAX};

use crate::{Answer, EngineError};

/// While anyone holds a unit an entry is written at least this often, so that the sale clock,
/// which stops one step after the last entry, never has to stop.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// Ticks that one turn takes at most: tens of thousands of holds end with one flush, in a few
/// milliseconds.
const TICKS_MAX: usize = 32;

const _: () = assert!(HEARTBEAT.as_millis() * 2 <= STEP_MAX.as_millis());

pub(crate) struct Slot {
    pub(crate) id: SaleId,
    pub(crate) log: LogId,
    pub(crate) epoch: Epoch,
    pub(crate) sale: Sale,
    /// The sale clock and the wall as of this turn, in milliseconds.
    pub(crate) clock_ms: u64,
    pub(crate) wall_ms: u64,
    /// Whether something is due that may change what a refusal rests on.
    pub(crate) is_due: bool,
    /// The turn for which this slot has been prepared.
    pub(crate) prepared: u64,
    /// Where its part of the round that is being gathered is, if it has one.
    pub(crate) place: Option<usize>,
    /// The last entry that is durable; the sale may be a round behind.
    pub(crate) durable: u64,
    /// Another reign is in force: this node may not speak for the sale.
    pub(crate) fenced: Option<EngineError>,
    /// Why the sale could not be read to its end, where others write to it too: it may be old.
    pub(crate) failed: Option<EngineError>,
    /// The last entry that was durable when the sale was last shown in words.
    pub(crate) shown: u64,
}

impl Slot {
    pub(crate) fn new(id: SaleId, log: LogId, epoch: Epoch, sale: Sale) -> Self {
        Self {
            id,
            log,
            epoch,
            clock_ms: sale.last().clock_ms,
            wall_ms: 0,
            durable: sale.last().sequence,
            sale,
            is_due: false,
            prepared: 0,
            place: None,
            fenced: None,
            failed: None,
            shown: 0,
        }
    }

    /// Begins a turn: takes the time, and says how many ticks must be written.
    pub(crate) fn prepare(&mut self, turn: u64, clock_ms: u64, wall_ms: u64) -> usize {
        self.prepared = turn;
        (self.clock_ms, self.wall_ms) = (clock_ms, wall_ms);
        self.is_due = self.sale.is_due(clock_ms, wall_ms);
        if self.is_due {
            return self.sale.ticks_due(clock_ms).min(TICKS_MAX);
        }
        usize::from(self.heartbeat_in(clock_ms).is_some_and(|wait| wait.is_zero()))
    }

    /// The sale's units in words, for whoever looks into the store by hand.
    pub(crate) fn in_words(&self) -> Vec<(String, String)> {
        let Some(view) = self.sale.view(self.clock_ms) else { return Vec::new() };
        let mut words = vec![("sale".to_owned(), self.id.to_string())];
        for tier in &view.tiers {
            let units = [
                ("free", tier.free),
                ("held", tier.held),
                ("sold", tier.sold),
                ("withheld", tier.withheld),
            ];
            let name = |what| format!("{} {what}", tier.config.id);
            words.extend(units.map(|(what, count)| (name(what), count.to_string())));
        }
        words
    }

    /// Why nobody may be told how the sale stands, if that is so.
    pub(crate) fn trouble(&self) -> Option<&EngineError> {
        self.fenced.as_ref().or(self.failed.as_ref())
    }

    /// The sale with its id and its clock, once it is configured.
    pub(crate) fn shown_as(&self) -> Option<(SaleId, &Sale, u64)> {
        self.sale.is_configured().then_some((self.id, &self.sale, self.clock_ms))
    }

    /// The log, the reign over it, and the last durable entry.
    pub(crate) fn position(&self) -> (LogId, Epoch, u64) {
        (self.log, self.epoch, self.durable)
    }

    /// Whether a deadline would be told wrongly if it were made without a tick before it.
    pub(crate) fn is_anchor_off(&self) -> bool {
        self.sale.is_anchor_off(self.clock_ms, self.wall_ms)
    }

    /// How long the slot can be left alone: until a deadline, an opening or a heartbeat. `None`:
    /// for ever.
    pub(crate) fn wake_in(&self, clock_ms: u64, wall_ms: u64) -> Option<Duration> {
        let until = |at: u64, now: u64| Duration::from_millis(at.saturating_sub(now));
        let deadline = self.sale.next_deadline_ms().map(|deadline| until(deadline, clock_ms));
        // The wall clock may step: look again at least once a heartbeat.
        let opening = self.sale.opens_at_ms().map(|at| until(at, wall_ms).min(HEARTBEAT));
        [deadline, opening, self.heartbeat_in(clock_ms)].into_iter().flatten().min()
    }

    /// Whether something will be due without anybody asking.
    pub(crate) fn has_more_to_do(&self) -> bool {
        self.sale.next_deadline_ms().is_some() || self.sale.opens_at_ms().is_some()
    }

    fn heartbeat_in(&self, clock_ms: u64) -> Option<Duration> {
        self.sale.next_deadline_ms()?;
        let since = Duration::from_millis(clock_ms - self.sale.last().clock_ms.min(clock_ms));
        Some(HEARTBEAT.saturating_sub(since))
    }

    /// Applies what the store made of these commands; `answer` gets each one's answer in order.
    pub(crate) fn apply(
        &mut self,
        appended: &Appended,
        commands: &[Command],
        mut answer: impl FnMut(Answer),
    ) -> Result<(), EngineError> {
        for entry in &appended.others {
            let command = Command::decode(&entry.bytes)
                .map_err(|error| EngineError::Unknown(format!("another node wrote {error}")))?;
            self.sale.apply(core_stamp(entry.stamp), &command);
        }
        let mut stamp = core_stamp(appended.first);
        self.clock_ms = self.clock_ms.max(stamp.clock_ms);
        let commands = if appended.is_written { commands } else { &[] };
        for command in commands {
            let outcome: Outcome = self.sale.apply(stamp, command);
            answer(Answer::read(&self.sale, outcome, stamp.clock_ms));
            stamp.sequence += 1;
        }
        Ok(())
    }
}

/// The rules' own word for the store's stamp.
pub(crate) fn core_stamp(stamp: holdfast_store::Stamp) -> Stamp {
    Stamp { epoch: stamp.epoch.0, sequence: stamp.sequence, clock_ms: stamp.clock_ms }
}
