//! The checkout, by the naive rules.

use holdfast_core::{
    CHECKOUTS_PER_HOLD_MAX, Checkout, Command, HOLDS_PER_BUYER_MAX, HoldKey, HoldStatus,
    KEYS_PER_BUYER_MAX, Limit, NOTE_BYTES_MAX, PaymentStatus, Stamp, Status,
};

use super::payment::Payment;
use super::reserve::KEYS_PER_ENTRY;
use super::{Hold, Model, Reason, UsedKey, Verdict};

impl Model {
    pub(super) fn checkout(&mut self, stamp: Stamp, asked: &Checkout) -> Verdict {
        if let Some(verdict) = self.checkout_refusal(stamp.clock_ms, asked) {
            return verdict;
        }
        let Some(at) = self.place_of(asked.hold) else {
            return Verdict::Refused(Reason::HoldNotFound);
        };
        let nth = self.holds.iter().filter(|hold| hold.payment.is_some()).count();
        let hold = &mut self.holds[at];
        if hold.status == HoldStatus::Held {
            hold.status = HoldStatus::Paying;
            let before = hold.payment.take();
            let mut waits = before.as_ref().map_or(Vec::new(), |before| before.waits.clone());
            waits.push((stamp.clock_ms, None));
            hold.payment = Some(Payment {
                nth: before.as_ref().map_or(nth, |before| before.nth),
                status: PaymentStatus::Queued,
                attempt: before.as_ref().map_or(0, |before| before.attempt) + 1,
                waits,
                linked: None,
                note: asked.note.clone(),
                withheld: false,
            });
        }
        let (buyer, attempt) = (hold.buyer, hold.payment.as_ref().map_or(0, |it| it.attempt));
        let is_joined = hold.payment.as_ref().is_some_and(|payment| payment.note != asked.note);
        if let Some(key) = asked.key.filter(|_| self.status != Status::Closed) {
            self.keys.push(UsedKey { buyer, key, hold: at, attempt, is_joined });
        }
        Verdict::CheckedOut(asked.hold)
    }

    /// Every answer that changes nothing. `None`: the hold goes to the checkout, or a new key is
    /// remembered for the payment that it has.
    pub(super) fn checkout_refusal(&self, clock_ms: u64, asked: &Checkout) -> Option<Verdict> {
        let refuse = |reason| Some(Verdict::Refused(reason));
        let found = self
            .place_of(asked.hold)
            .filter(|&at| asked.buyer.is_none_or(|buyer| buyer == self.holds[at].buyer));
        let Some(at) = found else { return refuse(Reason::HoldNotFound) };
        let hold = &self.holds[at];
        let used = |used: &&UsedKey| used.buyer == hold.buyer && Some(used.key) == asked.key;
        if let Some(used) = self.keys.iter().find(used) {
            return if used.attempt > 0 && used.hold == at && self.is_noted(used, asked) {
                Some(Verdict::CheckedOut(asked.hold))
            } else {
                refuse(Reason::KeyReused)
            };
        }
        let is_new_key = asked.key.is_some() && self.status != Status::Closed;
        let too_many = is_new_key && self.keys_of(hold.buyer) >= usize::from(KEYS_PER_BUYER_MAX);
        match hold.status {
            HoldStatus::Sold => return Some(Verdict::CheckedOut(asked.hold)),
            HoldStatus::Paying if too_many => return refuse(Reason::LimitReached(Limit::Keys)),
            HoldStatus::Paying if is_new_key => return None,
            HoldStatus::Paying => return Some(Verdict::CheckedOut(asked.hold)),
            HoldStatus::Cancelled | HoldStatus::Expired => return refuse(Reason::WrongState),
            HoldStatus::Held => {}
        }
        if hold.expires_ms(clock_ms) <= clock_ms {
            return refuse(Reason::WrongState);
        }
        if asked.note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
            return refuse(Reason::Invalid("metadata".to_owned()));
        }
        if too_many {
            return refuse(Reason::LimitReached(Limit::Keys));
        }
        let attempts = hold.payment.as_ref().map_or(0, |payment| payment.attempt);
        if attempts >= CHECKOUTS_PER_HOLD_MAX {
            return refuse(Reason::LimitReached(Limit::Checkouts));
        }
        None
    }

    /// Whether the same is to be noted as is noted. What is done with has no note any more, and nothing
    /// to compare; nor has what was begun with another note.
    fn is_noted(&self, used: &UsedKey, asked: &Checkout) -> bool {
        let payment = self.holds[used.hold].payment.as_ref();
        payment.is_none_or(|payment| {
            payment.attempt != used.attempt
                || !payment.status.is_open()
                || used.is_joined
                || payment.note == asked.note
        })
    }

    /// What the till says of a payment.
    pub(super) fn payment(&mut self, stamp: Stamp, command: &Command) -> Verdict {
        match self.next_of_payment(command) {
            Err(verdict) => verdict,
            Ok((at, next)) => self.go_on(stamp, at, next),
        }
    }

    /// The hold that a command of the till is about, and where its payment goes; `Err`: nowhere,
    /// and what is said.
    pub(super) fn next_of_payment(&self, command: &Command) -> Result<(usize, Next), Verdict> {
        use PaymentStatus as P;
        let wrong = Verdict::Refused(Reason::WrongState);
        let key = command.hold();
        let at = key.and_then(|key| self.place_of(key));
        let at = at.ok_or(Verdict::Refused(Reason::HoldNotFound))?;
        let Hold { key, status, payment, .. } = &self.holds[at];
        let Some(payment) = payment else { return Err(wrong) };
        let attempt = match command {
            Command::Call { attempt, .. }
            | Command::Decline { attempt, .. }
            | Command::Confirm { attempt, .. } => Some(*attempt),
            _ => None,
        };
        if attempt.is_some_and(|attempt| attempt != payment.attempt) {
            return Err(wrong);
        }
        let next = match (command, payment.status) {
            (Command::Call { .. }, P::Queued) => Next::Processing,
            (Command::Call { .. }, P::Processing) => return Err(Verdict::CheckedOut(*key)),
            (Command::Decline { .. }, P::Queued | P::Processing | P::TooLate) => Next::Declined,
            (Command::Decline { .. }, P::Declined) => return Err(Verdict::Declined(*key)),
            (Command::Confirm { .. }, P::Queued | P::Processing)
                if *status == HoldStatus::Paying =>
            {
                Next::Sold
            }
            (Command::Confirm { .. }, P::Processing) => Next::Late,
            (Command::Confirm { .. }, P::TooLate) => return Err(Verdict::TooLate(*key)),
            (Command::Confirm { .. }, P::Moved) => {
                return Err(Verdict::Confirmed(payment.linked.unwrap_or(*key)));
            }
            (Command::Confirm { .. }, P::Authorised | P::Paid | P::Void | P::Refunded) => {
                return Err(Verdict::Confirmed(*key));
            }
            (Command::Pay { .. }, P::Authorised) => Next::Paid,
            (Command::Void { withheld, .. }, P::Authorised) => Next::Void { withheld: *withheld },
            (Command::Refund { .. }, P::Paid) => Next::Refunded,
            (Command::Pay { .. }, P::Paid | P::Refunded)
            | (Command::Void { .. }, P::Void)
            | (Command::Refund { .. }, P::Refunded) => return Err(Verdict::Recorded(*key)),
            _ => return Err(wrong),
        };
        Ok((at, next))
    }

    fn go_on(&mut self, stamp: Stamp, at: usize, next: Next) -> Verdict {
        let key = self.holds[at].key;
        let (status, verdict) = match next {
            Next::Late => return self.late_money(stamp, at),
            Next::Processing => (PaymentStatus::Processing, Verdict::CheckedOut(key)),
            Next::Declined => (PaymentStatus::Declined, Verdict::Declined(key)),
            Next::Sold => (PaymentStatus::Authorised, Verdict::Confirmed(key)),
            Next::Paid => (PaymentStatus::Paid, Verdict::Recorded(key)),
            Next::Void { .. } => (PaymentStatus::Void, Verdict::Recorded(key)),
            Next::Refunded => (PaymentStatus::Refunded, Verdict::Recorded(key)),
        };
        let hold = &mut self.holds[at];
        set_status(hold, status);
        if let Some(payment) = &mut hold.payment {
            payment.stop_waiting(stamp.clock_ms);
            payment.withheld = matches!(next, Next::Void { withheld: true });
        }
        if hold.status == HoldStatus::Paying {
            hold.status = match next {
                Next::Sold => HoldStatus::Sold,
                Next::Declined if hold.expires_ms(stamp.clock_ms) > stamp.clock_ms => {
                    HoldStatus::Held
                }
                Next::Declined => HoldStatus::Expired,
                _ => HoldStatus::Paying,
            };
        }
        verdict
    }

    /// Money for a hold that has ended: a new one, if one is free, and allowed; else none, for good.
    fn late_money(&mut self, stamp: Stamp, at: usize) -> Verdict {
        let old = self.holds[at].clone();
        if !self.may_have_another(&old) {
            set_status(&mut self.holds[at], PaymentStatus::TooLate);
            return Verdict::TooLate(old.key);
        }
        let key = HoldKey::from_number(stamp.sequence * KEYS_PER_ENTRY);
        let nth = self.holds.iter().filter(|hold| hold.payment.is_some()).count();
        let note = old.payment.as_ref().and_then(|payment| payment.note.clone());
        set_status(&mut self.holds[at], PaymentStatus::Moved);
        if let Some(payment) = &mut self.holds[at].payment {
            payment.linked = Some(key);
        }
        self.holds.push(Hold {
            key,
            epoch: stamp.epoch,
            deadline_ms: stamp.clock_ms,
            anchor_ms: self.anchor_ms,
            status: HoldStatus::Sold,
            payment: Some(Payment {
                nth,
                status: PaymentStatus::Authorised,
                attempt: 1,
                waits: Vec::new(),
                linked: Some(old.key),
                note,
                withheld: false,
            }),
            ..old
        });
        Verdict::Confirmed(key)
    }

    fn may_have_another(&self, old: &Hold) -> bool {
        let Some(config) = &self.config else { return false };
        let Some(tier) = self.tier(old.tier) else { return false };
        let holds = self.holds.iter().filter(|hold| hold.buyer == old.buyer).count();
        self.status == Status::Open
            && old.quantity <= self.free(tier)
            && self.live_of(old.buyer).is_none()
            && old.quantity + self.ordered(old.buyer) <= config.terms.max_per_buyer
            && holds < usize::from(HOLDS_PER_BUYER_MAX)
    }

    fn place_of(&self, key: HoldKey) -> Option<usize> {
        self.holds.iter().position(|hold| hold.key == key)
    }
}

/// Where a payment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Processing,
    Declined,
    Sold,
    /// The money came after the hold's end.
    Late,
    Paid,
    Void {
        withheld: bool,
    },
    Refunded,
}

/// A payment about which nothing is to be done any more keeps no note.
pub(super) fn set_status(hold: &mut Hold, status: PaymentStatus) {
    let Some(payment) = &mut hold.payment else { return };
    payment.status = status;
    if !status.is_open() {
        payment.note = None;
    }
}
