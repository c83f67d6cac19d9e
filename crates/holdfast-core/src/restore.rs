//! Restore: the ledger has an order whose sale was lost.

use crate::arena::Position;
use crate::holds::{HoldStatus, NONE};
use crate::outcome::Invalid;
use crate::payments::{Payment, PaymentStatus};
use crate::sale::{Change, Decision, Sale, wrong_state};
use crate::{CHECKOUTS_PER_HOLD_MAX, HoldIndex, Outcome, Refusal, Restore};

/// An order that may be restored.
pub(crate) struct NewRestore<'a> {
    order: &'a Restore,
    /// The order's hold, if the sale knows it.
    known: Option<u32>,
    /// The buyer's hold that had ended before that was made, though the sale does not know it.
    ended: Option<u32>,
}

impl Sale {
    /// The ledger is right: limits are not asked, and units come from wherever they are, also from
    /// those that it made the sale withhold. Only capacity binds.
    pub(crate) fn decide_restore<'a>(&self, clock_ms: u64, order: &'a Restore) -> Decision<'a> {
        check_attempt(order.attempt).map_err(Outcome::Refused)?;
        let known = self.holds.find(order.hold);
        let (tier, quantity, ended) = match known {
            Some(row) => {
                self.check_known_order(row, order.attempt)?;
                let hold = &self.holds[row];
                if hold.status.is_live() {
                    return Ok(Change::Restore(NewRestore { order, known, ended: None }));
                }
                (hold.tier, hold.quantity, None)
            }
            None => {
                self.check_lost_order(order).map_err(Outcome::Refused)?;
                let live = self.buyers.find(&order.buyer).and_then(|buyer| self.live_hold(buyer));
                let ended = live.filter(|&row| self.holds[row].key < order.hold);
                (order.source.tier, order.source.quantity, ended)
            }
        };
        let of = &self.tiers[usize::from(tier)];
        let left = of.left() + of.withheld + self.units_in(ended, tier);
        if u32::from(quantity) > left && !planted!(RestoreOversells) {
            let next_ms = of.next_deadline_ms(&self.holds);
            return Err(Outcome::Refused(self.too_few(of, next_ms, clock_ms)));
        }
        Ok(Change::Restore(NewRestore { order, known, ended }))
    }

    fn check_known_order(&self, row: u32, attempt: u8) -> Result<(), Outcome> {
        let hold = &self.holds[row];
        let payment = (hold.payment != NONE).then(|| &self.payments[hold.payment]);
        match (hold.status, payment.map(|payment| payment.status)) {
            (HoldStatus::Sold, Some(status)) if status.has_units() => {
                Err(Outcome::Confirmed(HoldIndex(row)))
            }
            (HoldStatus::Sold, _) => Err(wrong_state("the order has come to nothing")),
            (_, Some(PaymentStatus::Moved)) => {
                Err(wrong_state("the hold's money has paid for another"))
            }
            _ if payment.is_some_and(|payment| payment.attempt > attempt) => {
                Err(wrong_state("the payment has been followed by another"))
            }
            _ => Ok(()),
        }
    }

    fn check_lost_order(&self, order: &Restore) -> Result<(), Refusal> {
        let (source, hold) = (&order.source, order.hold);
        let is_known_or_lost = match self.holds.find(source.key) {
            Some(row) => self.can_be_source(row, order),
            None => self.doubt.may_have_lost_of(source.key, source.epoch),
        };
        let is_lost = self.doubt.may_have_lost(hold) && is_known_or_lost;
        if !is_lost || source.key > hold || !self.makes_sense(source) {
            return Err(Refusal::HoldNotFound);
        }
        if self.has_room() { Ok(()) } else { Err(Refusal::Full) }
    }

    /// Whether a hold's money may have come after its end, and paid for another.
    fn can_be_source(&self, row: u32, order: &Restore) -> bool {
        let hold = &self.holds[row];
        let has_moved =
            hold.payment != NONE && self.payments[hold.payment].status == PaymentStatus::Moved;
        let is_theirs = self.buyers.is_named(hold.buyer, &order.buyer);
        let is_followed =
            hold.payment != NONE && self.payments[hold.payment].attempt > order.attempt;
        is_theirs && hold.status != HoldStatus::Sold && !has_moved && !is_followed
    }

    pub(crate) fn commit_restore(&mut self, new: &NewRestore<'_>) -> Outcome {
        let order = new.order;
        let paid = if order.paid { PaymentStatus::Paid } else { PaymentStatus::Authorised };
        let Some(row) = new.known else {
            let row = self.bring_back_order(order, new.ended, paid);
            self.take_units(row);
            return Outcome::Restored(HoldIndex(row));
        };
        if self.holds[row].status.is_live() {
            self.forget_deadline(row);
            self.put_payment(row, order.attempt, paid, None);
            self.sell(row);
        } else {
            self.put_payment(row, order.attempt, paid, None);
            self.take_units(row);
        }
        Outcome::Restored(HoldIndex(row))
    }

    /// Makes the hold of an order again; and the one whose money it was, if that is another.
    fn bring_back_order(
        &mut self,
        order: &Restore,
        ended: Option<u32>,
        paid: PaymentStatus,
    ) -> u32 {
        let (source, attempt) = (&order.source, order.attempt);
        let is_own = source.key == order.hold;
        let found = self.holds.find(source.key);
        match found.filter(|&row| ended == Some(row)) {
            // Its time had run out before the money came.
            Some(row) => self.end_hold(row, HoldStatus::Expired),
            None => self.end_before(ended),
        }
        let buyer = self.buyer(&order.buyer);
        let from = (!is_own).then(|| {
            let ending = HoldStatus::Expired;
            found.unwrap_or_else(|| self.bring_back(source, source.key, buyer, ending, 0))
        });
        let row = self.bring_back(source, order.hold, buyer, HoldStatus::Sold, 1);
        match from {
            None => self.put_payment(row, attempt, paid, None),
            Some(from) => {
                self.put_payment(from, attempt, PaymentStatus::Moved, Some(row));
                self.put_payment(row, 1, paid, Some(from));
            }
        }
        self.set_latest(buyer, row);
        row
    }

    fn set_latest(&mut self, buyer: Position, row: u32) {
        self.buyers.change(buyer, |buyer| {
            if !buyer.is_live {
                buyer.latest = row;
            }
        });
    }

    /// Gives a hold the payment that its order was, or the end of the one that it has.
    fn put_payment(&mut self, row: u32, attempt: u8, status: PaymentStatus, linked: Option<u32>) {
        let (linked, is_restored) = (linked.unwrap_or(NONE), !self.holds[row].status.is_live());
        if self.holds[row].payment == NONE {
            let (queued_at_ms, queued_ms, note) = (0, 0, None);
            self.holds[row].payment = self.payments.push(Payment {
                hold: row,
                linked,
                queued_at_ms,
                queued_ms,
                attempt,
                status,
                note,
                is_restored,
            });
            return;
        }
        self.stop_queueing(row, status);
        self.payments.change(self.holds[row].payment, |payment| {
            if payment.attempt != attempt {
                // What was noted with the lost attempt the ledger has.
                payment.note = None;
            }
            (payment.attempt, payment.linked) = (attempt, linked);
            payment.is_restored = is_restored;
        });
    }

    /// Units for an order whose hold has none: those that are left, then what is withheld because the
    /// ledger counted this order before the sale did.
    fn take_units(&mut self, row: u32) {
        let hold = &mut self.holds[row];
        hold.status = HoldStatus::Sold;
        let (buyer, quantity) = (hold.buyer, hold.quantity);
        let tier = &mut self.tiers[usize::from(hold.tier)];
        let missing = u32::from(quantity).saturating_sub(tier.left());
        tier.withheld = tier.withheld.saturating_sub(missing);
        tier.sold += u32::from(quantity);
        self.buyers.change(buyer, |buyer| buyer.ordered = buyer.ordered.saturating_add(quantity));
    }
}

fn check_attempt(attempt: u8) -> Result<(), Refusal> {
    if (1..=CHECKOUTS_PER_HOLD_MAX).contains(&attempt) {
        return Ok(());
    }
    Err(Refusal::Invalid(Invalid::field("attempt", "must be 1 to 16")))
}
