//! The till: takes the payments of one sale to their end, one step after the other. Now and then
//! it takes a wrong step, a late one, or the same one again.

use std::collections::BTreeMap;

use holdfast_core::{Command, HoldKey, HoldView, PaymentStatus, PaymentView};
use holdfast_engine::Reply;

use crate::plan::SalePlan;
use crate::rng::Rng;

/// Steps that are taken at once, at most.
const AT_ONCE_MAX: usize = 12;

/// The till of one sale, with what it knows.
#[derive(Clone, Debug, Default)]
pub struct Till {
    cases: BTreeMap<HoldKey, Case>,
}

/// A hold that has gone to the checkout.
#[derive(Clone, Copy, Debug)]
struct Case {
    payment: PaymentView,
    /// When something is next done about it; `None`: not decided.
    at_us: Option<u64>,
}

impl Till {
    /// What it makes of a reply to whoever it was.
    pub fn hear(&mut self, reply: Option<&Reply>) {
        let Some(Ok(answer)) = reply else { return };
        answer.hold.iter().for_each(|hold| self.see(hold));
    }

    /// It has seen a hold.
    pub fn see(&mut self, hold: &HoldView) {
        if let Some((hold, payment)) = paying(hold) {
            let case = Case { payment, at_us: None };
            let known = self.cases.insert(hold, case);
            // What it has not heard anything new of goes on as was decided.
            if let Some(known) = known.filter(|known| known.payment.status == payment.status) {
                self.cases.insert(hold, Case { at_us: known.at_us, ..case });
            }
        }
    }

    /// What it does now.
    pub fn act(&mut self, rng: &mut Rng, plan: &SalePlan, now_us: u64) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut done = Vec::new();
        for (&hold, case) in &mut self.cases {
            let at_us =
                *case.at_us.get_or_insert_with(|| now_us + wait_us(rng, plan, case.payment));
            if at_us > now_us || commands.len() >= AT_ONCE_MAX {
                continue;
            }
            // Without a reply it tries again.
            case.at_us = Some(now_us + rng.between(1, plan.till_us * 4));
            match step(rng, hold, case.payment) {
                Some(command) => commands.push(command),
                None => done.push(hold),
            }
        }
        self.cases.retain(|hold, _| !done.contains(hold));
        commands
    }

    /// The next step of everything about which something must be done, without a mistake.
    pub fn settle(&mut self, rng: &mut Rng) -> Vec<Command> {
        let right = |(&hold, case): (&HoldKey, &Case)| right_step(rng, hold, case.payment);
        let open = |(_, case): &(&HoldKey, &Case)| case.payment.status.is_open();
        self.cases.iter().filter(open).filter_map(right).collect()
    }
}

fn paying(hold: &HoldView) -> Option<(HoldKey, PaymentView)> {
    Some((hold.key, hold.payment?))
}

/// Mostly soon; now and then only when the hold's time is long up.
fn wait_us(rng: &mut Rng, plan: &SalePlan, payment: PaymentView) -> u64 {
    let terms = &plan.config.terms;
    let seconds = u64::from(terms.hold_seconds + terms.checkout_grace_seconds);
    let is_slow = payment.status == PaymentStatus::Processing && rng.percent(plan.slow);
    if is_slow { rng.between(0, seconds * 2_000_000) } else { rng.between(0, plan.till_us * 2) }
}

/// The next step of a payment: mostly the right one, else any. `None`: nothing, ever.
fn step(rng: &mut Rng, hold: HoldKey, payment: PaymentView) -> Option<Command> {
    match rng.below(100) {
        0..85 => right_step(rng, hold, payment),
        85..95 => Some(any_step(rng, hold, payment.attempt)),
        // One of a payment that was followed by another.
        _ => Some(any_step(rng, hold, payment.attempt.saturating_sub(1).max(1))),
    }
}

fn right_step(rng: &mut Rng, hold: HoldKey, payment: PaymentView) -> Option<Command> {
    let attempt = payment.attempt;
    match payment.status {
        PaymentStatus::Queued => Some(Command::Call { hold, attempt }),
        PaymentStatus::Processing if rng.percent(70) => Some(Command::Confirm { hold, attempt }),
        PaymentStatus::Processing | PaymentStatus::TooLate => {
            Some(Command::Decline { hold, attempt })
        }
        PaymentStatus::Authorised if rng.percent(60) => Some(Command::Pay { hold }),
        PaymentStatus::Authorised => Some(Command::Void { hold, withheld: rng.percent(30) }),
        PaymentStatus::Paid if rng.percent(50) => Some(Command::Refund { hold }),
        PaymentStatus::Declined
        | PaymentStatus::Moved
        | PaymentStatus::Paid
        | PaymentStatus::Void
        | PaymentStatus::Refunded => None,
    }
}

fn any_step(rng: &mut Rng, hold: HoldKey, attempt: u8) -> Command {
    match rng.below(7) {
        0 => Command::Call { hold, attempt },
        1 => Command::Decline { hold, attempt },
        2 | 3 => Command::Confirm { hold, attempt },
        4 => Command::Pay { hold },
        5 => Command::Void { hold, withheld: rng.percent(50) },
        _ => Command::Refund { hold },
    }
}
