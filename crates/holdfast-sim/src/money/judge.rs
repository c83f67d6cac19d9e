//! Whether money and units stayed together, seen from outside.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use holdfast_checkout::provider::{Payment, PaymentStatus as Money};
use holdfast_checkout::{Case, audit_money};
use holdfast_core::{HoldKey, HoldStatus, HoldView, PaymentStatus};
use holdfast_ledger::{Ledger, Order, OrderStatus};

use super::tasks::lock;
use super::{Run, SECOND_US, receipts};
use crate::auditor::Breach;

impl Run {
    pub(super) fn orders(&self) -> Vec<Order> {
        let ledger = &self.shop.ledger.inner;
        now(ledger.orders(self.plan.sale, 0, u32::MAX)).unwrap_or_default()
    }

    /// Promise 5: nothing is captured before unit and order are recorded.
    pub(super) fn check_captured(&mut self) -> Result<(), Breach> {
        for reference in self.shop.bank.take_captured() {
            self.note(format_args!("captured {reference}"));
            self.stats.checks[5] += 1;
            let has_units = |order: &Order| order.status.has_units();
            let is_for_it = |order: &&Order| order.what.payment == reference.as_str();
            let orders = self.orders();
            if !orders.iter().find(is_for_it).is_some_and(has_units) {
                let what = format!("{reference} was captured and has no order with units");
                return Err(Breach::new(5, what));
            }
        }
        Ok(())
    }

    /// Promise 5: the units of a refund return after its money.
    pub(super) fn check_refunded(&mut self) -> Result<(), Breach> {
        let holds = self.holds()?;
        let returned = |hold: &&HoldView| {
            hold.payment.is_some_and(|payment| payment.status == PaymentStatus::Refunded)
        };
        let returned: Vec<HoldKey> = holds.iter().filter(returned).map(|hold| hold.key).collect();
        if returned.is_empty() || self.plan.price == 0 {
            return Ok(());
        }
        let (orders, payments) = (self.orders(), self.payments());
        for hold in returned {
            self.stats.checks[5] += 1;
            let order = orders.iter().find(|order| order.what.hold == hold);
            let payment = order.and_then(|order| payments.get(&order.what.payment));
            if payment.is_none_or(|payment| payment.status != Money::Refunded) {
                let what = format!("the units of {hold:?} are back, its money is not: {payment:?}");
                return Err(Breach::new(5, what));
            }
        }
        Ok(())
    }

    fn payments(&self) -> BTreeMap<String, Payment> {
        let payments = self.shop.bank.payments().into_iter();
        payments.map(|payment| (payment.reference.as_str().to_owned(), payment)).collect()
    }

    /// Everything has come to rest.
    pub(super) fn judge(&mut self) -> Result<(), Breach> {
        let holds = self.holds()?;
        let orders = self.orders();
        self.judge_payments(&orders)?;
        self.judge_orders(&holds, &orders)?;
        self.judge_units(&holds)?;
        self.hear_the_audit()
    }

    /// Every authorisation has ended, and what was captured is what was paid.
    fn judge_payments(&mut self, orders: &[Order]) -> Result<(), Breach> {
        let mut charges = BTreeMap::<Case, Vec<Payment>>::new();
        for payment in self.shop.bank.payments() {
            self.stats.checks[5] += 1;
            if matches!(payment.status, Money::Authorised | Money::Pending) {
                return Err(Breach::new(5, format!("an authorisation never ends: {payment:?}")));
            }
            if payment.status == Money::Captured {
                let Some(case) = Case::of(&payment.reference) else {
                    return Err(Breach::new(5, format!("a charge for nothing: {payment:?}")));
                };
                charges.entry(case).or_default().push(payment);
            }
        }
        for payments in charges.values() {
            let paid = |payment: &Payment| {
                let is_for_it = |order: &&Order| {
                    order.what.payment == payment.reference.as_str()
                        && order.status == OrderStatus::Paid
                        && order.what.total == payment.total
                };
                orders.iter().filter(is_for_it).count() == 1
            };
            if payments.len() != 1 || !payments.iter().all(paid) {
                return Err(Breach::new(5, format!("a charge too many: {payments:?}")));
            }
        }
        let paid =
            |order: &&Order| order.status == OrderStatus::Paid && order.what.total.amount > 0;
        let (paid, charged) = (orders.iter().filter(paid).count(), charges.len());
        if paid != charged {
            return Err(Breach::new(5, format!("{paid} orders are paid, {charged} were charged")));
        }
        Ok(())
    }

    /// Every sold hold has its order, and the other way round.
    fn judge_orders(&mut self, holds: &[HoldView], orders: &[Order]) -> Result<(), Breach> {
        for hold in holds.iter().filter(|hold| hold.status == HoldStatus::Sold) {
            self.stats.checks[5] += 1;
            let order = orders.iter().find(|order| order.what.hold == hold.key);
            let expected = hold.payment.map(|payment| payment.status);
            let fits = order.is_some_and(|order| {
                let status = match order.status {
                    OrderStatus::Authorised => PaymentStatus::Authorised,
                    OrderStatus::Paid => PaymentStatus::Paid,
                    OrderStatus::Void => PaymentStatus::Void,
                    OrderStatus::Refunded => PaymentStatus::Refunded,
                };
                Some(status) == expected && order.what.buyer == hold.buyer
            });
            if !fits {
                return Err(Breach::new(5, format!("{hold:?} has the order {order:?}")));
            }
        }
        let sold = holds.iter().filter(|hold| hold.status == HoldStatus::Sold).count();
        if sold != orders.len() {
            return Err(Breach::new(5, format!("{sold} holds are sold, orders: {}", orders.len())));
        }
        Ok(())
    }

    /// Nothing is held any more, and nothing is sold twice or lost.
    fn judge_units(&mut self, holds: &[HoldView]) -> Result<(), Breach> {
        let units = |hold: &HoldView| {
            let has = hold.payment.is_some_and(|payment| payment.status.has_units());
            if has { hold.quantity } else { 0 }
        };
        let sold: u32 = holds.iter().map(units).sum();
        let ordered = now(self.shop.ledger.inner.totals(self.plan.sale)).unwrap_or_default();
        let ordered: u32 = ordered.iter().map(|total| total.ordered).sum();
        self.stats.checks[1] += 1;
        if sold > self.plan.capacity || sold != ordered {
            let capacity = self.plan.capacity;
            let what = format!("{sold} units of {capacity} are sold, {ordered} are ordered");
            return Err(Breach::new(1, what));
        }
        let found = self.look(|sale, _| sale.audit()).unwrap_or_default();
        match found.first() {
            Some(difference) => Err(Breach::new(difference.promise, difference.what.clone())),
            None => Ok(()),
        }
    }

    /// The product's own audit finds nothing either.
    fn hear_the_audit(&mut self) -> Result<(), Breach> {
        let heard = Arc::new(Mutex::new(None));
        let (into, shop, sale) = (Arc::clone(&heard), self.shop.clone(), self.plan.sale);
        self.tasks.spawn(false, async move {
            *lock(&into) = Some(audit_money(&shop, &receipts(), sale).await);
        });
        self.run_until(self.clock.now_us() + 60 * SECOND_US)?;
        let heard = lock(&heard).take();
        let Some(Ok(Some(audit))) = heard else {
            return Err(Breach::new(5, format!("the audit says {heard:?}")));
        };
        self.stats.answer("audits");
        *self.stats.answers.entry("orders").or_default() += audit.orders;
        *self.stats.answers.entry("orders paid").or_default() += audit.paid;
        if audit.under_way > 0 || !audit.differences.is_empty() {
            return Err(Breach::new(5, format!("the audit says {audit:?}")));
        }
        Ok(())
    }
}

/// What a future that waits for nothing gives.
fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("memory does not wait"),
    }
}
