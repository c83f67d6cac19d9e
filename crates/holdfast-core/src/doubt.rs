//! Doubt: the log's end may have been lost, and with it holds that were promised.

use serde::{Deserialize, Serialize};

use crate::holds::HoldKey;
use crate::sale::Sale;
use crate::tier::Tier;
use crate::{Outcome, Refusal};

/// What may have been lost of a sale's log, and until when that binds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Doubt {
    /// Until when a hold may live that nobody knows of, on the sale clock; `None`: none can.
    until_ms: Option<u64>,
    lost: Vec<Lost>,
}

/// Entries that may have been lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lost {
    /// The first sequence.
    first: u64,
    /// The sequence of the entry that says so, which was not lost.
    end: u64,
    /// That entry's epoch: what was lost is of an earlier one.
    epoch: u32,
}

impl Doubt {
    /// Until when the sale is in doubt, on the sale clock; `None`: it is not.
    pub(crate) fn until_ms(&self) -> Option<u64> {
        self.until_ms
    }

    /// Whether a hold with this key may have been lost.
    pub(crate) fn may_have_lost(&self, key: HoldKey) -> bool {
        self.lost.iter().any(|lost| lost.has(key))
    }

    /// Whether a hold with this key, of this epoch, may have been lost.
    pub(crate) fn may_have_lost_of(&self, key: HoldKey, epoch: u32) -> bool {
        let is_lost = |lost: &Lost| lost.has(key) && epoch < lost.epoch;
        self.lost.iter().any(is_lost) || planted!(ClaimsUnlost)
    }
}

impl Lost {
    fn has(&self, key: HoldKey) -> bool {
        (self.first..self.end).contains(&key.sequence())
    }
}

impl Sale {
    /// Until when the sale is in doubt, on the sale clock; `None`: it is not.
    pub fn doubt_until_ms(&self) -> Option<u64> {
        self.doubt.until_ms
    }

    /// The sequence of the last entry that says that something may have been lost; `None`: there is none.
    pub fn last_doubt(&self) -> Option<u64> {
        self.doubt.lost.last().map(|lost| lost.end)
    }

    /// Whether a hold with this key may have been lost.
    pub fn may_have_lost(&self, key: HoldKey) -> bool {
        self.doubt.may_have_lost(key)
    }

    /// Units of a tier that anyone may have: in doubt none, as each may be somebody's.
    pub(crate) fn free(&self, tier: &Tier) -> u32 {
        let is_in_doubt = self.doubt.until_ms.is_some() && !planted!(SellsInDoubt);
        if is_in_doubt { 0 } else { tier.left() }
    }

    /// Units of a tier that nobody can prove free: some by the ledger's word, in doubt all that are left.
    pub(crate) fn withheld(&self, tier: &Tier) -> u32 {
        tier.withheld + tier.left() - self.free(tier)
    }

    /// When a unit of a tier can next come back to whoever asks, on the sale clock.
    pub(crate) fn next_return_ms(&self, tier: &Tier) -> Option<u64> {
        let deadline_ms = tier.next_deadline_ms(&self.holds);
        match self.doubt.until_ms {
            Some(until_ms) if tier.left() > 0 => Some(until_ms),
            Some(until_ms) => deadline_ms.map(|deadline_ms| deadline_ms.max(until_ms)),
            None => deadline_ms,
        }
    }

    /// Why nobody gets units of a tier that has too few, if one comes back at `next_ms`.
    pub(crate) fn too_few(&self, tier: &Tier, next_ms: Option<u64>, clock_ms: u64) -> Refusal {
        if tier.sold >= tier.config.capacity || planted!(SoldOutTooSoon) {
            return Refusal::SoldOut;
        }
        Refusal::AllHeld { next_return_at_ms: next_ms.map(|ms| self.wall_ms(ms.max(clock_ms))) }
    }

    /// Whatever was lost ends within the time of a hold, counted from the last moment at which it can
    /// have been made. Of a sale that is not configured nothing can be withheld.
    pub(crate) fn commit_doubt(&mut self, lost_ms: u64, first_lost: u64) -> Outcome {
        let (end, epoch, clock_ms) = (self.last.sequence, self.last.epoch, self.last.clock_ms);
        let until_ms = self.terms.as_ref().map(|terms| {
            let hold_ms = u64::from(terms.hold_seconds) * 1_000;
            let lost_ms = if planted!(DoubtEndsEarly) { 0 } else { lost_ms };
            clock_ms.saturating_add(lost_ms).saturating_add(hold_ms)
        });
        self.doubt.until_ms = self.doubt.until_ms.max(until_ms);
        self.doubt.lost.push(Lost { first: first_lost, end, epoch });
        Outcome::Doubted
    }

    /// Ends the doubt once its time has come.
    pub(crate) fn end_doubt(&mut self) {
        let clock_ms = self.last.clock_ms;
        self.doubt.until_ms = self.doubt.until_ms.filter(|&until_ms| until_ms > clock_ms);
    }
}
