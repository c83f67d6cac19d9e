//! What an answer must be, given everything that was said before.

use holdfast_core::{
    BuyerId, Command, HOLDS_PER_BUYER_MAX, HoldKey, HoldView, KEYS_PER_BUYER_MAX, KeyDigest, Limit,
    Outcome, QUANTITY_MAX, Refusal, Reserve, Status,
};
use holdfast_engine::Answer;

use super::asks::Use;
use super::book::{Book, Told};
use super::promises::check;
use super::{Breach, Checks, Turn, merchant, promises, refusals, till};

/// Holds an answer against the book, and enters it.
pub(super) fn answer(
    book: &mut Book,
    command: &Command,
    answer: &Answer,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    if let Some(hold) = &answer.hold {
        is_known(book, command, answer, hold, checks)?;
        book.sight(hold, turn, checks)?;
    }
    match command {
        Command::Reserve(request) => reserve(book, request, answer, turn, checks),
        Command::Cancel { hold, buyer } => cancel(book, *hold, *buyer, answer, checks),
        Command::Checkout(asked) => till::checkout(book, asked, answer, turn, checks),
        Command::Call { .. }
        | Command::Decline { .. }
        | Command::Confirm { .. }
        | Command::Pay { .. }
        | Command::Void { .. }
        | Command::Refund { .. } => till::told(book, command, answer, turn, checks),
        _ => merchant::answer(book, command, answer.outcome, turn, checks),
    }
}

/// Promise 7: a new hold is new; any other was told of before, unless its buyer lost a reply.
fn is_known(
    book: &Book,
    command: &Command,
    answer: &Answer,
    hold: &HoldView,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let told = book.told.contains_key(&hold.key);
    if let (Command::Reserve(_), Outcome::Reserved(_)) = (command, answer.outcome) {
        return check(7, !told, checks, || format!("{:?} was reserved twice", hold.key));
    }
    let lost = book.buyers.get(&hold.buyer).is_some_and(|buyer| buyer.lost > 0);
    let bought = matches!(command, Command::Confirm { .. }) && promises::is_money_moved(book, hold);
    check(7, told || lost || bought, checks, || format!("nobody was ever told of {hold:?}"))
}

/// Promises 2, 3 and 8: a hold that was told is found and ends, by its buyer or the merchant.
fn cancel(
    book: &Book,
    key: HoldKey,
    buyer: Option<BuyerId>,
    answer: &Answer,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let told = book.told.get(&key).map(|told| told.view.buyer);
    let allowed = told.is_some_and(|owner| buyer.is_none_or(|buyer| buyer == owner));
    match answer.outcome {
        Outcome::Cancelled(_) => {
            check(8, allowed && answer.hold.is_some_and(|view| view.key == key), checks, || {
                format!("{key:?} was cancelled by {buyer:?}, whose it is not: {answer:?}")
            })?;
            let ended = answer.hold.is_some_and(|view| !view.status.is_live());
            check(2, ended, checks, || format!("{key:?} was cancelled and lives"))
        }
        Outcome::Refused(Refusal::HoldNotFound) => {
            check(3, !allowed, checks, || format!("{key:?} was told, and is not found"))
        }
        Outcome::Refused(Refusal::WrongState(_)) => {
            let told = book.told.get(&key);
            let may_pay = |told: &Told| book.touches(key) > 1 || told.view.payment.is_some();
            check(2, told.is_none_or(may_pay), checks, || {
                format!("{key:?} is not at the checkout, and cannot be cancelled")
            })
        }
        outcome => check(10, false, checks, || format!("{key:?}, to cancel, is {outcome:?}")),
    }
}

fn reserve(
    book: &mut Book,
    request: &Reserve,
    answer: &Answer,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let (view, outcome) = (book.view(), answer.outcome);
    let out_of_range = !(1..=QUANTITY_MAX).contains(&request.quantity) && view.is_some();
    let is_refused = matches!(outcome, Outcome::Refused(Refusal::Invalid(_) | Refusal::KeyReused));
    check(10, !out_of_range || is_refused, checks, || {
        format!("{request:?} is out of range, and was answered by {outcome:?}")
    })?;
    same_request_same_answer(book, request, answer, checks)?;
    whoever_has_a_hold(book, request, answer, turn, checks)?;
    match outcome {
        Outcome::Reserved(_) | Outcome::Existing(_) => {
            let hold = answer.hold.as_ref();
            let hold = hold.ok_or_else(|| Breach::new(7, "a hold without a hold"))?;
            as_asked_for(book, request, hold, outcome, turn, checks)?;
            if matches!(outcome, Outcome::Reserved(_)) {
                book.made_now(hold.key, turn);
                promises::told_the_time(hold, turn, checks)?;
            }
            match request.key {
                Some(key) => {
                    let used = Use::Reserve(*request);
                    remember_key(book, request.buyer, key, used, hold.key, checks)
                }
                None => Ok(()),
            }
        }
        Outcome::Refused(refusal) => refusals::honest(book, request, answer, refusal, turn, checks),
        outcome => Err(Breach::new(7, format!("{request:?} was answered by {outcome:?}"))),
    }
}

/// Promise 9: a buyer uses so many keys and no more.
pub(super) fn remember_key(
    book: &mut Book,
    buyer: BuyerId,
    key: KeyDigest,
    used: Use,
    hold: HoldKey,
    checks: &mut Checks,
) -> Result<(), Breach> {
    if book.close_asked {
        return Ok(());
    }
    let answered = &mut book.buyers.entry(buyer).or_default().answered;
    if !answered.iter().any(|(known, ..)| *known == key) {
        answered.push((key, used, hold));
    }
    let most = usize::from(KEYS_PER_BUYER_MAX);
    check(9, answered.len() <= most, checks, || format!("{buyer} has more than {most} keys"))
}

/// Promises 7 and 10: whoever certainly has a hold gets that one again or is told of it. Only what
/// the contract puts before that may be said instead.
fn whoever_has_a_hold(
    book: &Book,
    request: &Reserve,
    answer: &Answer,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let Some(live) = book.surely_live(&request.buyer, turn) else { return Ok(()) };
    let same = (live.tier, live.quantity) == (request.tier, request.quantity);
    let right = match answer.outcome {
        Outcome::Existing(_) => true,
        Outcome::Refused(refusal) => match refusal {
            Refusal::Invalid(_) | Refusal::TierNotFound | Refusal::KeyReused => true,
            Refusal::LimitReached(Limit::Keys) => same && request.key.is_some(),
            Refusal::Closed | Refusal::Paused | Refusal::NotOpen { .. } => !same,
            Refusal::HoldExists(_) => !same && answer.hold.is_some_and(|hold| hold.key == live.key),
            _ => false,
        },
        _ => false,
    };
    check(7, right, checks, || {
        format!("{request:?} was answered by {:?}, and there is {live:?}", answer.outcome)
    })
}

/// Promise 7: a key that was answered is answered the same; for anything else it is refused. A key
/// is not refused that was never used for anything else.
fn same_request_same_answer(
    book: &Book,
    request: &Reserve,
    answer: &Answer,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let Some(key) = request.key.filter(|_| !book.close_asked) else { return Ok(()) };
    let Some(buyer) = book.buyers.get(&request.buyer) else { return Ok(()) };
    let same = |other: &Use| match other {
        Use::Reserve(other) => (other.tier, other.quantity) == (request.tier, request.quantity),
        Use::Checkout { .. } => false,
    };
    let outcome = answer.outcome;
    if let Some((_, first, hold)) = buyer.answered.iter().find(|(known, ..)| *known == key) {
        let right = if same(first) {
            matches!(outcome, Outcome::Existing(_))
                && answer.hold.is_some_and(|view| view.key == *hold)
        } else {
            outcome == Outcome::Refused(Refusal::KeyReused)
        };
        return check(7, right, checks, || {
            let what = "was answered with";
            format!("{first:?} {what} {hold:?}; {request:?} with {outcome:?} {:?}", answer.hold)
        });
    }
    if outcome == Outcome::Refused(Refusal::KeyReused) {
        let other = buyer.sent.iter().any(|(sent, other)| *sent == key && !same(other));
        return check(7, other, checks, || format!("the key of {request:?} was never used"));
    }
    Ok(())
}

/// Promises 7, 8 and 9: a hold is the one that was asked for, a new one has all its time, an old
/// one without a key is alive, and nobody gets more than is allowed.
fn as_asked_for(
    book: &Book,
    request: &Reserve,
    hold: &HoldView,
    outcome: Outcome,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let facts = (hold.buyer, hold.tier, hold.quantity);
    let right = facts == (request.buyer, request.tier, request.quantity);
    check(7, right, checks, || format!("{request:?} was answered with {hold:?}"))?;
    if matches!(outcome, Outcome::Existing(_)) {
        let alive = request.key.is_some() || hold.status.is_live();
        return check(7, alive, checks, || format!("{request:?} got the ended {hold:?}"));
    }
    let (holds, most) =
        (book.buyers.get(&hold.buyer).map_or(0, |buyer| buyer.holds), HOLDS_PER_BUYER_MAX);
    check(9, holds <= most.into(), checks, || format!("{} took {holds} holds", hold.buyer))?;
    let max = book.max_per_buyer().unwrap_or(u32::MAX);
    let (ordered, _) = book.ordered(&request.buyer);
    check(9, hold.quantity + ordered <= max, checks, || {
        format!("{request:?} of {max} allowed, and {ordered} ordered")
    })?;
    let Some(view) = book.settled_view() else { return Ok(()) };
    let all_ms = u64::from(view.terms.hold_seconds) * 1_000;
    check(8, hold.remaining_ms == all_ms, checks, || {
        format!("a new hold of {all_ms} ms has {} ms left", hold.remaining_ms)
    })?;
    let sells = book.statuses(turn).contains(&Status::Open);
    check(10, sells, checks, || format!("the sale is {:?} and sells", view.status))
}
