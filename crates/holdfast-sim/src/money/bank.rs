//! A bank, as naively as can be; and the way there, on which requests and answers are lost. What is
//! on its way arrives, whatever becomes of whoever sent it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_checkout::provider::{
    Charge, Manner, Payment, PaymentStatus, Provider, ProviderError, Reference, Step,
};
use holdfast_core::{Currency, Money};
use tokio::sync::oneshot;

use super::tasks::{Timer, lock};
use crate::rng::Rng;

/// How long a client waits for an answer.
const DEADLINE_US: u64 = 10_000_000;

/// How long a request is on its way at most.
const LATE_US: u64 = 60_000_000;

type Answer = Result<Option<Payment>, ProviderError>;

/// What is asked.
#[derive(Clone, Debug)]
enum Wish {
    Authorise(Charge),
    Find,
    Step(Step),
}

/// A request on its way.
struct Flight {
    reference: Reference,
    wish: Wish,
    /// `None`: the answer is lost.
    reply: Option<oneshot::Sender<Answer>>,
}

/// A payment, and when it is authorised if it is late.
struct Entry {
    payment: Payment,
    due_us: u64,
}

/// The bank, and the way there. Cheap to clone.
#[derive(Clone)]
pub(super) struct Bank {
    state: Arc<Mutex<State>>,
    timer: Timer,
}

struct State {
    rng: Rng,
    entries: BTreeMap<Reference, Entry>,
    flights: BTreeMap<(u64, u64), Flight>,
    next: u64,
    /// Of a hundred requests, so many meet something.
    ill: u64,
    /// Of a hundred requests, so many may be on their way for long.
    slow: u64,
    /// References that were captured since somebody last asked.
    captured: Vec<Reference>,
    faults: BTreeMap<&'static str, u64>,
}

impl Bank {
    pub(super) fn new(rng: Rng, timer: Timer, ill: u64, slow: u64) -> Self {
        let state = State {
            rng,
            entries: BTreeMap::new(),
            flights: BTreeMap::new(),
            next: 0,
            ill,
            slow,
            captured: Vec::new(),
            faults: BTreeMap::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), timer }
    }

    /// Nothing is lost any more.
    pub(super) fn be_well(&self) {
        let mut state = lock(&self.state);
        (state.ill, state.slow) = (0, 0);
    }

    pub(super) fn faults(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.state).faults.clone()
    }

    pub(super) fn payments(&self) -> Vec<Payment> {
        lock(&self.state).entries.values().map(|entry| entry.payment.clone()).collect()
    }

    /// What was captured since the last time.
    pub(super) fn take_captured(&self) -> Vec<Reference> {
        std::mem::take(&mut lock(&self.state).captured)
    }

    /// When something arrives, or is decided.
    pub(super) fn next_us(&self) -> Option<u64> {
        let state = lock(&self.state);
        let due = state.entries.values().filter(|it| it.payment.status == PaymentStatus::Pending);
        let due = due.map(|it| it.due_us).min();
        let arrival = state.flights.keys().next().map(|(at_us, _)| *at_us);
        arrival.into_iter().chain(due).min()
    }

    /// Does what has arrived.
    pub(super) fn act(&self) {
        let now_us = self.timer.now_us();
        let mut state = lock(&self.state);
        for entry in state.entries.values_mut() {
            if entry.payment.status == PaymentStatus::Pending && entry.due_us <= now_us {
                entry.payment.status = PaymentStatus::Authorised;
            }
        }
        while let Some(first) = state.flights.first_entry() {
            if first.key().0 > now_us {
                return;
            }
            let flight = first.remove();
            let answer = state.answer(&flight, now_us);
            if let (Some(reply), Some(answer)) = (flight.reply, answer) {
                let _ = reply.send(Ok(answer));
            }
        }
    }

    async fn ask(&self, reference: &Reference, wish: Wish) -> Answer {
        let answer = {
            let mut state = lock(&self.state);
            let (reply, answer) = oneshot::channel();
            let ill = state.ill;
            let meets = state.rng.percent(ill).then(|| state.rng.index(3));
            match meets {
                Some(0) => state.count("bank: busy"),
                Some(1) => state.count("bank: request lost"),
                Some(_) => state.count("bank: answer lost"),
                None => {}
            }
            if meets == Some(0) {
                return Err(ProviderError::Busy { retry_after: Duration::from_secs(1) });
            }
            if meets != Some(1) {
                let slow = state.slow;
                let way_us = match state.rng.below(100) {
                    chance if chance < slow => LATE_US,
                    0..90 => 50_000,
                    _ => 3_000_000,
                };
                let at_us = self.timer.now_us() + state.rng.between(1_000, way_us);
                let reply = (meets != Some(2)).then_some(reply);
                let number = state.next;
                state.next += 1;
                let flight = Flight { reference: reference.clone(), wish, reply };
                state.flights.insert((at_us, number), flight);
            }
            answer
        };
        let silence = || ProviderError::Unknown("no answer".to_owned());
        tokio::select! {
            biased;
            answer = answer => match answer {
                Ok(answer) => answer,
                Err(_) => {
                    self.timer.sleep_us(DEADLINE_US).await;
                    Err(silence())
                }
            },
            () = self.timer.sleep_us(DEADLINE_US) => Err(silence()),
        }
    }

    async fn payment(&self, reference: &Reference, wish: Wish) -> Result<Payment, ProviderError> {
        let missing = || ProviderError::Broken("there is no such payment".to_owned());
        self.ask(reference, wish).await?.ok_or_else(missing)
    }
}

impl State {
    fn count(&mut self, what: &'static str) {
        *self.faults.entry(what).or_default() += 1;
    }

    /// `None`: there is no answer ever.
    fn answer(&mut self, flight: &Flight, now_us: u64) -> Option<Option<Payment>> {
        let reference = &flight.reference;
        match &flight.wish {
            Wish::Authorise(charge) if charge.manner == Some(Manner::Never) => {
                // Whoever was refused before is answered.
                let entry = self.entries.get(reference)?;
                return Some(Some(entry.payment.clone()));
            }
            Wish::Authorise(charge) => self.authorise(charge, now_us),
            Wish::Find => {}
            Wish::Step(step) => self.step(*step, reference),
        }
        Some(self.entries.get(reference).map(|entry| entry.payment.clone()))
    }

    fn authorise(&mut self, charge: &Charge, now_us: u64) {
        if self.entries.contains_key(&charge.reference) {
            return;
        }
        let status = match charge.manner {
            Some(Manner::Decline) => PaymentStatus::Declined,
            Some(Manner::Late) => PaymentStatus::Pending,
            _ => PaymentStatus::Authorised,
        };
        self.enter(&charge.reference, charge.total, status, now_us + charge.late_ms * 1_000);
    }

    fn enter(&mut self, reference: &Reference, total: Money, status: PaymentStatus, due_us: u64) {
        let id = format!("{:06}", self.entries.len());
        let payment = Payment { id, reference: reference.clone(), total, status, reason: None };
        self.entries.insert(reference.clone(), Entry { payment, due_us });
    }

    fn step(&mut self, step: Step, reference: &Reference) {
        use PaymentStatus::{Authorised, Cancelled, Captured, Refunded};
        let Some(entry) = self.entries.get_mut(reference) else {
            if let (Step::Cancel, Some(currency)) = (step, Currency::new("XXX")) {
                self.enter(reference, Money { amount: 0, currency }, Cancelled, 0);
            }
            return;
        };
        // An authorisation does not last for ever.
        let is_gone = step == Step::Capture && self.rng.percent(self.ill / 4);
        let next = match (step, entry.payment.status) {
            (Step::Capture, Authorised) if is_gone => Cancelled,
            (Step::Capture, Authorised) => Captured,
            (Step::Cancel, Authorised) => Cancelled,
            (Step::Refund, Captured) => Refunded,
            (_, status) => status,
        };
        let is_captured = next == Captured && entry.payment.status != Captured;
        entry.payment.status = next;
        if is_captured {
            self.captured.push(reference.clone());
        }
    }
}

impl Provider for Bank {
    async fn authorise(&self, charge: &Charge, _: u32) -> Result<Payment, ProviderError> {
        self.payment(&charge.reference, Wish::Authorise(charge.clone())).await
    }

    async fn find(&self, reference: &Reference) -> Result<Option<Payment>, ProviderError> {
        self.ask(reference, Wish::Find).await
    }

    async fn capture(&self, reference: &Reference, _: u32) -> Result<Payment, ProviderError> {
        self.payment(reference, Wish::Step(Step::Capture)).await
    }

    async fn cancel(&self, reference: &Reference, _: u32) -> Result<Payment, ProviderError> {
        self.payment(reference, Wish::Step(Step::Cancel)).await
    }

    async fn refund(&self, reference: &Reference, _: u32) -> Result<Payment, ProviderError> {
        self.payment(reference, Wish::Step(Step::Refund)).await
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<Payment>, ProviderError> {
        let mut payments = self.payments();
        payments.sort_by(|one, other| one.id.cmp(&other.id));
        payments.retain(|payment| after.is_none_or(|after| payment.id.as_str() > after));
        payments.truncate(limit as usize);
        Ok(payments)
    }
}
