//! Holds what clients were told against the log as it is in the end, played through the naive rules.

use std::collections::BTreeMap;

use holdfast_core::{Command, HoldView, Sale, Stamp};

use super::book::{Book, Said, What};
use crate::auditor::{Breach, is_right};
use crate::model::{Model, Verdict};

/// The longest step of the sale clock, in milliseconds.
const STEP_MS: u64 = 500;

/// How late a hold may end on the sale clock: a heartbeat, and a step after an outage.
const LATE_MS: u64 = 250 + STEP_MS + 60;

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Things that were said and found to be true.
    pub(super) true_words: usize,
    /// Things that were said and were lost within a doubt.
    pub(super) lost: usize,
    pub(super) doubts: usize,
    /// Lost holds that are there again.
    pub(super) claimed: usize,
    pub(super) restored: usize,
}

/// A log, one entry after the other.
pub(super) type Log = [(Stamp, Command)];

/// Holds a book against the log. Returns what the naive rules make of that.
pub(super) fn judge(number: u32, log: &Log, book: &Book) -> Result<(Model, Tally), Breach> {
    in_order(log)?;
    nothing_unasked(log, book)?;
    let losses = losses(log);
    let mut judge = Judge {
        losses: &losses,
        book,
        model: Model::new(number),
        tally: Tally { doubts: losses.len(), ..Tally::default() },
    };
    let mut said: Vec<&Said> = book.said.iter().collect();
    said.sort_by_key(|said| said.low);
    let mut coming = said.into_iter().peekable();
    let mut open: Vec<&Said> = Vec::new();
    for at in 0..=log.len() {
        let entry = at.checked_sub(1).map(|at| &log[at]);
        let verdict = entry.map(|(stamp, command)| judge.apply(*stamp, command)).transpose()?;
        let until = log.get(at).map_or(u64::MAX, |(stamp, _)| stamp.sequence);
        while let Some(said) = coming.next_if(|said| said.low < until) {
            open.push(said);
        }
        let mut left = Vec::new();
        for said in open {
            if judge.is_true(said, entry.zip(verdict.as_ref())) {
                judge.tally.true_words += 1;
            } else if said.end < until {
                judge.untrue(said)?;
            } else {
                left.push(said);
            }
        }
        open = left;
    }
    Ok((judge.model, judge.tally))
}

struct Judge<'a> {
    losses: &'a [Loss],
    book: &'a Book,
    model: Model,
    tally: Tally,
}

/// Entries from the first to before the last sequence may be lost.
struct Loss {
    first: u64,
    last: u64,
}

fn losses(log: &Log) -> Vec<Loss> {
    let loss = |(stamp, command): &(Stamp, Command)| match command {
        Command::Doubt { first_lost, .. } => {
            Some(Loss { first: *first_lost, last: stamp.sequence })
        }
        _ => None,
    };
    log.iter().filter_map(loss).collect()
}

impl Judge<'_> {
    fn apply(&mut self, stamp: Stamp, command: &Command) -> Result<Verdict, Breach> {
        let verdict = self.model.apply(stamp, command);
        match verdict {
            Verdict::Claimed(_) => self.tally.claimed += 1,
            Verdict::Restored(_) => self.tally.restored += 1,
            Verdict::Reserved(_) => self.no_unit_of_a_lost_hold(stamp, command)?,
            _ => {}
        }
        if let Some(late) = self.model.overdue(stamp.clock_ms.saturating_sub(LATE_MS)) {
            let what = format!("at {stamp:?} the hold {late:?} is overdue");
            return Err(Breach::new(6, what));
        }
        Ok(verdict)
    }

    /// Promise 4: whoever gets a unit after a loss, no lost hold may still live by what it was told.
    fn no_unit_of_a_lost_hold(&self, stamp: Stamp, command: &Command) -> Result<(), Breach> {
        let Command::Reserve(request) = command else { return Ok(()) };
        let is_lost = |hold: &HoldView| {
            let sequence = hold.key.sequence();
            let mut before = self.losses.iter().filter(|loss| loss.last <= stamp.sequence);
            before.any(|loss| (loss.first..loss.last).contains(&sequence))
                && self.model.hold_by_key(hold.key, stamp.clock_ms).is_none()
        };
        let told = self.book.told.values().filter(|hold| hold.tier == request.tier);
        let mut living = told.filter(|hold| hold.receipt.deadline_ms > stamp.clock_ms);
        let lost = living.find(|hold| !self.book.unwanted.contains(&hold.key) && is_lost(hold));
        match lost {
            Some(hold) => {
                let what = format!("{request:?} got a unit at {stamp:?}, and {hold:?} was lost");
                Err(Breach::new(4, what))
            }
            None => Ok(()),
        }
    }

    /// Whether something that was said is true of the log as it stands now, after this entry.
    fn is_true(&self, said: &Said, entry: Option<(&(Stamp, Command), &Verdict)>) -> bool {
        let clock_ms = entry.map_or(0, |((stamp, _), _)| stamp.clock_ms);
        match &said.what {
            What::Answer(answer) => {
                let (command, answer) = answer.as_ref();
                let written = entry
                    .filter(|((stamp, entry), _)| stamp.sequence > said.low && entry == command);
                let by_it = |(_, verdict): (_, &Verdict)| {
                    let word = Verdict::of(answer.outcome, answer.hold.map(|hold| hold.key));
                    let as_it_is =
                        |hold: HoldView| self.model.hold_by_key(hold.key, clock_ms) == Some(hold);
                    word.as_ref() == Some(verdict) && answer.hold.is_none_or(as_it_is)
                };
                written.is_some_and(by_it) || is_right(&self.model, clock_ms, command, answer)
            }
            What::Look(seen) => {
                let hold = |(key, hold): &(_, Option<HoldView>)| {
                    self.model.hold_by_key(*key, seen.clock_ms) == *hold
                };
                self.model.view(seen.clock_ms).as_ref() == Some(&seen.view)
                    && seen.holds.iter().all(hold)
            }
        }
    }

    /// Promise 3: what was said is true of the log, unless the log says itself that it may be lost.
    fn untrue(&mut self, said: &Said) -> Result<(), Breach> {
        if self.losses.iter().any(|loss| (loss.first..loss.last).contains(&said.end)) {
            self.tally.lost += 1;
            return Ok(());
        }
        let Said { node, low, end, what } = said;
        let place = format!("node {node} said between entries {low} and {end}");
        Err(Breach::new(3, format!("{place}, and it is not true: {what:?}")))
    }
}

/// Sequences grow, epochs and the clock never fall, and the clock makes no leap.
fn in_order(log: &Log) -> Result<(), Breach> {
    for pair in log.windows(2) {
        let (before, after) = (pair[0].0, pair[1].0);
        let jumps = matches!(pair[1].1, Command::Doubt { .. });
        let follows = after.sequence == before.sequence + 1
            || (jumps && after.sequence > before.sequence && after.epoch > before.epoch);
        if !follows || after.epoch < before.epoch {
            return Err(Breach::new(3, format!("{after:?} comes after {before:?}")));
        }
        if !(before.clock_ms..=before.clock_ms + STEP_MS).contains(&after.clock_ms) {
            return Err(Breach::new(8, format!("{after:?} comes after {before:?}")));
        }
    }
    Ok(())
}

/// Promise 4: what was refused was not done, and what nobody asked for neither.
fn nothing_unasked(log: &Log, book: &Book) -> Result<(), Breach> {
    let mut done = BTreeMap::<Vec<u8>, usize>::new();
    for (stamp, command) in log {
        if matches!(command, Command::Tick { .. } | Command::Doubt { .. }) {
            continue;
        }
        let mut bytes = Vec::new();
        command.encode(&mut bytes);
        let asked = book.may_be_done.get(&bytes).copied().unwrap_or(0);
        let times = done.entry(bytes).or_default();
        *times += 1;
        if *times > asked {
            let what = format!("entry {}, {command:?}, was not asked for", stamp.sequence);
            return Err(Breach::new(4, what));
        }
    }
    Ok(())
}

/// Promises 1 to 9, as far as the naive rules keep them: a node's sale is what they make of its log.
pub(super) fn compare(sale: &Sale, model: &Model) -> Result<(), Breach> {
    let clock_ms = sale.last().clock_ms;
    let (known, right) = (sale.view(clock_ms), model.view(clock_ms));
    if known != right {
        return Err(Breach::new(
            1,
            format!("a node has {known:?}, and by its log it is {right:?}"),
        ));
    }
    let holds: Vec<_> = sale.holds_after(None, usize::MAX, clock_ms).collect();
    if holds != model.holds(clock_ms).collect::<Vec<_>>() {
        return Err(Breach::new(1, "a node's holds are not those of its log"));
    }
    match sale.audit().first() {
        Some(difference) => Err(Breach::new(difference.promise, difference.what.clone())),
        None => Ok(()),
    }
}
