//! What whoever goes to the checkout must be told, and the till.

use holdfast_core::{
    BuyerId, CHECKOUTS_PER_HOLD_MAX, Checkout, Command, HoldKey, HoldStatus, KEYS_PER_BUYER_MAX,
    Limit, NOTE_BYTES_MAX, Outcome, PaymentStatus, Refusal,
};
use holdfast_engine::Answer;

use super::asks::Use;
use super::book::Book;
use super::promises::check;
use super::replies::remember_key;
use super::{Breach, Checks, Turn};

/// Holds what a checkout came to against the book.
pub(super) fn checkout(
    book: &mut Book,
    asked: &Checkout,
    answer: &Answer,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    // Of a hold that nobody was told of nobody can say whose it is.
    let told = book.told.contains_key(&asked.hold);
    let allowed = is_allowed(book, asked.hold, asked.buyer);
    same_key_same_payment(book, asked, answer, checks)?;
    whoever_may_pay(book, asked, answer, turn, checks)?;
    let too_long = asked.note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES_MAX);
    let right = match answer.outcome {
        Outcome::CheckedOut(_) => {
            let hold = answer.hold.filter(|hold| hold.key == asked.hold);
            let has = hold.is_some_and(|hold| hold.payment.is_some());
            let lives = hold.is_some_and(|hold| {
                asked.key.is_some() || matches!(hold.status, HoldStatus::Paying | HoldStatus::Sold)
            });
            allowed && has && lives
        }
        Outcome::Refused(Refusal::HoldNotFound) => !allowed || !told,
        Outcome::Refused(Refusal::KeyReused) => asked.key.is_some(),
        Outcome::Refused(Refusal::Invalid(invalid)) => too_long && invalid.path() == "metadata",
        Outcome::Refused(Refusal::LimitReached(limit)) => is_at_limit(book, asked, limit),
        Outcome::Refused(Refusal::WrongState(_)) => allowed || !told,
        _ => false,
    };
    check(10, right, checks, || format!("{asked:?} was answered by {answer:?}"))?;
    // What is sold is the answer to whoever asks: their keys need not be remembered.
    let hold = answer.hold.filter(|hold| hold.status != HoldStatus::Sold);
    if let (Outcome::CheckedOut(_), Some(hold), Some(key)) = (answer.outcome, hold, asked.key) {
        let used = Use::Checkout { hold: asked.hold, note: asked.note.clone() };
        remember_key(book, hold.buyer, key, used, asked.hold, checks)?;
    }
    Ok(())
}

fn is_allowed(book: &Book, hold: HoldKey, buyer: Option<BuyerId>) -> bool {
    let owner = book.told.get(&hold).map(|told| told.view.buyer);
    owner.is_some_and(|owner| buyer.is_none_or(|buyer| buyer == owner))
}

fn is_at_limit(book: &Book, asked: &Checkout, limit: Limit) -> bool {
    let buyer = book.payer(asked).and_then(|buyer| book.buyers.get(&buyer));
    let keys = buyer.map_or(0, |buyer| buyer.answered.len() + buyer.lost_keys);
    match limit {
        Limit::Keys => {
            let at_limit = keys >= usize::from(KEYS_PER_BUYER_MAX);
            asked.key.is_some() && (book.close_asked || at_limit)
        }
        Limit::Checkouts => book.asks.payments_of(asked.hold) > usize::from(CHECKOUTS_PER_HOLD_MAX),
        Limit::Units | Limit::Holds => false,
    }
}

/// Promise 7: a key that was answered is answered the same; for anything else it is refused.
fn same_key_same_payment(
    book: &Book,
    asked: &Checkout,
    answer: &Answer,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let Some(key) = asked.key.filter(|_| !book.close_asked) else { return Ok(()) };
    let Some(buyer) = book.payer(asked).filter(|_| is_allowed(book, asked.hold, asked.buyer))
    else {
        return Ok(());
    };
    let Some(buyer) = book.buyers.get(&buyer) else { return Ok(()) };
    let reused = answer.outcome == Outcome::Refused(Refusal::KeyReused);
    let now = Use::Checkout { hold: asked.hold, note: asked.note.clone() };
    if let Some((_, used, _)) = buyer.answered.iter().find(|(known, ..)| *known == key) {
        let done = matches!(answer.outcome, Outcome::CheckedOut(_));
        let right = match used {
            used if *used == now => done,
            // What is done with keeps no note that could differ.
            Use::Checkout { hold, .. } if *hold == asked.hold => done || reused,
            Use::Checkout { .. } | Use::Reserve(_) => reused,
        };
        return check(7, right, checks, || format!("{used:?}, and {asked:?}: {answer:?}"));
    }
    if reused {
        let other = buyer.sent.iter().any(|(sent, other)| *sent == key && *other != now);
        return check(7, other, checks, || format!("the key of {asked:?} was never used"));
    }
    Ok(())
}

/// Promises 7 and 10: whoever certainly has a hold, in time or at the checkout, may pay.
fn whoever_may_pay(
    book: &Book,
    asked: &Checkout,
    answer: &Answer,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    // Somebody else may have gone to the checkout with it in this turn, and have been declined.
    let alone = book.touches(asked.hold) == 1;
    let allowed = is_allowed(book, asked.hold, asked.buyer);
    if !alone || !allowed || !book.has_time(&asked.hold, turn) {
        return Ok(());
    }
    let right = match answer.outcome {
        Outcome::CheckedOut(_) => answer.hold.is_some_and(|hold| hold.key == asked.hold),
        Outcome::Refused(refusal) => {
            matches!(refusal, Refusal::KeyReused | Refusal::Invalid(_) | Refusal::LimitReached(_))
        }
        _ => false,
    };
    check(7, right, checks, || format!("{asked:?} has time, and was answered by {answer:?}"))
}

/// Holds what the till was told against the book.
pub(super) fn told(
    book: &mut Book,
    command: &Command,
    answer: &Answer,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let Some(key) = command.hold() else { return Ok(()) };
    let (outcome, hold) = (answer.outcome, answer.hold);
    let payment = hold.and_then(|hold| hold.payment).map(|payment| payment.status);
    let is_it = hold.is_some_and(|hold| hold.key == key);
    let right = match (command, outcome) {
        (_, Outcome::Refused(Refusal::HoldNotFound)) => !book.told.contains_key(&key),
        (_, Outcome::Refused(Refusal::WrongState(_))) => true,
        (Command::Call { .. }, Outcome::CheckedOut(_)) => {
            is_it && payment == Some(PaymentStatus::Processing)
        }
        (Command::Decline { .. }, Outcome::Declined(_)) => {
            is_it && payment == Some(PaymentStatus::Declined)
        }
        (Command::Confirm { .. }, Outcome::Confirmed(_)) => {
            let linked = hold.and_then(|hold| hold.payment).and_then(|payment| payment.linked);
            (is_it || linked == Some(key))
                && hold.is_some_and(|hold| hold.status == HoldStatus::Sold)
        }
        (Command::Confirm { .. }, Outcome::TooLate(_)) => {
            is_it && payment == Some(PaymentStatus::TooLate)
        }
        (Command::Pay { .. }, Outcome::Recorded(_)) => {
            is_it && matches!(payment, Some(PaymentStatus::Paid | PaymentStatus::Refunded))
        }
        (Command::Void { .. }, Outcome::Recorded(_)) => {
            is_it && payment == Some(PaymentStatus::Void)
        }
        (Command::Refund { .. }, Outcome::Recorded(_)) => {
            is_it && payment == Some(PaymentStatus::Refunded)
        }
        _ => false,
    };
    check(10, right, checks, || format!("{command:?} was answered by {answer:?}"))?;
    if let Command::Confirm { attempt, .. } = command {
        confirmed(book, key, *attempt, answer, checks)?;
        money_in_time(book, key, *attempt, answer, turn, checks)?;
    }
    Ok(())
}

/// Promise 7: money buys one hold, and always the same one; what came too late stays so.
fn confirmed(
    book: &mut Book,
    key: HoldKey,
    attempt: u8,
    answer: &Answer,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let now = match answer.outcome {
        Outcome::Confirmed(_) => answer.hold.map(|hold| hold.key),
        _ => None,
    };
    let is_said = matches!(answer.outcome, Outcome::Confirmed(_) | Outcome::TooLate(_));
    let before = book.confirmed.get(&(key, attempt)).copied();
    let right = match before {
        None => true,
        Some(None) => now.is_none(),
        Some(hold) => now == hold,
    };
    check(7, right, checks, || {
        format!("{key:?}, {attempt}: confirmed as {before:?}, and now {answer:?}")
    })?;
    if is_said {
        book.confirmed.insert((key, attempt), now);
    }
    Ok(())
}

/// Promise 5: money that comes while its hold certainly lives buys it.
fn money_in_time(
    book: &Book,
    key: HoldKey,
    attempt: u8,
    answer: &Answer,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    let Some(told) = book.told_before(&key) else { return Ok(()) };
    let is_this = told.payment.is_some_and(|payment| payment.attempt == attempt);
    let paying = told.status == HoldStatus::Paying && is_this;
    if book.touches(key) != 1 || !paying || !book.lives_on(&key, turn) {
        return Ok(());
    }
    let sold = answer.hold.is_some_and(|hold| hold.key == key && hold.status == HoldStatus::Sold);
    let right = sold && matches!(answer.outcome, Outcome::Confirmed(_));
    check(5, right, checks, || format!("the money for {told:?} was in time, and {answer:?}"))
}
