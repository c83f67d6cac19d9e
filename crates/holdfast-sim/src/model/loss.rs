//! What may have been lost, and what brings it back, by the naive rules.

use holdfast_core::{
    BuyerId, CHECKOUTS_PER_HOLD_MAX, HoldKey, HoldStatus, Limit, PaymentStatus, QUANTITY_MAX,
    Receipt, Restore, Stamp, TierConfig,
};

use super::checkout::set_status;
use super::payment::Payment;
use super::reserve::KEYS_PER_ENTRY;
use super::{Hold, Model, Reason, Verdict};

/// Entries that may have been lost: those from the first to before the last sequence, of epochs before
/// this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    first: u64,
    last: u64,
    epoch: u32,
}

impl Loss {
    fn has(&self, key: HoldKey) -> bool {
        let sequence = key.number() / KEYS_PER_ENTRY;
        self.first <= sequence && sequence < self.last
    }
}

impl Model {
    pub(super) fn doubt(&mut self, stamp: Stamp, lost_ms: u64, first: u64) -> Verdict {
        if let Some(config) = &self.config {
            let hold_ms = u64::from(config.terms.hold_seconds) * 1_000;
            let until_ms = stamp.clock_ms + lost_ms + hold_ms;
            self.doubt_until_ms = Some(self.doubt_until_ms.unwrap_or(0).max(until_ms));
        }
        self.losses.push(Loss { first, last: stamp.sequence, epoch: stamp.epoch });
        Verdict::Doubted
    }

    /// Units of a tier that nobody has, as far as is known.
    pub(super) fn left(&self, tier: &TierConfig) -> u64 {
        let taken = self.held(tier.id) + self.sold(tier.id) + self.withheld(tier.id);
        u64::from(tier.capacity).saturating_sub(taken)
    }

    pub(super) fn claim(&mut self, stamp: Stamp, shown: &Receipt, buyer: BuyerId) -> Verdict {
        let refuse = Verdict::Refused;
        if let Some(hold) = self.holds.iter().find(|hold| hold.key == shown.key) {
            let is_theirs = hold.buyer == buyer;
            let existing = Verdict::Existing(hold.key);
            return if is_theirs { existing } else { refuse(Reason::HoldNotFound) };
        }
        let was_lost =
            self.losses.iter().any(|loss| loss.has(shown.key) && shown.epoch < loss.epoch);
        let tier = self.tier_of(shown).filter(|_| was_lost && shown.deadline_ms > stamp.clock_ms);
        let Some(tier) = tier else { return refuse(Reason::HoldNotFound) };
        let live = self.live_of(buyer);
        if let Some(later) = live.map(|at| &self.holds[at]).filter(|hold| hold.key > shown.key) {
            return refuse(Reason::HoldExists(later.key));
        }
        let limit = self.config.as_ref().map_or(0, |config| config.terms.max_per_buyer);
        if self.ordered(buyer) + u32::from(shown.quantity) > limit {
            return refuse(Reason::LimitReached(Limit::Units));
        }
        let has = self.left(&tier) + self.units_of(live, &tier);
        if u64::from(shown.quantity) > has {
            return refuse(self.too_few(&tier, stamp.clock_ms));
        }
        self.had_ended(live);
        let hold = self.lost_hold(shown, shown.key, buyer, HoldStatus::Held);
        self.holds.push(hold);
        Verdict::Claimed(shown.key)
    }

    pub(super) fn restore(&mut self, stamp: Stamp, order: &Restore) -> Verdict {
        let status = if order.paid { PaymentStatus::Paid } else { PaymentStatus::Authorised };
        if order.attempt == 0 || order.attempt > CHECKOUTS_PER_HOLD_MAX {
            return Verdict::Refused(Reason::Invalid("attempt".to_owned()));
        }
        let at = self.holds.iter().position(|hold| hold.key == order.hold);
        let Some(at) = at else { return self.restore_lost(stamp, order, status) };
        let hold = self.holds[at].clone();
        let is_live = hold.status.is_live();
        if hold.is_ordered() {
            return Verdict::Confirmed(hold.key);
        }
        let moved = hold.payment_status() == Some(PaymentStatus::Moved);
        if hold.status == HoldStatus::Sold || moved || hold.attempt() > order.attempt {
            return Verdict::Refused(Reason::WrongState);
        }
        let Some(tier) = self.tier(hold.tier).cloned() else {
            return Verdict::Refused(Reason::HoldNotFound);
        };
        if !is_live && !self.take_for_order(&tier, u64::from(hold.quantity)) {
            return Verdict::Refused(self.too_few(&tier, stamp.clock_ms));
        }
        self.holds[at].status = HoldStatus::Sold;
        self.give_payment(at, order.attempt, status, None, stamp.clock_ms);
        Verdict::Restored(hold.key)
    }

    fn restore_lost(&mut self, stamp: Stamp, order: &Restore, status: PaymentStatus) -> Verdict {
        let source = &order.source;
        let not_found = Verdict::Refused(Reason::HoldNotFound);
        let Some(tier) = self.tier_of(source) else { return not_found };
        let from = self.holds.iter().position(|hold| hold.key == source.key);
        let is_source = match from.map(|at| &self.holds[at]) {
            Some(from) => {
                let moved = from.payment_status() == Some(PaymentStatus::Moved);
                let may = from.status != HoldStatus::Sold && from.attempt() <= order.attempt;
                may && !moved && from.buyer == order.buyer
            }
            None => {
                let lost = |loss: &Loss| loss.has(source.key) && source.epoch < loss.epoch;
                self.losses.iter().any(lost)
            }
        };
        let was_lost = self.losses.iter().any(|loss| loss.has(order.hold));
        if !is_source || !was_lost || source.key > order.hold {
            return not_found;
        }
        let ended = self.live_of(order.buyer).filter(|&at| self.holds[at].key < order.hold);
        let before = self.clone();
        match ended {
            Some(at) if from == Some(at) => self.run_out(at),
            _ => self.had_ended(ended),
        }
        if !self.take_for_order(&tier, u64::from(source.quantity)) {
            *self = before;
            return Verdict::Refused(self.too_few(&tier, stamp.clock_ms));
        }
        let is_own = source.key == order.hold;
        if !is_own {
            let from = from.unwrap_or_else(|| {
                let lost = self.lost_hold(source, source.key, order.buyer, HoldStatus::Expired);
                self.holds.push(lost);
                self.holds.len() - 1
            });
            let (moved, to) = (PaymentStatus::Moved, Some(order.hold));
            self.give_payment(from, order.attempt, moved, to, stamp.clock_ms);
        }
        let hold = self.lost_hold(source, order.hold, order.buyer, HoldStatus::Sold);
        self.holds.push(hold);
        let (attempt, linked) = if is_own { (order.attempt, None) } else { (1, Some(source.key)) };
        self.give_payment(self.holds.len() - 1, attempt, status, linked, stamp.clock_ms);
        Verdict::Restored(order.hold)
    }

    /// Takes units for an order that the ledger has: first what is left, then what is withheld by its
    /// word. Whether there were enough.
    fn take_for_order(&mut self, tier: &TierConfig, units: u64) -> bool {
        let left = self.left(tier);
        if units > left + self.withheld(tier.id) {
            return false;
        }
        self.withheld_no_more.push((tier.id, units.saturating_sub(left)));
        true
    }

    fn give_payment(
        &mut self,
        at: usize,
        attempt: u8,
        status: PaymentStatus,
        linked: Option<HoldKey>,
        clock_ms: u64,
    ) {
        let nth = self.holds.iter().filter(|hold| hold.payment.is_some()).count();
        let new = Payment {
            nth,
            status,
            attempt,
            waits: Vec::new(),
            linked,
            note: None,
            withheld: false,
        };
        let hold = &mut self.holds[at];
        let payment = hold.payment.get_or_insert(new);
        payment.stop_waiting(clock_ms);
        payment.note = payment.note.take().filter(|_| payment.attempt == attempt);
        (payment.attempt, payment.linked) = (attempt, linked);
        set_status(hold, status);
    }

    /// A hold that had ended in what was lost, as a buyer has one at a time.
    fn had_ended(&mut self, at: Option<usize>) {
        match at {
            Some(at) if self.holds[at].status == HoldStatus::Held => {
                self.holds[at].status = HoldStatus::Cancelled;
            }
            Some(at) => self.run_out(at),
            None => {}
        }
    }

    /// The tier that a receipt names, if it makes sense.
    fn tier_of(&self, receipt: &Receipt) -> Option<TierConfig> {
        let in_range = receipt.sale == self.number
            && receipt.quantity > 0
            && u32::from(receipt.quantity) <= QUANTITY_MAX;
        let tiers = &self.config.as_ref()?.tiers;
        tiers.get(usize::from(receipt.tier)).filter(|_| in_range).cloned()
    }

    fn units_of(&self, hold: Option<usize>, tier: &TierConfig) -> u64 {
        let hold = hold.map(|at| &self.holds[at]).filter(|hold| hold.tier == tier.id);
        hold.map_or(0, |hold| u64::from(hold.quantity))
    }

    fn too_few(&self, tier: &TierConfig, clock_ms: u64) -> Reason {
        if self.sold(tier.id) >= u64::from(tier.capacity) {
            return Reason::SoldOut;
        }
        Reason::AllHeld(self.first_end_ms(tier.id).map(|ms| ms.max(clock_ms) + self.anchor_ms))
    }

    fn lost_hold(
        &self,
        receipt: &Receipt,
        key: HoldKey,
        buyer: BuyerId,
        status: HoldStatus,
    ) -> Hold {
        Hold {
            key,
            epoch: receipt.epoch,
            buyer,
            tier: self.tier_of(receipt).expect("its tier is there").id,
            quantity: receipt.quantity.into(),
            deadline_ms: receipt.deadline_ms,
            anchor_ms: self.anchor_ms,
            status,
            payment: None,
        }
    }
}
