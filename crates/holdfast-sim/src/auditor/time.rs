//! The buyer's time.

use holdfast_core::{HoldStatus, HoldView};

use super::asks::Asks;
use super::book::Told;
use super::promises::{ROUNDING_MS, STEP_MS, check, off_ms};
use super::{Breach, Checks, Turn};

/// What a hold's buyer has left at the end of a turn, at least: its time runs at most as fast as
/// the process's own, plus one step an outage.
pub(super) fn left_at_least_ms(told: &Told, turn: &Turn) -> u64 {
    told.left_ms.saturating_sub(may_have_passed_ms(told, turn))
}

/// The same, with the grace that a payment has; unless it is declined.
pub(super) fn lives_at_least_ms(told: &Told, turn: &Turn) -> u64 {
    (told.left_ms + told.grace_ms).saturating_sub(may_have_passed_ms(told, turn))
}

fn may_have_passed_ms(told: &Told, turn: &Turn) -> u64 {
    let up_ms = (turn.end.up_us - told.at.up_us).div_ceil(1_000);
    up_ms + (turn.end.outages - told.at.outages) * STEP_MS + ROUNDING_MS
}

/// Promise 8: a hold keeps its time; `expires_at` never comes earlier; and only time, its buyer or
/// the merchant ends it. By the wall it ends early by no more than somebody has set the wall back.
pub(super) fn the_buyers_time(
    told: &Told,
    view: &HoldView,
    asks: &Asks,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    // Its anchor is the highest since it was made, so the wall may be short of what it was told by
    // as much as somebody has set it back since then.
    let since_ms = turn.end.behind_ms - told.behind_ms;
    let ahead_ms = since_ms + off_ms(told.behind_ms);
    let left_ms = left_at_least_ms(told, turn);
    let who = || format!("{:?} of {}", view.key, view.buyer);
    match view.status {
        HoldStatus::Held | HoldStatus::Paying => {
            check(8, view.remaining_ms >= left_ms, checks, || {
                format!("{} has {} ms left, not {left_ms}", who(), view.remaining_ms)
            })?;
            let (before, now) = (told.view.expires_at_ms, view.expires_at_ms);
            check(8, now >= before, checks, || {
                format!("{} now expires at {now:?}, earlier than was said: {before:?}", who())
            })?;
            let latest_ms = turn.end.wall_ms + view.remaining_ms + ahead_ms + ROUNDING_MS;
            check(10, now.is_some_and(|now| now <= latest_ms), checks, || {
                format!("{} is told {now:?}, which is later than {latest_ms}", who())
            })
        }
        HoldStatus::Expired => {
            // A decline takes the grace, and nothing else.
            let payment = told.view.payment.filter(|_| told.view.status == HoldStatus::Paying);
            let declined = |attempt| asks.declines.contains(&(view.key, attempt));
            let payment = payment.filter(|payment| !declined(payment.attempt));
            let left_ms = if payment.is_some() { lives_at_least_ms(told, turn) } else { left_ms };
            check(8, left_ms == 0, checks, || format!("{} lost its last {left_ms} ms", who()))?;
            let told_ms = payment.and_then(|payment| payment.pay_by_ms);
            let told_ms = told_ms.or(told.view.expires_at_ms).unwrap_or(0);
            let early_ms = told_ms.saturating_sub(turn.end.wall_ms);
            check(8, early_ms <= ahead_ms + ROUNDING_MS, checks, || {
                format!("{} expired {early_ms} ms before the time it was told", who())
            })
        }
        HoldStatus::Cancelled => {
            check(8, told.cancel_asked, checks, || format!("nobody cancelled {}", who()))?;
            let payment = told.view.payment.filter(|_| told.view.status == HoldStatus::Paying);
            let declined = |attempt| asks.declines.contains(&(view.key, attempt));
            let may_end = payment.is_none_or(|payment| declined(payment.attempt));
            check(2, may_end, checks, || format!("{} was given back while it was paid", who()))
        }
        // That somebody confirmed it is its payment's matter.
        HoldStatus::Sold => Ok(()),
    }
}
