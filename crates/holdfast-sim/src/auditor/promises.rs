//! The promises, as things that can be checked. Each function says what it checks, and the number
//! of the promise is the one it counts and breaks.

use std::collections::BTreeMap;

use holdfast_core::{
    ANCHOR_TOLERANCE_MS, BuyerId, HoldKey, HoldStatus, HoldView, Outcome, SaleView, Status,
};
use holdfast_engine::{EngineError, Reply};

use super::book::{Book, Told};
use super::time::lives_at_least_ms;
use super::{Breach, Checks, Turn};

/// What an outage may cost a buyer: one step of the sale clock.
pub(super) const STEP_MS: u64 = 500;

/// How soon a unit is offered again after its deadline.
const RETURN_MS: u64 = 250;

/// Clocks are read in whole milliseconds, at both ends of what is measured.
pub(super) const ROUNDING_MS: u64 = 2;

/// Counts a check, and breaks the promise if it fails.
pub(super) fn check(
    promise: u8,
    holds: bool,
    checks: &mut Checks,
    what: impl FnOnce() -> String,
) -> Result<(), Breach> {
    checks[usize::from(promise)] += 1;
    if holds { Ok(()) } else { Err(Breach::new(promise, what())) }
}

/// Promise 1: in every tier free, held, sold and withheld units make its capacity.
pub(super) fn units_add_up(view: &SaleView, checks: &mut Checks) -> Result<(), Breach> {
    for tier in &view.tiers {
        let parts = [tier.free, tier.held, tier.sold, tier.withheld];
        let sum: u64 = parts.into_iter().map(u64::from).sum();
        check(1, sum == u64::from(tier.config.capacity), checks, || {
            format!("{}: {parts:?} do not make {}", tier.config.id, tier.config.capacity)
        })?;
    }
    Ok(())
}

/// Promises 1 and 6: the units on hold are those of the holds that buyers were told of. Fewer
/// would be sold again, more would be lost.
pub(super) fn held_is_what_was_told(
    book: &Book,
    view: &SaleView,
    checks: &mut Checks,
) -> Result<(), Breach> {
    for tier in &view.tiers {
        let told = book.open_units.get(&tier.config.id).copied().unwrap_or(0);
        let held = u64::from(tier.held);
        let what = || format!("{}: {held} units held, buyers have {told}", tier.config.id);
        check(1, held >= told, checks, what)?;
        check(6, held <= told, checks, what)?;
    }
    Ok(())
}

/// By how much the anchor may be ahead of the wall clock: not at all where that was never set
/// back, and a tick moves it where it is off by more than the tolerance.
pub(super) fn off_ms(behind_ms: u64) -> u64 {
    behind_ms.min(ANCHOR_TOLERANCE_MS)
}

/// Promise 10: whoever gets a hold is told the wall clock's time at which it ends.
pub(super) fn told_the_time(
    view: &HoldView,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let (start_ms, end_ms) = (turn.start.wall_ms, turn.end.wall_ms);
    let least_ms = start_ms - ANCHOR_TOLERANCE_MS - ROUNDING_MS + view.remaining_ms;
    let most_ms = end_ms + off_ms(turn.end.behind_ms) + ROUNDING_MS + view.remaining_ms;
    let true_word = view.expires_at_ms.is_some_and(|at| (least_ms..=most_ms).contains(&at));
    check(10, true_word, checks, || {
        format!("{view:?} is told a time that is not in {least_ms} to {most_ms}")
    })
}

/// Promise 10: a time at which a unit may come back is not later than the time that is seen at the
/// end of the same turn, but for the anchor's tolerance.
pub(super) fn returns_as_told(
    book: &Book,
    view: &SaleView,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    for (id, told_ms) in &book.returns {
        let tier = view.tiers.iter().find(|tier| tier.config.id == *id);
        let Some(next_ms) = tier.and_then(|tier| tier.next_return_at_ms) else { continue };
        if !book.is_steady(*id) {
            continue;
        }
        // A tick may have looked at the wall as long before it was stamped as the turn took.
        let took_ms = (turn.end.now_us - turn.start.now_us) / 1_000;
        let off_ms = off_ms(turn.end.behind_ms) + took_ms + ROUNDING_MS;
        check(10, *told_ms <= next_ms + off_ms, checks, || {
            format!("{id}: a unit was said to come back at {told_ms}, and now at {next_ms}")
        })?;
    }
    Ok(())
}

/// Promise 10: a unit can come back if and only if one is held, and then when the hold ends that
/// ends first, by the wall clock as it is now.
pub(super) fn next_return_is_true(
    book: &Book,
    view: &SaleView,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    for tier in &view.tiers {
        let (id, next_ms) = (tier.config.id, tier.next_return_at_ms);
        let least_ms = book.first_to_end(id).map(|told| lives_at_least_ms(told, turn)).min();
        // A restart gives back what was not durable.
        let given_back_ms = |told: &Told| (turn.end.outages - told.at.outages) * STEP_MS;
        let most_ms = |told: &Told| told.left_ms + told.more_ms + given_back_ms(told);
        let most_ms = book.first_to_end(id).map(most_ms).min();
        let right = match (least_ms.zip(most_ms), next_ms) {
            (None, next_ms) => next_ms.is_none(),
            (Some((least_ms, most_ms)), Some(next_ms)) => {
                let (least_ms, most_ms) =
                    (turn.start.wall_ms + least_ms, turn.end.wall_ms + most_ms);
                let ahead_ms = off_ms(turn.end.behind_ms) + ROUNDING_MS;
                let behind_ms = ANCHOR_TOLERANCE_MS + ROUNDING_MS;
                (least_ms - behind_ms..=most_ms + ahead_ms).contains(&next_ms)
            }
            (Some(_), None) => false,
        };
        check(10, right, checks, || {
            let first: Vec<_> = book.first_to_end(id).map(|told| told.view).collect();
            format!("{id}: the next unit comes back at {next_ms:?}, the first holds are {first:?}")
        })?;
    }
    Ok(())
}

/// Promise 2: a hold that has ended stays ended, the same way.
pub(super) fn one_ending(told: &Told, view: &HoldView, checks: &mut Checks) -> Result<(), Breach> {
    let Some(ended) = told.ended else { return Ok(()) };
    check(2, view.status == ended, checks, || {
        format!("{:?} of {} was {ended:?} and is {:?}", view.key, view.buyer, view.status)
    })
}

/// Promise 3: a hold that somebody was told of is there.
pub(super) fn still_there<'a>(
    key: HoldKey,
    view: Option<&'a HoldView>,
    checks: &mut Checks,
) -> Result<&'a HoldView, Breach> {
    let what = || format!("{key:?} is gone");
    check(3, view.is_some(), checks, what)?;
    view.ok_or_else(|| Breach::new(3, what()))
}

/// Promise 3: what was said of a hold stays true.
pub(super) fn same_facts(told: &Told, view: &HoldView, checks: &mut Checks) -> Result<(), Breach> {
    let facts = |view: &HoldView| (view.receipt, view.tier, view.quantity, view.buyer, view.total);
    check(3, facts(&told.view) == facts(view), checks, || {
        format!("{:?} was told, and now it is {view:?}", told.view)
    })
}

/// Promise 3: a sale that was seen is there.
pub(super) fn nothing_configured_is_lost(
    seen: Option<&SaleView>,
    checks: &mut Checks,
) -> Result<(), Breach> {
    check(3, seen.is_none(), checks, || "the sale is gone".to_owned())
}

/// Promise 3: only the merchant changes a sale; the schedule may open it.
pub(super) fn as_last_seen(
    book: &Book,
    view: &SaleView,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let Some(last) = book.view().filter(|_| !book.merchant_asked) else { return Ok(()) };
    let config = |view: &SaleView| {
        let tiers: Vec<_> = view.tiers.iter().map(|tier| tier.config.clone()).collect();
        (view.terms.clone(), tiers)
    };
    check(3, config(last) == config(view), checks, || {
        format!("nobody changed {last:?}, and now it is {view:?}")
    })?;
    // The wall clock may have been further ahead for a moment.
    let wall_ms = turn.end.wall_ms + turn.end.behind_ms;
    let opened = (last.status, view.status) == (Status::Scheduled, Status::Open)
        && view.terms.opens_at_ms.is_some_and(|opens_at_ms| opens_at_ms <= wall_ms);
    check(3, last.status == view.status || opened, checks, || {
        format!("it was {:?}, and nobody made it {:?}", last.status, view.status)
    })
}

/// Promise 4: whoever said that an outcome is unknown says nothing more until a restart.
pub(super) fn nothing_claimed_in_doubt(in_doubt: bool, checks: &mut Checks) -> Result<(), Breach> {
    check(4, !in_doubt, checks, || "an answer although the store is in doubt".to_owned())
}

/// Promise 4: it goes on by itself; where nothing is wrong, nothing is refused.
pub(super) fn no_refusal_without_reason(
    error: &EngineError,
    healthy: bool,
    checks: &mut Checks,
) -> Result<(), Breach> {
    check(4, !healthy, checks, || format!("nothing is wrong, and it says: {error}"))
}

/// Promise 4: an engine whose reign is over decides nothing.
pub(super) fn a_deposed_engine_claims_nothing(
    reply: &Reply,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let decided = match reply {
        Ok(answer) => !matches!(answer.outcome, Outcome::Refused(_)),
        Err(_) => false,
    };
    check(4, !decided, checks, || format!("an engine was deposed and says {reply:?}"))
}

/// Promise 4: what was refused was not done; nobody has a hold that they were not told of, unless
/// a reply was lost.
pub(super) fn no_hold_unasked(
    book: &Book,
    buyer: BuyerId,
    latest: Option<&HoldView>,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let known =
        latest.is_none_or(|view| book.told.contains_key(&view.key) || is_money_moved(book, view));
    check(4, known || book.is_unsure(&buyer), checks, || {
        format!("{buyer} was refused, and has {latest:?}")
    })?;
    check(3, latest.is_some() || !book.has_told(&buyer), checks, || {
        format!("{buyer} had holds and has none")
    })
}

/// Promise 4: a hold that nobody asked for is one that late money bought.
pub(super) fn no_order_unasked(
    book: &Book,
    view: &HoldView,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let known = book.told.contains_key(&view.key) || is_money_moved(book, view);
    check(4, known, checks, || format!("nobody asked for {view:?}"))
}

/// Whether a hold was made for money that came late for another.
pub(super) fn is_money_moved(book: &Book, view: &HoldView) -> bool {
    let from = view.payment.and_then(|payment| payment.linked);
    let from = from.and_then(|from| book.told.get(&from));
    view.status == HoldStatus::Sold
        && from.is_some_and(|from| {
            let moved = from.view.payment.and_then(|payment| payment.linked);
            let facts = |view: &HoldView| (view.buyer, view.tier, view.quantity);
            facts(&from.view) == facts(view) && moved.is_none_or(|to| to == view.key)
        })
}

/// Promise 6: a unit is offered again at most 250 ms after its deadline, with no traffic.
pub(super) fn returned_in_time(
    book: &Book,
    now_us: u64,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let Some((due_us, key)) = book.first_due() else { return Ok(()) };
    check(6, due_us + (RETURN_MS + ROUNDING_MS) * 1_000 >= now_us, checks, || {
        format!("{key:?} should have ended {} ms ago", (now_us - due_us) / 1_000)
    })
}

/// Promise 6: when every hold has ended, every unit is free.
pub(super) fn every_unit_is_back(book: &Book, checks: &mut Checks) -> Result<(), Breach> {
    check(6, book.open() == 0, checks, || format!("{} holds never ended", book.open()))?;
    for tier in book.view().iter().flat_map(|view| &view.tiers) {
        let sold = book.sold_units.get(&tier.config.id).copied().unwrap_or(0);
        let free = u64::from(tier.config.capacity - tier.withheld).checked_sub(sold);
        check(6, free == Some(tier.free.into()), checks, || {
            let (id, capacity) = (tier.config.id, tier.config.capacity);
            format!("{id}: all holds have ended, {} of {capacity} units are free", tier.free)
        })?;
    }
    Ok(())
}

/// Promises 7 and 9: a buyer has one live hold, and not more units than are allowed.
pub(super) fn one_live_hold_each<'a>(
    book: &Book,
    live: impl Iterator<Item = &'a HoldView>,
    view: &SaleView,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let mut each = BTreeMap::<BuyerId, (u32, u32)>::new();
    for hold in live {
        let (holds, units) = each.entry(hold.buyer).or_default();
        (*holds, *units) = (*holds + 1, *units + hold.quantity);
    }
    let max = view.terms.max_per_buyer;
    for (buyer, (holds, units)) in each {
        check(7, holds == 1, checks, || format!("{buyer} has {holds} live holds"))?;
        let orders = book.buyers.get(&buyer).map(|buyer| &buyer.orders);
        let ordered = orders.into_iter().flatten().filter_map(|key| book.told.get(key));
        let units = units + ordered.map(|told| told.view.quantity).sum::<u32>();
        check(9, units <= max, checks, || format!("{buyer} has {units} units of {max} allowed"))?;
    }
    Ok(())
}
