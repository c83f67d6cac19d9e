//! The end of the sale's log is lost, as with a node and the master of a shared store at once: the sale
//! is set back to what was known some time before, and says so. Ledger, bank and buyers forget nothing.

use holdfast_core::{Command, HoldStatus, Outcome, Status};
use holdfast_engine::{Answer, Request, SaleRef};
use holdfast_store::{Epoch, LogInfo, Stamp};
use tokio::sync::oneshot;

use super::Run;
use crate::auditor::Breach;
use crate::world::SimDisk;

/// What is kept of a sale, and what was lost of it.
#[derive(Default)]
pub(super) struct Loss {
    /// The disk as it was at some moment, and the last entry on it.
    kept: Option<(SimDisk, Stamp)>,
    /// What the next process does not know.
    lost: Option<Lost>,
}

struct Lost {
    /// The last entry that is known.
    known: Stamp,
    /// The last that was, and the last reign.
    last: Stamp,
    epoch: Epoch,
}

impl Run {
    /// Now and then what is known is kept for a loss to come, most often while somebody pays.
    pub(super) fn keep(&mut self) -> Result<(), Breach> {
        if !self.plan.loses || self.is_calm {
            return Ok(());
        }
        let pays = self.holds()?.iter().any(|hold| hold.status == HoldStatus::Paying);
        let is_time = self.rng.below(self.plan.steps / if pays { 20 } else { 4 }) == 0;
        let is_open = self.look(|sale, _| sale.status()) == Some(Status::Open);
        if let Some(log) = self.log().filter(|_| is_time && is_open) {
            self.note(format_args!("kept"));
            self.loss.kept = Some((self.disk.copy(self.rng.fork()), log.last));
        }
        Ok(())
    }

    /// The process dies, and perhaps the end of the log with it.
    pub(super) fn lose(&mut self) {
        if self.loss.kept.is_none() || self.rng.percent(50) {
            return;
        }
        let Some(log) = self.log() else { return };
        let Some((disk, known)) = self.loss.kept.take() else { return };
        self.note(format_args!("loses the end of its log"));
        self.stats.fault("log's end lost");
        self.disk = disk;
        self.loss.lost = Some(Lost { known, last: log.last, epoch: log.epoch });
    }

    /// The first process after a loss says what may be lost, as the shared store does it: in a later epoch,
    /// and behind every entry that may have been.
    pub(super) fn recover(&mut self) -> Result<(), Breach> {
        let Some(Lost { known, last, epoch }) = self.loss.lost.take() else { return Ok(()) };
        while self.log().is_some_and(|log| log.last.sequence <= last.sequence) {
            self.apply(Command::Pause)?;
            self.apply(Command::Resume)?;
        }
        while self.log().is_some_and(|log| log.epoch <= epoch) {
            self.open()?;
        }
        let lost_ms = last.clock_ms.saturating_sub(known.clock_ms);
        let first_lost = known.sequence + 1;
        self.apply(Command::Doubt { lost_ms, first_lost })?;
        self.note(format_args!("has lost {first_lost} to {}", last.sequence));
        Ok(())
    }

    /// Whether nothing is in doubt.
    pub(super) fn is_certain(&mut self) -> Result<bool, Breach> {
        Ok(self.look(|sale, _| sale.doubt_until_ms().is_none()).unwrap_or_default())
    }

    /// The sale's log, as the engine's store has it.
    fn log(&self) -> Option<LogInfo> {
        self.engine.as_ref()?.logs().pop()
    }

    fn apply(&mut self, command: Command) -> Result<Answer, Breach> {
        let (reply, _) = oneshot::channel();
        let said = format!("{command:?}");
        let request = Request::Do { sale: SaleRef::Id(self.plan.sale), command, reply };
        let mut replies = Vec::new();
        if let Some(engine) = &mut self.engine {
            engine.turn(&mut vec![request], &mut replies);
        }
        match replies.pop() {
            Some((_, Ok(answer))) if !matches!(answer.outcome, Outcome::Refused(_)) => Ok(answer),
            other => {
                let reply = other.map(|(_, reply)| reply);
                Err(Breach::new(3, format!("{said} after a loss: {reply:?}")))
            }
        }
    }
}
