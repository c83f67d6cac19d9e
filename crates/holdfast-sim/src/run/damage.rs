//! Damage at rest: a process is started once more on a disk with one wrong bit.

use holdfast_engine::OpenError;
use holdfast_store::StoreError;

use super::process::Process;
use super::{Breach, Run};
use crate::world::{Damage, Image};

impl Run {
    /// Flips a bit on the disk and starts again. Nothing else goes wrong meanwhile, so what must
    /// come of it is known: what is needed is refused as damaged, and a refusal changes nothing.
    pub(super) fn damage(&mut self) -> Result<(), Breach> {
        if !self.rng.percent(self.plan.damage) {
            return Ok(());
        }
        let Some(damage) = self.disk.damage() else { return Ok(()) };
        self.trace.note(self.clock.now_us(), format_args!("a bit flips: {damage:?}"));
        self.process = None;
        let disk = self.disk.clone();
        let (before, started, after) = disk.calmly(|| (disk.image(), self.open(), disk.image()));
        self.disk.heal();
        let judged = judge(&damage, &started, &before, &after);
        self.auditor.checks_mut()[3] += 1;
        judged?;
        self.stats.recovery(damage.part.label(started.is_err()));
        if started.is_err() {
            self.enter_start();
        }
        self.process = started.ok();
        Ok(())
    }
}

/// Promises 3 and 4: what was promised is not forgotten for a wrong bit, and whoever cannot go on
/// says why and leaves everything as it is.
fn judge(
    damage: &Damage,
    started: &Result<Process, OpenError>,
    before: &Image,
    after: &Image,
) -> Result<(), Breach> {
    match started {
        Ok(_) if damage.part.is_needed() => {
            Err(Breach::new(3, format!("nobody notices that a bit has flipped: {damage:?}")))
        }
        Ok(_) => Ok(()),
        Err(OpenError::Store(StoreError::Damaged { .. } | StoreError::NewerFormat { .. })) => {
            if before == after {
                return Ok(());
            }
            let name = before.iter().find(|(name, bytes)| after.get(*name) != Some(bytes));
            let name = name.map_or("a new file", |(name, _)| name.as_str());
            Err(Breach::new(4, format!("{damage:?} is refused, and {name} is changed")))
        }
        Err(error) => Err(Breach::new(4, format!("{damage:?}, and it says: {error}"))),
    }
}
