//! What must be so.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::{Difference, HoldKey, HoldStatus, HoldView, PaymentStatus};
use holdfast_ledger::{Order, OrderStatus};

use super::{Books, MoneyAudit};
use crate::provider::{Payment, PaymentStatus as Money};
use crate::saga::Case;

/// Differences that are told; more of them say nothing new.
const TOLD_MAX: usize = 100;

impl Books {
    /// Counts, and finds every difference.
    pub(super) fn judge(self) -> MoneyAudit {
        let mut audit = MoneyAudit::default();
        let under_way = self.under_way();
        audit.under_way = under_way.len() as u64;
        self.count(&mut audit);
        let mut found = Vec::new();
        let orders: BTreeMap<HoldKey, &Order> =
            self.orders.iter().map(|order| (order.what.hold, order)).collect();
        for (key, hold) in self.after.iter().filter(|(key, _)| !under_way.contains(key)) {
            judge_hold(hold, orders.get(key).copied(), &mut found);
        }
        for order in &self.orders {
            if !self.after.get(&order.what.hold).is_some_and(is_sold) {
                let what = format!("order {}: its hold is not sold", order.what.id);
                found.push(Difference { promise: 5, what });
            }
        }
        let payable: BTreeMap<&str, &Order> = orders
            .values()
            .filter(|order| order.what.total.amount > 0)
            .map(|order| (order.what.payment.as_str(), *order))
            .collect();
        self.judge_payments(&payable, &under_way, &mut found);
        self.judge_totals(&under_way, &mut found);
        found.truncate(TOLD_MAX);
        audit.differences = found;
        audit
    }

    /// Holds with which something is being done: about to be, or while the books were read.
    fn under_way(&self) -> BTreeSet<HoldKey> {
        let is_under_way = |key: &HoldKey, hold: &HoldView| {
            let is_open = hold.payment.is_some_and(|payment| payment.status.is_open());
            let before = self.before.get(key).map(|before| (before.status, before.payment));
            is_open || before != Some((hold.status, hold.payment))
        };
        let mut keys: BTreeSet<HoldKey> = self
            .after
            .iter()
            .filter(|(key, hold)| is_under_way(key, hold))
            .map(|it| *it.0)
            .collect();
        let returning = |order: &&Order| {
            let is_asked = order.refund_asked_ms.is_some();
            let hold = self.after.get(&order.what.hold).and_then(|hold| hold.payment);
            is_asked && hold.is_some_and(|payment| payment.status != PaymentStatus::Refunded)
        };
        keys.extend(self.orders.iter().filter(returning).map(|order| order.what.hold));
        // Set aside for somebody who may still come with the hold; else it goes back.
        let is_waiting = |it: &&(Case, Payment)| {
            self.is_in_doubt && matches!(it.1.status, Money::Authorised | Money::Pending)
        };
        keys.extend(self.payments.iter().filter(is_waiting).map(|(case, _)| case.hold));
        let later: BTreeMap<HoldKey, &Order> =
            self.later.iter().map(|order| (order.what.hold, order)).collect();
        let has_changed = |order: &&Order| later.get(&order.what.hold) != Some(order);
        keys.extend(self.orders.iter().filter(has_changed).map(|order| order.what.hold));
        let read: BTreeSet<HoldKey> = self.orders.iter().map(|order| order.what.hold).collect();
        keys.extend(later.keys().filter(|key| !read.contains(key)));
        keys
    }

    fn count(&self, audit: &mut MoneyAudit) {
        audit.orders = self.orders.len() as u64;
        for order in self.orders.iter().filter(|order| order.status == OrderStatus::Paid) {
            audit.paid += 1;
            audit.paid_amount += order.what.total.amount;
        }
        for (_, payment) in &self.payments {
            if payment.status == Money::Captured {
                audit.captured += 1;
                audit.captured_amount += payment.total.amount;
            }
        }
    }

    /// Every payment that takes money belongs to a paid order, and every paid order has one.
    fn judge_payments(
        &self,
        payable: &BTreeMap<&str, &Order>,
        under_way: &BTreeSet<HoldKey>,
        found: &mut Vec<Difference>,
    ) {
        let mut seen = BTreeSet::new();
        for (case, payment) in &self.payments {
            let reference = payment.reference.as_str();
            seen.insert(reference);
            let order = payable.get(reference).copied();
            let ordered = order.map(|order| order.what.hold);
            let mut holds = [Some(case.hold), self.moved_to(case.hold), ordered].into_iter();
            if holds.any(|hold| hold.is_some_and(|hold| under_way.contains(&hold))) {
                continue;
            }
            if let Some(what) = wrong_payment(*case, payment, order) {
                found.push(Difference { promise: 5, what });
            }
        }
        for (reference, order) in payable {
            let is_due = matches!(order.status, OrderStatus::Paid | OrderStatus::Refunded);
            if is_due && !seen.contains(reference) && !under_way.contains(&order.what.hold) {
                let what = format!("order {}: the provider has no payment for it", order.what.id);
                found.push(Difference { promise: 5, what });
            }
        }
    }

    /// The hold that late money pays for instead of its own.
    fn moved_to(&self, hold: HoldKey) -> Option<HoldKey> {
        let payment = self.after.get(&hold)?.payment?;
        payment.linked.filter(|_| payment.status == PaymentStatus::Moved)
    }

    /// The ledger's guard counts what its orders have, and what the engine has sold.
    fn judge_totals(&self, under_way: &BTreeSet<HoldKey>, found: &mut Vec<Difference>) {
        let mut sold = BTreeMap::<_, u64>::new();
        for hold in self.after.values() {
            if hold.payment.is_some_and(|payment| payment.status.has_units()) {
                *sold.entry(hold.tier).or_default() += u64::from(hold.quantity);
            }
        }
        for total in &self.totals {
            let tier = total.tier;
            if total.sold != total.ordered {
                let (counted, ordered) = (total.sold, total.ordered);
                let what =
                    format!("tier {tier}: the guard counts {counted}, orders have {ordered}");
                found.push(Difference { promise: 1, what });
            }
            let engine = sold.get(&tier).copied().unwrap_or_default();
            if under_way.is_empty() && engine != u64::from(total.ordered) {
                let what = format!(
                    "tier {tier}: the engine has sold {engine}, orders have {}",
                    total.ordered
                );
                found.push(Difference { promise: 5, what });
            }
        }
    }
}

fn is_sold(hold: &HoldView) -> bool {
    hold.status == HoldStatus::Sold
}

/// A hold with which nothing is under way has the order that it says it has.
fn judge_hold(hold: &HoldView, order: Option<&Order>, found: &mut Vec<Difference>) {
    let Some(payment) = hold.payment else { return };
    let expected = match payment.status {
        PaymentStatus::Paid => Some(OrderStatus::Paid),
        PaymentStatus::Void => Some(OrderStatus::Void),
        PaymentStatus::Refunded => Some(OrderStatus::Refunded),
        _ => None,
    };
    let name = format!("hold {} of {}", hold.key.number(), hold.buyer);
    if expected != order.map(|order| order.status) {
        let say = |status: Option<OrderStatus>| status.map_or("no order", OrderStatus::as_str);
        let (expected, has) = (say(expected), say(order.map(|order| order.status)));
        let what = format!("{name}: the engine knows of {expected}, the ledger of {has}");
        found.push(Difference { promise: 5, what });
    }
    if let Some(order) = order.map(|order| &order.what) {
        let of_hold = (hold.buyer, hold.tier, hold.quantity, hold.total);
        if of_hold != (order.buyer, order.tier, order.quantity, order.total) {
            let what = format!("{name}: its order {} is for something else", order.id);
            found.push(Difference { promise: 5, what });
        }
    }
}

/// What is wrong with a payment whose case is not under way.
fn wrong_payment(case: Case, payment: &Payment, order: Option<&Order>) -> Option<String> {
    let (reference, status) = (&payment.reference, payment.status);
    let is_ended = matches!(status, Money::Declined | Money::Cancelled | Money::Refunded);
    let Some(order) = order else {
        let hold = case.hold.number();
        let what = format!("payment {reference} of hold {hold}: {}, and no order", status.as_str());
        return (!is_ended).then_some(what);
    };
    let is_right = match order.status {
        OrderStatus::Paid => status == Money::Captured && payment.total == order.what.total,
        OrderStatus::Refunded => status == Money::Refunded,
        OrderStatus::Void => is_ended,
        OrderStatus::Authorised => !is_ended,
    };
    let what = || {
        let (id, has) = (&order.what.id, order.status.as_str());
        format!("order {id}: {has}, but its payment {reference} is {}", status.as_str())
    };
    (!is_right).then(what)
}
