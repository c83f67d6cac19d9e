//! The bank's book: which payments there are, what may become of them, and what was answered.
//!
//! It is changed by lines alone: first written, then applied. Read again, the lines make the same
//! book.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::Path;

use holdfast_core::{Currency, Money};
use http::StatusCode;

use super::answer::Answer;
use super::journal::{BankError, Journal, Kept, Line, Remembered};
use crate::provider::{Charge, Manner, Payment, PaymentStatus, Reference, Step};

/// Of a payment that was cancelled before anyone asked for it: no money at all (ISO 4217).
const NO_CURRENCY: &str = "XXX";

/// What is asked of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Authorise(Charge),
    Capture(Reference),
    Cancel(Reference),
    Refund(Reference),
}

impl Wish {
    pub(super) fn step(&self) -> Step {
        match self {
            Self::Authorise(_) => Step::Authorise,
            Self::Capture(_) => Step::Capture,
            Self::Cancel(_) => Step::Cancel,
            Self::Refund(_) => Step::Refund,
        }
    }

    fn reference(&self) -> &Reference {
        match self {
            Self::Authorise(charge) => &charge.reference,
            Self::Capture(reference) | Self::Cancel(reference) | Self::Refund(reference) => {
                reference
            }
        }
    }

    /// What makes it another request than others. How the bank is to behave is no part of that.
    fn said(&self) -> String {
        let reference = self.reference();
        match self {
            Self::Authorise(Charge { total: Money { amount, currency }, .. }) => {
                format!("authorise {reference} {amount} {}", currency.as_str())
            }
            Self::Capture(_) => format!("capture {reference}"),
            Self::Cancel(_) => format!("cancel {reference}"),
            Self::Refund(_) => format!("refund {reference}"),
        }
    }
}

/// How ill a call is to be treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Treatment {
    /// Declined, whatever was asked.
    pub(super) decline: bool,
    /// Failed before anything is done.
    pub(super) error: bool,
    /// Done, and failed after that.
    pub(super) lost_error: bool,
}

/// A change that others are to be told of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// Its line: no two changes have the same.
    pub(super) line: u64,
    pub(super) at_ms: u64,
    pub(super) kept: Kept,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) answer: Answer,
    pub(super) is_replayed: bool,
    pub(super) change: Option<Change>,
}

/// All that a bank knows.
#[derive(Debug)]
pub(super) struct Book {
    journal: Journal,
    /// Its last line.
    lines: u64,
    /// In the order in which they were made, which is that of their ids.
    payments: Vec<Kept>,
    by_reference: HashMap<Reference, usize>,
    answers: HashMap<String, Remembered>,
    /// Pending payments, by when they are authorised.
    due: BTreeSet<(u64, usize)>,
}

impl Book {
    pub(super) fn open(folder: &Path) -> Result<Self, BankError> {
        let (journal, lines) = Journal::open(folder)?;
        let mut book = Self {
            journal,
            lines: 0,
            payments: Vec::new(),
            by_reference: HashMap::new(),
            answers: HashMap::new(),
            due: BTreeSet::new(),
        };
        lines.into_iter().for_each(|line| book.apply(line));
        Ok(book)
    }

    /// Does what is asked, once for each idempotency key, and says what came of it.
    pub(super) fn call(
        &mut self,
        wish: &Wish,
        key: Option<String>,
        treatment: Treatment,
        now_ms: u64,
    ) -> io::Result<Said> {
        if let Some(said) = key.as_ref().and_then(|key| self.known(key, wish)) {
            return Ok(said);
        }
        let (mut answer, kept) = match treatment.error {
            true => (Answer::failure(), None),
            false => self.decide(wish, treatment.decline, now_ms),
        };
        if treatment.lost_error {
            answer = Answer::failure();
        }
        let remembered =
            key.map(|key| Remembered { key, request: wish.said(), answer: answer.clone() });
        let change = self.write(kept, remembered, now_ms)?;
        Ok(Said { answer, is_replayed: false, change })
    }

    /// Authorises one payment whose time has come. `None`: there is none.
    pub(super) fn ripen(&mut self, now_ms: u64) -> io::Result<Option<Change>> {
        let Some(&(_, index)) = self.due.first().filter(|(due_ms, _)| *due_ms <= now_ms) else {
            return Ok(None);
        };
        let kept = self.moved(index, PaymentStatus::Authorised);
        self.write(Some(kept), None, now_ms)
    }

    /// When the next payment is authorised by itself, in milliseconds since 1970.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due.first().map(|(due_ms, _)| *due_ms)
    }

    pub(super) fn find(&self, reference: &Reference) -> Option<&Payment> {
        self.by_reference.get(reference).map(|&index| &self.payments[index].payment)
    }

    /// Those whose ids come after that, in the order of their ids.
    pub(super) fn after(&self, id: Option<&str>, limit: usize) -> Vec<&Payment> {
        let from =
            id.map_or(0, |id| self.payments.partition_point(|kept| kept.payment.id.as_str() <= id));
        self.payments[from..].iter().take(limit).map(|kept| &kept.payment).collect()
    }

    /// Whether a write has failed: what is on disk is not known then.
    pub(super) fn is_broken(&self) -> bool {
        self.journal.is_broken()
    }

    /// What was answered to this key before; a refusal if that was to another request.
    fn known(&self, key: &str, wish: &Wish) -> Option<Said> {
        let known = self.answers.get(key)?;
        if known.request != wish.said() {
            let message = "this Idempotency-Key belongs to another request: take a new one";
            let answer = Answer::refused(StatusCode::CONFLICT, "key_reused", message);
            return Some(Said { answer, is_replayed: false, change: None });
        }
        Some(Said { answer: known.answer.clone(), is_replayed: true, change: None })
    }

    /// What is answered, and the payment as it is from then on, if anything changes.
    fn decide(&self, wish: &Wish, declines: bool, now_ms: u64) -> (Answer, Option<Kept>) {
        let Some(&index) = self.by_reference.get(wish.reference()) else {
            return self.decide_new(wish, declines, now_ms);
        };
        let payment = &self.payments[index].payment;
        let refuse = |message| (Answer::wrong_state(payment, message), None);
        use PaymentStatus::{Authorised, Cancelled, Captured, Pending, Refunded};
        let to = match (wish.step(), payment.status) {
            (Step::Authorise, _) => return refuse("there is a payment under this reference"),
            (_, Pending) => return refuse("the payment is being processed: try again later"),
            (Step::Capture, Authorised) => Captured,
            (Step::Cancel, Authorised) => Cancelled,
            (Step::Refund, Captured) => Refunded,
            (Step::Capture | Step::Cancel, _) => {
                return refuse("only what is authorised can be captured or cancelled");
            }
            (Step::Refund, _) => return refuse("only what is captured can be refunded"),
        };
        let kept = self.moved(index, to);
        (Answer::done(StatusCode::OK, &kept.payment), Some(kept))
    }

    /// The same for a reference that is not known.
    fn decide_new(&self, wish: &Wish, declines: bool, now_ms: u64) -> (Answer, Option<Kept>) {
        let kept = match wish {
            Wish::Authorise(charge) => self.authorised(charge, declines, now_ms),
            Wish::Cancel(reference) => self.cancelled_before(reference),
            Wish::Capture(_) | Wish::Refund(_) => {
                let message = "there is no payment under this reference";
                return (Answer::refused(StatusCode::NOT_FOUND, "not_found", message), None);
            }
        };
        (Answer::done(StatusCode::CREATED, &kept.payment), Some(kept))
    }

    fn authorised(&self, charge: &Charge, declines: bool, now_ms: u64) -> Kept {
        let Charge { reference, total, manner, late_ms } = charge.clone();
        let (status, reason) = match manner {
            _ if declines => (PaymentStatus::Declined, Some("the provider declines it".to_owned())),
            Some(Manner::Decline) => (PaymentStatus::Declined, Some("as was asked".to_owned())),
            Some(Manner::Late) => (PaymentStatus::Pending, None),
            _ => (PaymentStatus::Authorised, None),
        };
        let due_ms = (status == PaymentStatus::Pending).then(|| now_ms.saturating_add(late_ms));
        let payment = Payment { id: self.next_id(), reference, total, status, reason };
        Kept { payment, manner, due_ms }
    }

    /// A payment of nothing, in the way of an authorise that is still to come.
    fn cancelled_before(&self, reference: &Reference) -> Kept {
        let nothing = Currency::new(NO_CURRENCY).map(|currency| Money { amount: 0, currency });
        let payment = Payment {
            id: self.next_id(),
            reference: reference.clone(),
            total: nothing.unwrap_or_else(|| unreachable!("three capital letters")),
            status: PaymentStatus::Cancelled,
            reason: Some("it was cancelled before it was asked for".to_owned()),
        };
        Kept { payment, manner: None, due_ms: None }
    }

    fn next_id(&self) -> String {
        format!("pay_{:012}", self.payments.len() + 1)
    }

    fn moved(&self, index: usize, to: PaymentStatus) -> Kept {
        let mut kept = self.payments[index].clone();
        kept.payment.status = to;
        kept.due_ms = None;
        kept
    }

    /// Writes what there is to write, then applies it.
    fn write(
        &mut self,
        payment: Option<Kept>,
        remembered: Option<Remembered>,
        at_ms: u64,
    ) -> io::Result<Option<Change>> {
        if payment.is_none() && remembered.is_none() {
            return Ok(None);
        }
        let line = Line { line: self.lines + 1, at_ms, payment, remembered };
        self.journal.append(&line)?;
        let change = line.payment.clone().map(|kept| Change { line: line.line, at_ms, kept });
        self.apply(line);
        Ok(change)
    }

    fn apply(&mut self, line: Line) {
        self.lines = line.line;
        if let Some(remembered) = line.remembered {
            self.answers.insert(remembered.key.clone(), remembered);
        }
        let Some(kept) = line.payment else { return };
        let known = self.by_reference.get(&kept.payment.reference).copied();
        let index = known.unwrap_or(self.payments.len());
        if let Some(due_ms) = known.and_then(|index| self.payments[index].due_ms) {
            self.due.remove(&(due_ms, index));
        }
        if let Some(due_ms) = kept.due_ms {
            self.due.insert((due_ms, index));
        }
        match known {
            Some(index) => self.payments[index] = kept,
            None => {
                self.by_reference.insert(kept.payment.reference.clone(), index);
                self.payments.push(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests;
