//! The planted bug [`crate::planted::Bug::AnswersFirst`]: answers, and writes in the next turn.

use holdfast_store::{Append, Appended, Stamp, Store};

use crate::{Engine, Reply};

impl<S: Store, T> Engine<S, T> {
    pub(crate) fn answer_first(&mut self, replies: &mut Vec<(T, Reply)>) {
        for at in std::mem::take(&mut self.touched) {
            let slot = &mut self.sales.slots[at];
            let first = Stamp {
                epoch: slot.epoch,
                sequence: slot.sale.last().sequence + 1,
                clock_ms: slot.clock_ms,
            };
            self.late.push((at, slot.batch.clone()));
            self.apply(at, &Appended { others: Vec::new(), first }, replies);
        }
    }

    pub(crate) fn write_late(&mut self) {
        for (at, batch) in std::mem::take(&mut self.late) {
            let slot = &self.sales.slots[at];
            let cursor = slot.sale.last().sequence - batch.len() as u64;
            let part = Append { log: slot.log, epoch: slot.epoch, seen: 0, cursor, batch: &batch };
            self.results.clear();
            self.store.append(&[part], &mut self.results);
        }
    }
}
