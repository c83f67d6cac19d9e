//! What is done in the background: snapshots, trimming, the next segment made ahead. Between two
//! turns, or while the writer is within an append.

use std::sync::{Arc, Mutex, PoisonError};

use holdfast_core::Sale;
use holdfast_engine::{Kept, OpenError, keep};

use super::{Breach, Run};
use crate::world::Op;

/// Some work in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// The keeper makes snapshots and trims.
    Keep,
    /// The next segment is made ahead.
    Prepare,
}

/// Where work that is done within an append leaves what came of it.
pub(super) type Place = Arc<Mutex<Option<Result<Kept, OpenError>>>>;

impl Run {
    /// Does some work now, or lets it fall into the next append.
    pub(super) fn work(&mut self, work: Work) -> Result<(), Breach> {
        if self.rng.percent(50) {
            self.within = Some(work);
            return Ok(());
        }
        let (fired, seed) = (self.disk.fired_count(), self.rng.draw());
        let Some(process) = &self.process else { return Ok(()) };
        match work {
            Work::Keep => {
                let kept = keep(process.records.as_ref(), &process.engine.logs(), seed);
                self.judge(kept, fired)?;
                self.compare_snapshots()
            }
            Work::Prepare => {
                // It may fail: nothing rests on it.
                let _ = process.upkeep.prepare_segment();
                Ok(())
            }
        }
    }

    /// Gets the work ready that is to fall into the append of the turn that begins now.
    pub(super) fn interject(&mut self) -> Place {
        let place = Place::default();
        let (Some(work), Some(process)) = (self.within, &self.process) else { return place };
        let op = [Op::Write, Op::Sync][self.rng.index(2)];
        let seed = self.rng.draw();
        let into = Arc::clone(&place);
        let (records, logs) = (process.engine.records(), process.engine.logs());
        let upkeep = process.upkeep.clone();
        self.disk.meanwhile(
            op,
            Box::new(move || match work {
                Work::Keep => {
                    let kept = keep(records.as_ref(), &logs, seed);
                    *into.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
                }
                Work::Prepare => {
                    let _ = upkeep.prepare_segment();
                }
            }),
        );
        place
    }

    /// After that turn: what came of it. `fired`: faults before it.
    pub(super) fn interjected(&mut self, place: &Place, fired: u64) -> Result<(), Breach> {
        if !self.disk.has_happened() || self.within.take().is_none() {
            return Ok(());
        }
        self.stats.within += 1;
        let kept = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.map_or(Ok(()), |kept| self.judge(kept, fired))
    }

    /// Where nothing is wrong, the keeper does its work.
    fn judge(&mut self, kept: Result<Kept, OpenError>, fired: u64) -> Result<(), Breach> {
        let struck = self.disk.fired_count() != fired || self.disk.is_dead();
        let healthy = !self.disk.is_filled_up() && !struck;
        self.trace.note(self.clock.now_us(), format_args!("kept: {kept:?}"));
        match kept {
            Ok(kept) => {
                self.stats.snapshots += kept.snapshots as u64;
                self.stats.freed += kept.freed;
                self.compare = true;
                Ok(())
            }
            Err(error) if healthy => Err(Breach::new(4, format!("the keeper fails: {error}"))),
            Err(_) => Ok(()),
        }
    }

    /// What a snapshot makes is what the naive model has after the same entries.
    fn compare_snapshots(&mut self) -> Result<(), Breach> {
        let Some(process) = &self.process else { return Ok(()) };
        for log in process.engine.logs() {
            let crowd = self.crowds.iter().find(|crowd| crowd.id.as_str() == log.name);
            let kept = self.disk.calmly(|| process.records.snapshot(log.id));
            let (Some(crowd), Ok(Some((at, bytes)))) = (crowd, kept) else { continue };
            if at.sequence == log.last.sequence {
                let sale = Sale::from_snapshot(&bytes, at.sequence);
                let sale = sale.map_err(|error| Breach::new(3, error.to_string()))?;
                crowd.follower.compare(&sale, self.auditor.checks_mut())?;
            }
        }
        Ok(())
    }
}
