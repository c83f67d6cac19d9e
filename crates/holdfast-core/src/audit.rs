//! The audit: a sale's promises counted afresh from its holds, not from its counters.

use std::collections::BTreeMap;
use std::fmt;

use crate::arena::Position;
use crate::holds::{Hold, NONE};
use crate::sale::Sale;
use crate::{HoldStatus, PaymentStatus};

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The promise it breaks, by its number in the design.
    pub promise: u8,
    /// What was counted and what was expected.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "promise {}: {}", self.promise, self.what)
    }
}

impl Sale {
    /// Counts every promise that one sale's state can break. Empty: all are kept.
    pub fn audit(&self) -> Vec<Difference> {
        let mut found = Vec::new();
        self.audit_units(&mut found);
        self.audit_buyers(&mut found);
        self.audit_deadlines(&mut found);
        self.audit_payments(&mut found);
        found
    }

    fn audit_units(&self, found: &mut Vec<Difference>) {
        let mut units = vec![(0_u64, 0_u64); self.tiers.len()];
        for hold in self.holds.iter() {
            let (live, sold) = &mut units[usize::from(hold.tier)];
            *live += self.live_units(hold);
            *sold += self.sold_units(hold);
        }
        for (tier, &(live, sold)) in self.tiers.iter().zip(&units) {
            let id = tier.config.id;
            let taken = live + sold + u64::from(tier.withheld);
            let capacity = u64::from(tier.config.capacity);
            if taken > capacity {
                let what = format!("tier {id}: {taken} units taken of {capacity}");
                found.push(Difference { promise: 1, what });
            }
            if live != u64::from(tier.held) {
                let what = format!("tier {id}: holds have {live} units, counted {}", tier.held);
                found.push(Difference { promise: 6, what });
            }
            if sold != u64::from(tier.sold) {
                let what = format!("tier {id}: orders have {sold} units, counted {}", tier.sold);
                found.push(Difference { promise: 6, what });
            }
        }
    }

    fn live_units(&self, hold: &Hold) -> u64 {
        if hold.status.is_live() { u64::from(hold.quantity) } else { 0 }
    }

    fn sold_units(&self, hold: &Hold) -> u64 {
        let is_sold = hold.status == HoldStatus::Sold
            && hold.payment != NONE
            && self.payments[hold.payment].status.has_units();
        if is_sold { u64::from(hold.quantity) } else { 0 }
    }

    fn restored_units(&self, hold: &Hold) -> u64 {
        let is_restored = hold.payment != NONE && self.payments[hold.payment].is_restored;
        if is_restored { self.sold_units(hold) } else { 0 }
    }

    fn audit_buyers(&self, found: &mut Vec<Difference>) {
        let limit = self.terms.as_ref().map_or(0, |terms| u64::from(terms.max_per_buyer));
        let mut has = BTreeMap::<Position, (u32, u64, u64, u64)>::new();
        let with_units = |hold: &&Hold| self.live_units(hold) + self.sold_units(hold) > 0;
        for hold in self.holds.iter().filter(with_units) {
            let (holds, live, sold, restored) = has.entry(hold.buyer).or_default();
            *holds += u32::from(hold.status.is_live());
            (*live, *sold) = (*live + self.live_units(hold), *sold + self.sold_units(hold));
            *restored += self.restored_units(hold);
        }
        for (buyer, (holds, live, sold, restored)) in has {
            let name = || self.name(buyer);
            if holds > 1 {
                let what = format!("buyer {} has {holds} live holds", name());
                found.push(Difference { promise: 7, what });
            }
            // Of an order that the ledger had first nobody could ask whether the limit allows it.
            if live + sold - restored > limit {
                let what = format!("buyer {} has {} units of {limit}", name(), live + sold);
                found.push(Difference { promise: 9, what });
            }
            let counted = self.buyers.get(buyer).ordered;
            if sold != u64::from(counted) {
                let what = format!("buyer {} ordered {sold} units, counted {counted}", name());
                found.push(Difference { promise: 9, what });
            }
        }
        for position in self.buyers.iter() {
            let buyer = self.buyers.get(position);
            let latest = (buyer.latest != NONE).then(|| self.holds[buyer.latest]);
            let is_right = latest.is_some_and(|hold| {
                hold.buyer == position && hold.status.is_live() == buyer.is_live
            });
            if !is_right {
                let what = format!("buyer {} is remembered wrongly", self.name(position));
                found.push(Difference { promise: 7, what });
            }
        }
    }

    /// Each payment is its hold's own, and goes with where its hold is.
    fn audit_payments(&self, found: &mut Vec<Difference>) {
        for (row, payment) in (0..).zip(self.payments.iter()) {
            let hold = &self.holds[payment.hold];
            let fits = match payment.status {
                PaymentStatus::Queued => hold.status == HoldStatus::Paying,
                PaymentStatus::Processing => {
                    matches!(hold.status, HoldStatus::Paying | HoldStatus::Expired)
                }
                PaymentStatus::Declined => {
                    !matches!(hold.status, HoldStatus::Paying | HoldStatus::Sold)
                }
                PaymentStatus::TooLate => hold.status == HoldStatus::Expired,
                // What had run out may have been given back once more, after the loss of its end.
                PaymentStatus::Moved => {
                    matches!(hold.status, HoldStatus::Expired | HoldStatus::Cancelled)
                }
                PaymentStatus::Authorised
                | PaymentStatus::Paid
                | PaymentStatus::Void
                | PaymentStatus::Refunded => hold.status == HoldStatus::Sold,
            };
            if !fits || hold.payment != row {
                let name = hold.key.number();
                let what = format!("hold {name}: its payment is not where the hold is");
                found.push(Difference { promise: 5, what });
            }
        }
    }

    fn name(&self, buyer: Position) -> String {
        self.buyers.name(buyer).map_or_else(|| "without a name".to_owned(), |name| name.to_string())
    }

    fn audit_deadlines(&self, found: &mut Vec<Difference>) {
        for tier in &self.tiers {
            let id = tier.config.id;
            let punctual = tier.due.iter().filter(|&&row| self.holds.is_punctual(row));
            let deadlines: Vec<u64> = punctual.map(|&row| self.holds[row].deadline_ms).collect();
            let is_late = |&&(deadline_ms, row): &&(u64, u32)| {
                self.holds[row].status.is_live() && self.deadline_ms(row) == deadline_ms
            };
            let late = tier.late.iter().filter(is_late).count();
            if !deadlines.is_sorted() || late != tier.late.len() {
                let what = format!("tier {id}: deadlines are out of order");
                found.push(Difference { promise: 6, what });
            }
            let position = |hold: &&Hold| {
                hold.status.is_live() && self.tiers[usize::from(hold.tier)].config.id == id
            };
            let live = self.holds.iter().filter(position).count();
            let deadlines = deadlines.len() + late;
            if live != deadlines {
                let what = format!("tier {id}: {live} live holds, {deadlines} deadlines");
                found.push(Difference { promise: 6, what });
            }
        }
    }
}
