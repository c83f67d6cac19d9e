//! Checkout: from a hold to a sold one, and what can become of that.

use crate::holds::{Hold, HoldKey, HoldStatus, NONE};
use crate::outcome::{Invalid, Limit};
use crate::payments::{Payment, PaymentStatus, grace_ms};
use crate::sale::{Change, Decision, Sale, Status, wrong_state};
use crate::{
    CHECKOUTS_PER_HOLD_MAX, Checkout, HOLDS_MAX, HOLDS_PER_BUYER_MAX, HoldIndex,
    KEYS_PER_BUYER_MAX, KeyDigest, NOTE_BYTES_MAX, Outcome, Refusal,
};

/// Stands for the attempt with a key whose checkout found another's under way, with another note:
/// it got that one's answer, and gets it again whatever its note.
const JOINED: u8 = u8::MAX;

const _: () = assert!(JOINED > CHECKOUTS_PER_HOLD_MAX, "no attempt has that number");

/// A checkout that the rules allow and that has not begun yet.
pub(crate) struct NewCheckout<'a> {
    hold: u32,
    key: Option<KeyDigest>,
    note: Option<&'a str>,
}

/// What becomes of a payment, by its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PaymentStep {
    Call,
    Decline,
    Confirm,
    /// The money came after the hold's end: a new one is made for it.
    Move,
    /// The money came after the hold's end, and no unit is left for it.
    Refuse,
    Pay,
    Void {
        withheld: bool,
    },
    Refund,
}

impl Sale {
    /// Answers in the contract's order: replay of a key, the same checkout again, the hold's state,
    /// limits.
    pub(crate) fn decide_checkout<'a>(&self, clock_ms: u64, asked: &'a Checkout) -> Decision<'a> {
        let row = self.find_hold(asked.hold, asked.buyer.as_ref());
        let row = row.ok_or(Outcome::Refused(Refusal::HoldNotFound))?;
        let hold = &self.holds[row];
        if let Some(key) = asked.key {
            self.replay_checkout(row, key, asked)?;
        }
        let remembers = self.status != Status::Closed;
        let is_full = self.buyers.get(hold.buyer).keys >= KEYS_PER_BUYER_MAX;
        let key = asked.key.filter(|_| remembers);
        let limit = |limit| Err(Outcome::Refused(Refusal::LimitReached(limit)));
        match (hold.status, key) {
            (HoldStatus::Paying, Some(_)) if is_full => return limit(Limit::Keys),
            (HoldStatus::Paying, Some(key)) => {
                let payment = &self.payments[hold.payment];
                let is_same_note = payment.note == asked.note;
                let attempt = if is_same_note { payment.attempt } else { JOINED };
                return Ok(Change::RememberKey { buyer: hold.buyer, key, hold: row, attempt });
            }
            (HoldStatus::Paying | HoldStatus::Sold, _) => {
                return Err(Outcome::CheckedOut(HoldIndex(row)));
            }
            (HoldStatus::Cancelled | HoldStatus::Expired, _) => {
                return Err(wrong_state("the hold has ended"));
            }
            (HoldStatus::Held, _) => {}
        }
        if self.deadline_ms(row) <= clock_ms {
            return Err(wrong_state("the hold's time is up"));
        }
        if asked.note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
            let invalid = Invalid::field("metadata", "must have at most 4096 bytes as JSON");
            return Err(Outcome::Refused(Refusal::Invalid(invalid)));
        }
        if key.is_some() && is_full {
            return limit(Limit::Keys);
        }
        let payment = (hold.payment != NONE).then(|| &self.payments[hold.payment]);
        if payment.is_some_and(|payment| payment.attempt >= CHECKOUTS_PER_HOLD_MAX) {
            return limit(Limit::Checkouts);
        }
        Ok(Change::Checkout(NewCheckout { hold: row, key, note: asked.note.as_deref() }))
    }

    /// A key that was used before answers as the checkout that it began stands; for anything else
    /// it is refused.
    fn replay_checkout(&self, row: u32, key: KeyDigest, asked: &Checkout) -> Result<(), Outcome> {
        let hold = &self.holds[row];
        let Some((of, attempt)) = self.buyers.find_key(hold.buyer, key) else { return Ok(()) };
        let is_same = of == row && attempt > 0;
        let is_same_note = || {
            let payment = &self.payments[hold.payment];
            // Once the note has been dropped there is nothing to compare.
            payment.attempt != attempt || !payment.status.is_open() || payment.note == asked.note
        };
        if is_same && is_same_note() {
            return Err(Outcome::CheckedOut(HoldIndex(row)));
        }
        Err(Outcome::Refused(Refusal::KeyReused))
    }

    pub(crate) fn commit_checkout(&mut self, new: &NewCheckout<'_>) -> Outcome {
        let row = new.hold;
        self.forget_deadline(row);
        let hold = self.holds[row];
        let (queued_at_ms, note) = (self.last.clock_ms, new.note.map(Box::from));
        let status = PaymentStatus::Queued;
        let payment = if hold.payment == NONE {
            let (linked, queued_ms, attempt) = (NONE, 0, 1);
            self.payments.push(Payment {
                hold: row,
                linked,
                queued_at_ms,
                queued_ms,
                attempt,
                status,
                note,
                is_restored: false,
            })
        } else {
            self.payments.change(hold.payment, |payment| {
                (payment.queued_at_ms, payment.status, payment.note) = (queued_at_ms, status, note);
                payment.attempt += 1;
            });
            hold.payment
        };
        let hold = &mut self.holds[row];
        (hold.payment, hold.status) = (payment, HoldStatus::Paying);
        let (tier, buyer) = (usize::from(hold.tier), hold.buyer);
        self.tiers[tier].settle_due(&self.holds);
        self.remember_deadline(row);
        if let Some(key) = new.key {
            self.buyers.push_key(buyer, key, row, self.payments[payment].attempt);
        }
        Outcome::CheckedOut(HoldIndex(row))
    }

    /// What is to be done about a hold's payment; `Err`: nothing, and why.
    pub(crate) fn decide_payment(
        &self,
        key: HoldKey,
        attempt: Option<u8>,
        step: PaymentStep,
    ) -> Decision<'static> {
        use HoldStatus::{Expired, Paying};
        use PaymentStatus as P;
        let row = self.find_hold(key, None).ok_or(Outcome::Refused(Refusal::HoldNotFound))?;
        let hold = self.holds[row];
        if hold.payment == NONE {
            return Err(wrong_state("the hold has not gone to the checkout"));
        }
        let payment = &self.payments[hold.payment];
        if attempt.is_some_and(|attempt| attempt != payment.attempt) {
            return Err(wrong_state("the payment has been followed by another"));
        }
        let at = HoldIndex(row);
        let step = match (step, payment.status, hold.status) {
            (PaymentStep::Call, P::Queued, Paying)
            | (PaymentStep::Decline, P::Queued | P::Processing | P::TooLate, _)
            | (PaymentStep::Confirm, P::Queued | P::Processing, Paying)
            | (PaymentStep::Pay, P::Authorised, _)
            | (PaymentStep::Void { .. }, P::Authorised, _)
            | (PaymentStep::Refund, P::Paid, _) => step,
            (PaymentStep::Confirm, P::Processing, Expired) if self.can_move(row) => {
                PaymentStep::Move
            }
            (PaymentStep::Confirm, P::Processing, Expired) => PaymentStep::Refuse,
            (PaymentStep::Call, P::Processing, _) => return Err(Outcome::CheckedOut(at)),
            (PaymentStep::Decline, P::Declined, _) => return Err(Outcome::Declined(at)),
            (PaymentStep::Confirm, P::TooLate, _) => return Err(Outcome::TooLate(at)),
            (PaymentStep::Confirm, P::Moved, _) => {
                return Err(Outcome::Confirmed(HoldIndex(payment.linked)));
            }
            (PaymentStep::Confirm, P::Authorised | P::Paid | P::Void | P::Refunded, _) => {
                return Err(Outcome::Confirmed(at));
            }
            (PaymentStep::Pay, P::Paid | P::Refunded, _)
            | (PaymentStep::Void { .. }, P::Void, _)
            | (PaymentStep::Refund, P::Refunded, _) => return Err(Outcome::Recorded(at)),
            _ => return Err(wrong_state("the payment's state does not allow it")),
        };
        Ok(Change::Payment { hold: row, step })
    }

    /// Whether money that came after a hold's end may have a new one.
    fn can_move(&self, row: u32) -> bool {
        if planted!(LateMoneyOversells) {
            return true;
        }
        let hold = &self.holds[row];
        let (buyer, quantity) = (self.buyers.get(hold.buyer), u32::from(hold.quantity));
        let limit = self.terms.as_ref().map_or(0, |terms| terms.max_per_buyer);
        self.status == Status::Open
            && quantity <= self.free(&self.tiers[usize::from(hold.tier)])
            && !buyer.is_live
            && quantity + u32::from(buyer.ordered) <= limit
            && buyer.holds < HOLDS_PER_BUYER_MAX
            && self.holds.len() < HOLDS_MAX
    }

    pub(crate) fn commit_payment(&mut self, row: u32, step: PaymentStep) -> Outcome {
        let at = HoldIndex(row);
        match step {
            PaymentStep::Call => {
                self.forget_deadline(row);
                self.stop_queueing(row, PaymentStatus::Processing);
                self.remember_deadline(row);
                Outcome::CheckedOut(at)
            }
            PaymentStep::Decline => self.decline(row),
            PaymentStep::Confirm => {
                self.forget_deadline(row);
                self.stop_queueing(row, PaymentStatus::Authorised);
                self.sell(row);
                Outcome::Confirmed(at)
            }
            PaymentStep::Move => self.move_money(row),
            PaymentStep::Refuse => {
                self.set_payment(row, PaymentStatus::TooLate);
                Outcome::TooLate(at)
            }
            PaymentStep::Pay => {
                self.set_payment(row, PaymentStatus::Paid);
                Outcome::Recorded(at)
            }
            PaymentStep::Void { withheld } => {
                self.set_payment(row, PaymentStatus::Void);
                self.give_back(row, withheld);
                Outcome::Recorded(at)
            }
            PaymentStep::Refund => {
                self.set_payment(row, PaymentStatus::Refunded);
                self.give_back(row, false);
                Outcome::Recorded(at)
            }
        }
    }

    fn set_payment(&mut self, row: u32, status: PaymentStatus) {
        self.payments.change(self.holds[row].payment, |payment| payment.status = status);
    }

    /// What was waited so far counts; from here on the buyer's time runs again.
    pub(crate) fn stop_queueing(&mut self, row: u32, status: PaymentStatus) {
        let clock_ms = self.last.clock_ms;
        self.payments.change(self.holds[row].payment, |payment| {
            payment.queued_ms = payment.queued_ms(clock_ms);
            payment.status = status;
        });
    }

    /// The hold is held again if its time is not up, else it has expired.
    fn decline(&mut self, row: u32) -> Outcome {
        let is_live = self.holds[row].status == HoldStatus::Paying;
        if is_live {
            self.forget_deadline(row);
        }
        self.stop_queueing(row, PaymentStatus::Declined);
        if is_live {
            self.holds[row].status = HoldStatus::Held;
            if self.deadline_ms(row) <= self.last.clock_ms {
                self.end_hold(row, HoldStatus::Expired);
            } else {
                self.remember_deadline(row);
            }
        }
        Outcome::Declined(HoldIndex(row))
    }

    /// A live hold whose deadline is forgotten becomes an order.
    pub(crate) fn sell(&mut self, row: u32) {
        self.end_hold(row, HoldStatus::Sold);
        let Hold { buyer, tier, quantity, .. } = self.holds[row];
        self.tiers[usize::from(tier)].sold += u32::from(quantity);
        self.buyers.change(buyer, |buyer| buyer.ordered = buyer.ordered.saturating_add(quantity));
    }

    /// Makes a hold for money that came too late for its own, and sells it.
    fn move_money(&mut self, from: u32) -> Outcome {
        let old = self.holds[from];
        let note = self.payments[old.payment].note.clone();
        let status = PaymentStatus::Authorised;
        let row = self.holds.len();
        let payment = Payment {
            hold: row,
            linked: from,
            queued_at_ms: 0,
            queued_ms: 0,
            attempt: 1,
            status,
            note,
            is_restored: false,
        };
        let payment = self.payments.push(payment);
        self.payments.change(old.payment, |payment| {
            (payment.status, payment.linked) = (PaymentStatus::Moved, row);
        });
        self.holds.push(Hold {
            key: HoldKey::new(self.last.sequence, 0),
            deadline_ms: self.last.clock_ms,
            epoch: self.last.epoch,
            payment,
            status: HoldStatus::Held,
            ..old
        });
        self.buyers.change(old.buyer, |buyer| {
            (buyer.latest, buyer.is_live) = (row, true);
            buyer.holds += 1;
        });
        self.tiers[usize::from(old.tier)].held += u32::from(old.quantity);
        self.sell(row);
        Outcome::Confirmed(HoldIndex(row))
    }

    /// The units of an order that came to nothing.
    fn give_back(&mut self, row: u32, withheld: bool) {
        let Hold { buyer, tier, quantity, .. } = self.holds[row];
        let tier = &mut self.tiers[usize::from(tier)];
        if !planted!(VoidLosesUnits) {
            tier.sold = tier.sold.saturating_sub(u32::from(quantity));
        }
        if withheld {
            tier.withheld += u32::from(quantity);
        }
        self.buyers.change(buyer, |buyer| buyer.ordered = buyer.ordered.saturating_sub(quantity));
    }

    /// When a live hold ends if nothing happens, on the sale clock.
    pub(crate) fn deadline_ms(&self, row: u32) -> u64 {
        let hold = &self.holds[row];
        if hold.payment == NONE {
            return hold.deadline_ms;
        }
        self.payments[hold.payment].deadline_ms(hold, grace_ms(self.terms.as_ref()))
    }

    /// Takes a hold out of its tier's late deadlines, if it is there.
    pub(crate) fn forget_deadline(&mut self, row: u32) {
        if self.holds.is_late(row) {
            let deadline_ms = self.deadline_ms(row);
            self.tiers[usize::from(self.holds[row].tier)].late.remove(&(deadline_ms, row));
        }
    }

    /// Puts it there.
    pub(crate) fn remember_deadline(&mut self, row: u32) {
        let deadline_ms = self.deadline_ms(row);
        self.tiers[usize::from(self.holds[row].tier)].late.insert((deadline_ms, row));
    }
}
