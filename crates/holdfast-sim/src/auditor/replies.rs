//! What an answer must be, given everything that was said before.

use holdfast_core::{Command, HoldStatus, HoldView, Outcome, Refusal, Reserve, Status};
use holdfast_engine::Answer;

use super::book::Book;
use super::promises::check;
use super::{Breach, Checks, Turn};

/// Holds an answer against the book, and enters it.
pub(super) fn answer(
    book: &mut Book,
    command: &Command,
    answer: &Answer,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    if let Some(hold) = &answer.hold {
        if let (Command::Reserve(_), Outcome::Reserved(_)) = (command, answer.outcome) {
            let is_new = !book.told.contains_key(&hold.key);
            check(7, is_new, checks, || format!("{:?} was reserved twice", hold.key))?;
        }
        book.sight(hold, turn, checks)?;
    }
    match command {
        Command::Reserve(request) => reserve(book, request, answer, turn, checks),
        Command::Cancel { hold, buyer } => {
            let told = book.told.get(hold).map(|told| told.view.buyer);
            let allowed = told.is_some_and(|owner| buyer.is_none_or(|buyer| buyer == owner));
            match answer.outcome {
                Outcome::Cancelled(_) => {
                    check(8, told.is_none() || allowed, checks, || {
                        format!("{hold:?} was cancelled by {buyer:?}, whose it is not")
                    })?;
                    let ended = answer.hold.is_some_and(|view| view.status != HoldStatus::Held);
                    check(2, ended, checks, || format!("{hold:?} was cancelled and lives"))
                }
                _ => check(3, !allowed, checks, || {
                    format!("{hold:?} was told, and is refused: {:?}", answer.outcome)
                }),
            }
        }
        _ => Ok(()),
    }
}

fn reserve(
    book: &mut Book,
    request: &Reserve,
    answer: &Answer,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    same_request_same_answer(book, request, answer, checks)?;
    match answer.outcome {
        Outcome::Reserved(_) | Outcome::Existing(_) => {
            let hold = answer.hold.as_ref();
            let hold = hold.ok_or_else(|| Breach::new(7, "a hold without a hold"))?;
            as_asked_for(book, request, hold, answer.outcome, checks)?;
            if let Some(key) = request.key.filter(|_| !book.close_asked) {
                let answered = &mut book.buyers.entry(request.buyer).or_default().answered;
                if !answered.iter().any(|(known, ..)| *known == key) {
                    answered.push((key, *request, hold.key));
                }
            }
            Ok(())
        }
        Outcome::Refused(refusal) => honest_words(book, request, refusal, turn, checks),
        outcome => Err(Breach::new(7, format!("{request:?} was answered by {outcome:?}"))),
    }
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
    let same = |other: &Reserve| (other.tier, other.quantity) == (request.tier, request.quantity);
    let outcome = answer.outcome;
    // A request that is out of range is refused before its key is looked at.
    if matches!(outcome, Outcome::Refused(Refusal::Invalid(_))) {
        return Ok(());
    }
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
    checks: &mut Checks,
) -> Result<(), Breach> {
    let facts = (hold.buyer, hold.tier, hold.quantity);
    let right = facts == (request.buyer, request.tier, request.quantity);
    check(7, right, checks, || format!("{request:?} was answered with {hold:?}"))?;
    if matches!(outcome, Outcome::Existing(_)) {
        let alive = request.key.is_some() || hold.status == HoldStatus::Held;
        return check(7, alive, checks, || format!("{request:?} got the ended {hold:?}"));
    }
    let Some(view) = book.settled_view() else { return Ok(()) };
    let max = view.terms.max_per_buyer;
    check(9, hold.quantity <= max, checks, || format!("{request:?} of {max} allowed"))?;
    let all_ms = u64::from(view.terms.hold_seconds) * 1_000;
    check(8, hold.remaining_ms == all_ms, checks, || {
        format!("a new hold of {all_ms} ms has {} ms left", hold.remaining_ms)
    })?;
    let sells = !matches!(view.status, Status::Paused | Status::Closed);
    check(10, sells, checks, || format!("the sale is {:?} and sells", view.status))
}

/// Promises 6 and 10: a refusal says what is true. Nobody is refused what is free.
fn honest_words(
    book: &Book,
    request: &Reserve,
    refusal: Refusal,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let Some(view) = book.settled_view() else { return Ok(()) };
    let Some(tier) = view.tiers.iter().find(|tier| tier.config.id == request.tier) else {
        return Ok(());
    };
    let true_word = match refusal {
        Refusal::SoldOut => tier.sold == tier.config.capacity,
        Refusal::NotEnough { free } => free > 0 && free < request.quantity,
        Refusal::AllHeld { next_return_at_ms } => next_return_at_ms.is_some(),
        Refusal::Paused => view.status == Status::Paused,
        Refusal::Closed => view.status == Status::Closed,
        Refusal::NotOpen { .. } => view.status == Status::Scheduled,
        Refusal::TierNotFound | Refusal::SaleNotFound => false,
        Refusal::LimitReached(_) | Refusal::HoldExists(_) | Refusal::HoldNotFound => true,
        Refusal::Invalid(_) => request.quantity == 0,
        Refusal::KeyReused | Refusal::WrongState(_) | Refusal::Full => true,
    };
    check(10, true_word, checks, || format!("{request:?} was refused: {refusal:?}; {view:?}"))?;
    let none =
        matches!(refusal, Refusal::SoldOut | Refusal::NotEnough { .. } | Refusal::AllHeld { .. });
    let asked = book.asked_units.get(&request.tier).copied().unwrap_or(0);
    let short = asked > u64::from(tier.free) || !turn.healthy;
    check(6, !none || short, checks, || {
        format!("{} were free, {asked} were asked for, and {refusal:?}", tier.free)
    })
}
