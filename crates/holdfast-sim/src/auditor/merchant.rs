//! What a merchant must be told, by the table of transitions (docs/transitions.md).

use holdfast_core::{
    CAPACITY_MAX, Command, Outcome, Refusal, SaleConfig, SaleView, Status, TierId,
};

use super::book::Book;
use super::promises::check;
use super::{Breach, Checks, Turn};
use crate::model::config::wrong_field;

/// Holds what a merchant was told against the book, and takes note of what is done.
pub(super) fn answer(
    book: &mut Book,
    command: &Command,
    outcome: Outcome,
    turn: &Turn,
    checks: &mut Checks,
) -> Result<(), Breach> {
    if !book.configure_asked || outcome == Outcome::Refused(Refusal::SaleNotFound) {
        let right = !book.configure_asked || book.view().is_none();
        let right = right && outcome == Outcome::Refused(Refusal::SaleNotFound);
        return check(10, right, checks, || format!("{command:?} was answered by {outcome:?}"));
    }
    // Of several commands in one turn nobody can say which state each of them met.
    if book.merchant_asks != 1 {
        return Ok(());
    }
    let statuses = book.statuses(turn);
    let right = match command {
        Command::Configure(config) => configured(book, config, outcome, &statuses),
        Command::SetCapacity { tier, capacity } => {
            resized(book, *tier, *capacity, outcome, &statuses, turn)
        }
        _ => {
            statuses.is_empty()
                || statuses.iter().any(|&from| moved(from, command) == outcome_of(outcome))
        }
    };
    check(10, right, checks, || {
        format!("{command:?} was answered by {outcome:?}; {statuses:?}, {:?}", book.last)
    })?;
    if !matches!(outcome, Outcome::Refused(_)) {
        book.done = Some(command.clone());
    }
    Ok(())
}

/// Where a move leads: to a status, or to nothing.
fn outcome_of(outcome: Outcome) -> Option<Option<Status>> {
    match outcome {
        Outcome::Moved(status) => Some(Some(status)),
        Outcome::Refused(Refusal::WrongState(_)) => Some(None),
        _ => None,
    }
}

/// The table of moves.
fn moved(from: Status, command: &Command) -> Option<Option<Status>> {
    use Status::{Closed, Open, Paused, Scheduled};
    Some(match (command, from) {
        (Command::Open, Scheduled | Open) | (Command::Resume, Paused | Open) => Some(Open),
        (Command::Pause, Open | Paused) => Some(Paused),
        (Command::Close, _) => Some(Closed),
        _ => None,
    })
}

fn configured(book: &Book, config: &SaleConfig, outcome: Outcome, statuses: &[Status]) -> bool {
    let wrong = wrong_field(config);
    match outcome {
        Outcome::Refused(Refusal::Invalid(invalid)) => {
            wrong.is_some_and(|path| path == invalid.path())
        }
        _ if wrong.is_some() => false,
        Outcome::Configured { created } => {
            let is_new = book.view().is_none();
            (is_new || !created) && (statuses.is_empty() || statuses.contains(&Status::Scheduled))
        }
        Outcome::Refused(Refusal::WrongState(_)) => {
            statuses.is_empty() || statuses.iter().any(|&status| status != Status::Scheduled)
        }
        _ => false,
    }
}

/// A capacity may be set unless the sale is closed or more units than that are taken; how many
/// are, is known up to what was asked for and what may have come back in this turn.
fn resized(
    book: &Book,
    id: TierId,
    capacity: u32,
    outcome: Outcome,
    statuses: &[Status],
    turn: &Turn,
) -> bool {
    let Some(view) = &book.last else { return true };
    let Some(tier) = view.tiers.iter().find(|tier| tier.config.id == id) else {
        return outcome == Outcome::Refused(Refusal::TierNotFound);
    };
    let asked = book.asked_units.get(&id).copied().unwrap_or(0);
    // What is withheld may be taken away: the ledger agrees to it.
    let taken = u64::from(tier.held + tier.sold);
    let withheld = tier.withheld > 0 || book.touched_in(id).count() > 0;
    let (least, most) = (taken.saturating_sub(book.may_return(tier, turn)), taken + asked);
    let closed = statuses.contains(&Status::Closed);
    let same = capacity == tier.config.capacity;
    match outcome {
        Outcome::Resized => same || (!closed && u64::from(capacity) >= least),
        Outcome::Refused(Refusal::WrongState(_)) => {
            (!same || withheld) && (closed || u64::from(capacity) < most)
        }
        Outcome::Refused(Refusal::Invalid(_)) => capacity > CAPACITY_MAX,
        _ => false,
    }
}

/// Promise 3: what the merchant was told is done shows at the end of the same turn.
pub(super) fn as_done(book: &Book, view: &SaleView, checks: &mut Checks) -> Result<(), Breach> {
    let Some(command) = &book.done else { return Ok(()) };
    let done = match command {
        Command::Configure(config) => {
            view.terms == config.terms
                && view.tiers.iter().map(|tier| &tier.config).eq(&config.tiers)
        }
        Command::SetCapacity { tier: id, capacity } => {
            let tier = view.tiers.iter().find(|tier| tier.config.id == *id);
            tier.is_some_and(|tier| tier.config.capacity == *capacity)
        }
        Command::Open | Command::Resume => view.status == Status::Open,
        Command::Pause => view.status == Status::Paused,
        Command::Close => view.status == Status::Closed,
        _ => true,
    };
    check(3, done, checks, || format!("{command:?} was done, and the sale is {view:?}"))
}
