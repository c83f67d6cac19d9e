//! The audit: a sale's promises counted afresh from its holds, not from its counters.

use std::collections::BTreeMap;
use std::fmt;

use crate::arena::Position;
use crate::holds::NONE;
use crate::sale::Sale;

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
        found
    }

    fn audit_units(&self, found: &mut Vec<Difference>) {
        let mut live = vec![0_u64; self.tiers.len()];
        for hold in self.holds.iter().filter(|hold| hold.status.is_live()) {
            live[usize::from(hold.tier)] += u64::from(hold.quantity);
        }
        for (tier, &live) in self.tiers.iter().zip(&live) {
            let id = tier.config.id;
            let taken = live + u64::from(tier.sold) + u64::from(tier.withheld);
            let capacity = u64::from(tier.config.capacity);
            if taken > capacity {
                let what = format!("tier {id}: {taken} units taken of {capacity}");
                found.push(Difference { promise: 1, what });
            }
            if live != u64::from(tier.held) {
                let what = format!("tier {id}: holds have {live} units, counted {}", tier.held);
                found.push(Difference { promise: 6, what });
            }
        }
    }

    fn audit_buyers(&self, found: &mut Vec<Difference>) {
        let limit = self.terms.as_ref().map_or(0, |terms| u64::from(terms.max_per_buyer));
        let mut live = BTreeMap::<Position, (u32, u64)>::new();
        for hold in self.holds.iter().filter(|hold| hold.status.is_live()) {
            let (holds, units) = live.entry(hold.buyer).or_default();
            (*holds, *units) = (*holds + 1, *units + u64::from(hold.quantity));
        }
        for (buyer, (holds, units)) in live {
            if holds > 1 {
                let what = format!("buyer {} has {holds} live holds", self.name(buyer));
                found.push(Difference { promise: 7, what });
            }
            if units > limit {
                let what = format!("buyer {} has {units} units of {limit}", self.name(buyer));
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

    fn name(&self, buyer: Position) -> String {
        self.buyers.name(buyer).map_or_else(|| "without a name".to_owned(), |name| name.to_string())
    }

    fn audit_deadlines(&self, found: &mut Vec<Difference>) {
        for tier in &self.tiers {
            let id = tier.config.id;
            let mut waiting = tier.due.iter().filter(|&&row| self.holds[row].status.is_live());
            let deadlines: Vec<u64> =
                waiting.by_ref().map(|&row| self.holds[row].deadline_ms).collect();
            if !deadlines.is_sorted() {
                let what = format!("tier {id}: deadlines are out of order");
                found.push(Difference { promise: 6, what });
            }
            let position = |hold: &&crate::holds::Hold| {
                hold.status.is_live() && self.tiers[usize::from(hold.tier)].config.id == id
            };
            let live = self.holds.iter().filter(position).count();
            if live != deadlines.len() {
                let what = format!("tier {id}: {live} live holds, {} deadlines", deadlines.len());
                found.push(Difference { promise: 6, what });
            }
        }
    }
}
