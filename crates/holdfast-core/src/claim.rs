//! Claim: a buyer shows the receipt of a hold that was lost.

use crate::arena::Position;
use crate::holds::{Hold, HoldKey, HoldStatus, NONE};
use crate::outcome::Limit;
use crate::sale::{Change, Decision, Sale};
use crate::{BuyerId, HOLDS_MAX, HoldIndex, Outcome, QUANTITY_MAX, Receipt, Refusal};

/// A lost hold that may be brought back.
pub(crate) struct NewClaim<'a> {
    receipt: &'a Receipt,
    buyer: &'a BuyerId,
    /// The buyer's hold that had ended before this one was made, though the sale does not know it.
    ended: Option<u32>,
}

impl Sale {
    /// Whoever has a genuine receipt was promised that hold. It may have ended since, which nobody
    /// knows but its buyer; its units may have gone to another, and whoever asks first has them.
    pub(crate) fn decide_claim<'a>(
        &self,
        clock_ms: u64,
        receipt: &'a Receipt,
        buyer: &'a BuyerId,
    ) -> Decision<'a> {
        if let Some(row) = self.holds.find(receipt.key).filter(|_| !planted!(ClaimsTwice)) {
            let is_theirs = self.buyers.is_named(self.holds[row].buyer, buyer);
            let not_found = Outcome::Refused(Refusal::HoldNotFound);
            return Err(if is_theirs { Outcome::Existing(HoldIndex(row)) } else { not_found });
        }
        let is_lost = self.doubt.may_have_lost_of(receipt.key, receipt.epoch);
        if !is_lost || !self.makes_sense(receipt) || receipt.deadline_ms <= clock_ms {
            return Err(Outcome::Refused(Refusal::HoldNotFound));
        }
        let known = self.buyers.find(buyer);
        let live = known.and_then(|buyer| self.live_hold(buyer));
        let ended = live.filter(|&row| self.holds[row].key < receipt.key);
        if let Some(row) = live.filter(|_| ended.is_none()) {
            return Err(Outcome::Refused(Refusal::HoldExists(HoldIndex(row))));
        }
        let ordered = known.map_or(0, |buyer| u32::from(self.buyers.get(buyer).ordered));
        let limit = self.terms.as_ref().map_or(0, |terms| terms.max_per_buyer);
        if ordered + u32::from(receipt.quantity) > limit {
            return Err(Outcome::Refused(Refusal::LimitReached(Limit::Units)));
        }
        if !self.has_room() {
            return Err(Outcome::Refused(Refusal::Full));
        }
        let tier = &self.tiers[usize::from(receipt.tier)];
        let left = tier.left() + self.units_in(ended, receipt.tier);
        if u32::from(receipt.quantity) > left && !planted!(ClaimsOversell) {
            let next_ms = tier.next_deadline_ms(&self.holds);
            return Err(Outcome::Refused(self.too_few(tier, next_ms, clock_ms)));
        }
        Ok(Change::Claim(NewClaim { receipt, buyer, ended }))
    }

    pub(crate) fn commit_claim(&mut self, claim: &NewClaim<'_>) -> Outcome {
        self.end_before(claim.ended);
        let buyer = self.buyer(claim.buyer);
        let row = self.bring_back(claim.receipt, claim.receipt.key, buyer, HoldStatus::Held, 0);
        let tier = &mut self.tiers[usize::from(claim.receipt.tier)];
        tier.held += u32::from(claim.receipt.quantity);
        self.buyers.change(buyer, |buyer| (buyer.latest, buyer.is_live) = (row, true));
        self.remember_deadline(row);
        Outcome::Claimed(HoldIndex(row))
    }

    /// Whether a hold can be as a receipt says.
    pub(crate) fn makes_sense(&self, receipt: &Receipt) -> bool {
        receipt.sale == self.number
            && usize::from(receipt.tier) < self.tiers.len()
            && (1..=QUANTITY_MAX).contains(&u32::from(receipt.quantity))
    }

    /// Whether the sale can remember one or two further holds, and another buyer.
    pub(crate) fn has_room(&self) -> bool {
        self.holds.len() < HOLDS_MAX - 1 && !self.buyers.is_full()
    }

    /// A buyer's live hold.
    pub(crate) fn live_hold(&self, buyer: Position) -> Option<u32> {
        let buyer = self.buyers.get(buyer);
        buyer.is_live.then_some(buyer.latest)
    }

    /// Units that a hold has, if it is of this tier.
    pub(crate) fn units_in(&self, hold: Option<u32>, tier: u8) -> u32 {
        let hold = hold.map(|row| &self.holds[row]).filter(|hold| hold.tier == tier);
        hold.map_or(0, |hold| u32::from(hold.quantity))
    }

    /// Ends a hold that had ended in what was lost: a buyer has one at a time, and has shown a later
    /// one. It was given back, or its payment came to nothing; should that bring money yet, it is late.
    pub(crate) fn end_before(&mut self, hold: Option<u32>) {
        let Some(row) = hold.filter(|_| !planted!(KeepsWhatEnded)) else { return };
        let is_held = self.holds[row].status == HoldStatus::Held;
        self.end_hold(row, if is_held { HoldStatus::Cancelled } else { HoldStatus::Expired });
    }

    /// The record of a buyer, who may be new.
    pub(crate) fn buyer(&mut self, name: &BuyerId) -> Position {
        self.buyers.find(name).unwrap_or_else(|| self.buyers.push(name))
    }

    /// Brings back a hold with what its receipt says, the `nth` of this entry. Neither its units are
    /// counted yet nor is it its buyer's latest.
    pub(crate) fn bring_back(
        &mut self,
        receipt: &Receipt,
        key: HoldKey,
        buyer: Position,
        status: HoldStatus,
        nth: u16,
    ) -> u32 {
        let &Receipt { tier, quantity, epoch, deadline_ms, .. } = receipt;
        self.buyers.change(buyer, |buyer| buyer.holds = buyer.holds.saturating_add(1));
        let hold = Hold { key, deadline_ms, epoch, buyer, payment: NONE, quantity, tier, status };
        self.holds.bring_back(hold, HoldKey::new(self.last.sequence, nth))
    }
}
