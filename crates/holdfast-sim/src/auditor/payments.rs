//! What may become of a payment, and of the hold that it is for.

use holdfast_core::{HoldStatus, HoldView, PAY_QUEUE_MAX_MS, PaymentStatus, PaymentView, SaleView};

use super::asks::Asks;
use super::book::{Book, Told};
use super::promises::check;
use super::{Breach, Checks, Turn};

/// Whether an order has its units.
pub(super) fn has_units(view: &HoldView) -> bool {
    let payment = view.payment.map(|payment| payment.status);
    view.status == HoldStatus::Sold
        && matches!(payment, Some(PaymentStatus::Authorised | PaymentStatus::Paid))
}

/// What a checkout adds to the buyer's time, as the hold itself shows it.
pub(super) fn grace_ms(view: &HoldView) -> u64 {
    let pay_by_ms = view.payment.and_then(|payment| payment.pay_by_ms);
    match (pay_by_ms, view.expires_at_ms) {
        (Some(pay_by_ms), Some(expires_at_ms)) => pay_by_ms.saturating_sub(expires_at_ms),
        _ => 0,
    }
}

/// How long a payment that has not been asked for may still wait, at most.
pub(super) fn wait_ms(view: &HoldView) -> u64 {
    let payment = view.payment.map(|payment| payment.status);
    let is_queued = payment == Some(PaymentStatus::Queued);
    if view.status.is_live() && is_queued { PAY_QUEUE_MAX_MS.into() } else { 0 }
}

/// Promises 2, 5 and 7: a payment goes on only where somebody says so, and never back; a hold has
/// as many of them as were asked for.
pub(super) fn goes_on(
    before: Option<&Told>,
    view: &HoldView,
    asks: &Asks,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let Some(now) = view.payment else {
        let had = before.and_then(|told| told.view.payment);
        let right = had.is_none() && !matches!(view.status, HoldStatus::Paying | HoldStatus::Sold);
        return check(2, right, checks, || format!("{had:?} is gone: {view:?}"));
    };
    check(5, fits(view.status, now), checks, || format!("{view:?} does not fit its payment"))?;
    let is_moved = view.status == HoldStatus::Sold && now.linked.is_some();
    let most = asks.payments_of(view.key) + usize::from(is_moved);
    check(7, usize::from(now.attempt) <= most, checks, || {
        format!("{:?} has had {} payments, {most} were asked for", view.key, now.attempt)
    })?;
    let was = before.and_then(|told| told.view.payment);
    let right = reaches(was, now) && is_asked_for(was, view, now, asks);
    check(5, right, checks, || format!("{was:?} has become {now:?}: {view:?}"))
}

/// A payment's state and its hold's belong together.
fn fits(hold: HoldStatus, payment: PaymentView) -> bool {
    use PaymentStatus as P;
    let right = match hold {
        HoldStatus::Held | HoldStatus::Cancelled => payment.status == P::Declined,
        HoldStatus::Paying => matches!(payment.status, P::Queued | P::Processing),
        HoldStatus::Expired => {
            matches!(payment.status, P::Processing | P::Declined | P::TooLate | P::Moved)
        }
        HoldStatus::Sold => {
            matches!(payment.status, P::Authorised | P::Paid | P::Void | P::Refunded)
        }
    };
    right && payment.pay_by_ms.is_some() == (hold == HoldStatus::Paying)
}

/// Whether a payment can be where it is now, by where it was.
fn reaches(was: Option<PaymentView>, now: PaymentView) -> bool {
    let Some(was) = was else { return true };
    if now.attempt != was.attempt {
        let over = [PaymentStatus::Queued, PaymentStatus::Processing, PaymentStatus::Declined];
        return now.attempt > was.attempt && over.contains(&was.status);
    }
    if was.status == now.status {
        return was.linked == now.linked;
    }
    use PaymentStatus as P;
    let later: &[P] = match was.status {
        P::Queued => &[
            P::Processing,
            P::Declined,
            P::TooLate,
            P::Moved,
            P::Authorised,
            P::Paid,
            P::Void,
            P::Refunded,
        ],
        P::Processing => {
            &[P::Declined, P::TooLate, P::Moved, P::Authorised, P::Paid, P::Void, P::Refunded]
        }
        P::TooLate => &[P::Declined],
        P::Authorised => &[P::Paid, P::Void, P::Refunded],
        P::Paid => &[P::Refunded],
        P::Declined | P::Moved | P::Void | P::Refunded => &[],
    };
    later.contains(&now.status)
}

/// Whether somebody has said what must have been said for a payment to be where it is.
fn is_asked_for(was: Option<PaymentView>, view: &HoldView, now: PaymentView, asks: &Asks) -> bool {
    use PaymentStatus as P;
    let this = (view.key, now.attempt);
    let is_same = was.is_some_and(|was| (was.status, was.attempt) == (now.status, now.attempt));
    let confirmed = match now.linked {
        Some(from) if view.status == HoldStatus::Sold => {
            asks.confirms.iter().any(|(hold, _)| *hold == from)
        }
        _ => asks.confirms.contains(&this),
    };
    match now.status {
        P::Queued => true,
        P::Processing => asks.calls.contains(&this),
        // What expires in the queue has never been asked for.
        P::Declined => {
            is_same || asks.declines.contains(&this) || view.status == HoldStatus::Expired
        }
        P::TooLate | P::Moved | P::Authorised => confirmed,
        P::Paid => confirmed && asks.pays.contains(&view.key),
        P::Void => confirmed && asks.voids.contains(&view.key),
        P::Refunded => {
            confirmed && asks.pays.contains(&view.key) && asks.refunds.contains(&view.key)
        }
    }
}

/// Promise 8: `pay_by` never comes earlier, and time in the queue is not the buyer's.
pub(super) fn the_payers_time(
    told: &Told,
    view: &HoldView,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let (Some(was), Some(now)) = (told.view.payment, view.payment) else { return Ok(()) };
    if told.view.status != HoldStatus::Paying || view.status != HoldStatus::Paying {
        return Ok(());
    }
    check(8, now.pay_by_ms >= was.pay_by_ms, checks, || {
        format!("{:?} was to be paid by {:?}, now by {:?}", view.key, was.pay_by_ms, now.pay_by_ms)
    })?;
    // Nobody can have waited longer than that since the run began.
    let is_short = turn.end.now_us < u64::from(PAY_QUEUE_MAX_MS) * 1_000;
    let is_queued = |payment: PaymentView| payment.status == PaymentStatus::Queued;
    if is_short && was.attempt == now.attempt && is_queued(was) && is_queued(now) {
        let (before, left) = (told.view.remaining_ms, view.remaining_ms);
        return check(8, left == before, checks, || {
            format!("{:?} waits, and had {before} ms left and now {left}", view.key)
        });
    }
    Ok(())
}

/// Promise 8: whoever is at the checkout has the sale's grace, and no more.
pub(super) fn the_sales_grace(
    hold: &HoldView,
    view: &SaleView,
    checks: &mut Checks,
) -> Result<(), Breach> {
    if hold.status != HoldStatus::Paying {
        return Ok(());
    }
    let right_ms = u64::from(view.terms.checkout_grace_seconds) * 1_000;
    check(8, grace_ms(hold) == right_ms, checks, || format!("{hold:?} has not {right_ms} ms"))
}

/// Promises 1 and 6: the units that are sold are those of the orders that somebody was told of;
/// and nothing is withheld that nobody withheld.
pub(super) fn sold_is_what_was_told(
    book: &Book,
    view: &SaleView,
    checks: &mut Checks,
) -> Result<(), Breach> {
    for tier in &view.tiers {
        let told = book.sold_units.get(&tier.config.id).copied().unwrap_or(0);
        let sold = u64::from(tier.sold);
        let what = || format!("{}: {sold} units sold, orders have {told}", tier.config.id);
        check(1, sold >= told, checks, what)?;
        check(6, sold <= told, checks, what)?;
    }
    Ok(())
}

/// Promise 6: nothing is withheld that nobody withheld.
pub(super) fn withheld_is_what_was_said(
    book: &Book,
    view: &SaleView,
    checks: &mut Checks,
) -> Result<(), Breach> {
    for tier in view.tiers.iter().filter(|tier| tier.withheld > 0) {
        let asked = book.asks.withheld.iter().filter_map(|key| book.told.get(key));
        let asked = asked.filter(|told| told.view.tier == tier.config.id);
        let most: u64 = asked.map(|told| u64::from(told.view.quantity)).sum();
        check(6, u64::from(tier.withheld) <= most, checks, || {
            format!("{}: {} units are withheld, not {most}", tier.config.id, tier.withheld)
        })?;
    }
    Ok(())
}
