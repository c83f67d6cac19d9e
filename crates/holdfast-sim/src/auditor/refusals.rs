//! What a refusal must be, given everything that was said before. Where what it rests on can have
//! changed between asking and answering, only what no moment in between allows is a lie.

use holdfast_core::{
    ANCHOR_TOLERANCE_MS, HOLDS_PER_BUYER_MAX, KEYS_PER_BUYER_MAX, Limit, PAY_QUEUE_MAX_MS,
    QUANTITY_MAX, Refusal, Reserve, SaleView, Status, TierView,
};
use holdfast_engine::Answer;

use super::book::Book;
use super::promises::{ROUNDING_MS, STEP_MS, check, off_ms};
use super::{Breach, Checks, Turn};

/// Promises 6, 9 and 10: a refusal says what is true. Nobody is refused what is free.
pub(super) fn honest(
    book: &mut Book,
    request: &Reserve,
    answer: &Answer,
    refusal: Refusal,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let in_range = (1..=QUANTITY_MAX).contains(&request.quantity);
    let true_word = match refusal {
        Refusal::SaleNotFound => book.view().is_none(),
        Refusal::Invalid(invalid) => !in_range && invalid.path() == "quantity",
        Refusal::LimitReached(limit) => return limit_reached(book, request, limit, checks),
        Refusal::HoldExists(_) => return hold_exists(request, answer, checks),
        // Nobody asked for a hold by its name, for a step, or for more holds than a sale keeps.
        Refusal::HoldNotFound | Refusal::WrongState(_) | Refusal::Full => false,
        // Held against the keys that were sent, with the answers that are no refusals.
        Refusal::KeyReused => request.key.is_some(),
        Refusal::Closed
        | Refusal::Paused
        | Refusal::NotOpen { .. }
        | Refusal::TierNotFound
        | Refusal::NotEnough { .. }
        | Refusal::AllHeld { .. }
        | Refusal::SoldOut => in_range,
    };
    check(10, true_word, checks, || format!("{request:?} was refused: {refusal:?}"))?;
    by_the_last_look(book, request, refusal, turn, checks)
}

/// Promise 9: a limit is reached where it stands, and not before. Every hold and key of a buyer is
/// known, but for those of requests that nobody answered.
fn limit_reached(
    book: &Book,
    request: &Reserve,
    limit: Limit,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let buyer = book.buyers.get(&request.buyer);
    let moved = book.touched_of(request.buyer).count();
    let holds = buyer.map_or(0, |buyer| buyer.holds + buyer.lost) + moved;
    let keys = buyer.map_or(0, |buyer| buyer.answered.len() + buyer.lost_keys);
    let right = match limit {
        Limit::Units => {
            let (_, ordered) = book.ordered(&request.buyer);
            book.max_per_buyer().is_none_or(|max| request.quantity + ordered > max)
        }
        Limit::Holds => holds >= usize::from(HOLDS_PER_BUYER_MAX),
        // Keys are forgotten at the close.
        Limit::Keys if book.close_asked => true,
        // Only a checkout is told that.
        Limit::Checkouts => false,
        Limit::Keys => request.key.is_some() && keys >= usize::from(KEYS_PER_BUYER_MAX),
    };
    check(9, right, checks, || {
        format!("{request:?} is beyond no limit, and {limit:?} reached; {holds} holds, {keys} keys")
    })
}

/// Promise 10: the hold that is in the way is this buyer's, lives, and is for something else.
fn hold_exists(request: &Reserve, answer: &Answer, checks: &mut Checks) -> Result<(), Breach> {
    let right = answer.hold.is_some_and(|hold| {
        let same = (hold.tier, hold.quantity) == (request.tier, request.quantity);
        hold.buyer == request.buyer && hold.status.is_live() && !same
    });
    check(10, right, checks, || format!("{:?} is in the way of {request:?}", answer.hold))
}

/// What rests on the sale's state, as it was before this turn and the merchant left it.
fn by_the_last_look(
    book: &mut Book,
    request: &Reserve,
    refusal: Refusal,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let Some(view) = book.settled_view() else { return Ok(()) };
    let statuses = book.statuses(turn);
    let may_be = |status| statuses.contains(&status);
    let tier = view.tiers.iter().find(|tier| tier.config.id == request.tier);
    let none =
        matches!(refusal, Refusal::SoldOut | Refusal::NotEnough { .. } | Refusal::AllHeld { .. });
    let (ordered, _) = book.ordered(&request.buyer);
    let in_limits =
        request.quantity + ordered <= view.terms.max_per_buyer && !has_all_holds(book, request);
    check(9, !none || in_limits, checks, || {
        format!("{request:?} is beyond a limit, and refused for {refusal:?}")
    })?;
    let true_word = match (refusal, tier) {
        (Refusal::TierNotFound, tier) => tier.is_none(),
        (_, None) => matches!(refusal, Refusal::Invalid(_)),
        (Refusal::Paused, _) => may_be(Status::Paused),
        (Refusal::Closed, _) => may_be(Status::Closed),
        (Refusal::NotOpen { opens_at_ms }, _) => {
            may_be(Status::Scheduled) && opens_at_ms == view.terms.opens_at_ms
        }
        (Refusal::NotEnough { .. } | Refusal::AllHeld { .. } | Refusal::SoldOut, Some(tier)) => {
            may_be(Status::Open) && availability(book, request, refusal, tier, turn)
        }
        _ => true,
    };
    check(10, true_word, checks, || format!("{request:?} was refused: {refusal:?}; {view:?}"))?;
    let asked = book.asked_units.get(&request.tier).copied().unwrap_or(0);
    let free = tier.map_or(0, |tier| u64::from(tier.free));
    check(6, !none || asked > free, checks, || {
        format!("{free} were free, {asked} were asked for, and {refusal:?}")
    })?;
    if let Refusal::AllHeld { next_return_at_ms: Some(next_ms) } = refusal {
        return_time(view, book, request, next_ms, turn, checks)?;
        book.returns.push((request.tier, next_ms));
    }
    Ok(())
}

/// Whoever has had all holds they may have is told that, whatever is free.
fn has_all_holds(book: &Book, request: &Reserve) -> bool {
    let holds = book.buyers.get(&request.buyer).map_or(0, |buyer| buyer.holds);
    holds >= usize::from(HOLDS_PER_BUYER_MAX)
}

/// Whether so many can have been free: fewer than before by no more than others asked for, more by
/// no more than may have come back.
fn availability(
    book: &Book,
    request: &Reserve,
    refusal: Refusal,
    tier: &TierView,
    turn: &Turn,
) -> bool {
    let asked = book.asked_units.get(&request.tier).copied().unwrap_or(0);
    let others = asked.saturating_sub(request.quantity.into());
    let touched = book.touched_in(tier.config.id).count() > 0;
    let before = u64::from(tier.free);
    match refusal {
        Refusal::NotEnough { free } => {
            let most = before + book.may_return(tier, turn);
            (1..request.quantity).contains(&free)
                && (before.saturating_sub(others)..=most).contains(&free.into())
        }
        Refusal::AllHeld { next_return_at_ms } => {
            let taken = u64::from(tier.held + tier.withheld);
            // What is withheld comes back nobody knows when.
            let withheld = tier.withheld > 0 || touched;
            others >= before
                && (taken + others > 0 || touched)
                && (next_return_at_ms.is_some() || withheld)
        }
        Refusal::SoldOut => {
            let paid = book.confirmed_units.get(&tier.config.id).copied().unwrap_or(0);
            u64::from(tier.sold) + paid >= u64::from(tier.config.capacity)
        }
        _ => true,
    }
}

/// Promise 10: the time at which a unit may come back has not passed, is no later than a new
/// hold's would be, and is not before the time that was seen before, if nobody set the wall back.
fn return_time(
    view: &SaleView,
    book: &Book,
    request: &Reserve,
    next_ms: u64,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let tier = view.tiers.iter().find(|tier| tier.config.id == request.tier);
    let before_ms = tier.and_then(|tier| tier.next_return_at_ms).unwrap_or(0);
    let is_steady = book.is_steady(request.tier);
    let before_ms = if is_steady { before_ms } else { 0 };
    let grace_ms = u64::from(view.terms.checkout_grace_seconds) * 1_000;
    let more_ms = if is_steady { 0 } else { grace_ms + u64::from(PAY_QUEUE_MAX_MS) };
    let off_ms = off_ms(turn.end.behind_ms);
    // A process that is stopped between looking at the wall and stamping the tick puts the anchor
    // one step too low, until the next tick.
    let stopped_ms = (turn.end.outages - turn.start.outages) * STEP_MS;
    let back_ms = turn.end.behind_ms - book.behind_at_look_ms + stopped_ms + off_ms + ROUNDING_MS;
    // The wall may have been set back before or after the turn looked at it.
    let stepped_ms = turn.end.behind_ms - turn.start.behind_ms;
    let not_past_ms = turn.start.wall_ms - stepped_ms - ANCHOR_TOLERANCE_MS - ROUNDING_MS;
    let least_ms = before_ms.saturating_sub(back_ms).max(not_past_ms);
    let all_ms = u64::from(view.terms.hold_seconds) * 1_000 + more_ms;
    let most_ms = turn.end.wall_ms + stepped_ms + all_ms + off_ms + ROUNDING_MS;
    check(10, (least_ms..=most_ms).contains(&next_ms), checks, || {
        format!("a unit comes back at {next_ms}, which is not in {least_ms} to {most_ms}")
    })
}
