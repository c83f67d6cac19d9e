//! The audit's witness: looks at a sale before and after each of its entries.

use std::fmt::Arguments;

use holdfast_core::{Command, Difference, HoldKey, Outcome, Sale};
use holdfast_store::{STEP_MAX, Stamp};

use crate::slot::core_stamp;

/// Differences of one kind that are told; more of the same say nothing new.
const TOLD_MAX: usize = 10;

/// What was seen of a sale while its entries were applied.
#[derive(Default)]
pub(crate) struct Witness {
    /// Holds that had ended before the first entry; `None` until it comes.
    ended_before: Option<u64>,
    /// Endings that the outcomes spoke of.
    endings: u64,
    differences: Vec<Difference>,
}

impl Witness {
    /// Applies an entry, and looks at what it did.
    pub(crate) fn see(&mut self, sale: &mut Sale, stamp: Stamp, command: &Command) {
        let before = sale.last();
        self.ended_before.get_or_insert_with(|| count_ended(sale));
        let was_live = command.hold().is_some_and(|hold| is_live(sale, hold));
        // What brings back one hold may end another. It is rare, and so they are simply counted.
        let brings_back = matches!(command, Command::Claim { .. } | Command::Restore(_));
        let ended = if brings_back { count_ended(sale) } else { 0 };
        let step_ms = stamp.clock_ms.wrapping_sub(before.clock_ms);
        if u128::from(step_ms) > STEP_MAX.as_millis() {
            let (from, to) = (before.clock_ms, stamp.clock_ms);
            self.tell(8, stamp, format_args!("the sale clock went from {from} to {to} ms"));
        }
        match sale.apply(core_stamp(stamp), command) {
            Outcome::Ticked(ticked) => self.endings += u64::from(ticked.expired),
            _ if brings_back => self.endings += count_ended(sale).saturating_sub(ended),
            // Money that came late: a hold was made, and sold at once.
            Outcome::Confirmed(hold) if is_made_by(sale.key(hold), stamp) => self.endings += 1,
            _ if was_live => {
                let lives = command.hold().is_some_and(|hold| is_live(sale, hold));
                self.endings += u64::from(!lives);
            }
            _ => {}
        }
        for (tier, taken, capacity) in sale.units_taken() {
            if taken > capacity {
                let what = format_args!("tier {tier}: {taken} units out of {capacity}");
                self.tell(1, stamp, what);
            }
        }
    }

    /// What was found, given how many holds have ended by now.
    pub(crate) fn conclude(mut self, ended: u64) -> Vec<Difference> {
        let told = self.ended_before.unwrap_or(ended) + self.endings;
        if told != ended {
            let what = format!("{ended} holds have ended, but {told} endings were seen");
            self.differences.push(Difference { promise: 2, what });
        }
        self.differences
    }

    fn tell(&mut self, promise: u8, stamp: Stamp, what: Arguments<'_>) {
        let same = self.differences.iter().filter(|told| told.promise == promise).count();
        if same < TOLD_MAX {
            let what = format!("entry {}: {what}", stamp.sequence);
            self.differences.push(Difference { promise, what });
        }
    }
}

fn is_live(sale: &Sale, hold: HoldKey) -> bool {
    let hold = sale.hold_by_key(hold, sale.last().clock_ms);
    hold.is_some_and(|hold| hold.status.is_live())
}

fn is_made_by(hold: HoldKey, stamp: Stamp) -> bool {
    hold.sequence() == stamp.sequence
}

fn count_ended(sale: &Sale) -> u64 {
    let holds = sale.holds_after(None, usize::MAX, sale.last().clock_ms);
    holds.filter(|hold| !hold.status.is_live()).count() as u64
}
