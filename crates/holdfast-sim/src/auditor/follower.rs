//! Follows a sale's durable log as it grows, plays it through the naive model, and holds every
//! reply of the engine against it.

use std::collections::VecDeque;

use holdfast_core::{Command, HoldView, Sale, Stamp};
use holdfast_engine::{Answer, EngineError, Reply};
use holdfast_store::{LogInfo, Records, StoreError};

use super::promises::check;
use super::{Breach, Checks};
use crate::model::{Model, Verdict};

/// The longest step of the sale clock.
const STEP_MS: u64 = 500;

/// One sale's log, as far as it was read.
#[derive(Debug)]
pub struct Follower {
    model: Model,
    last: Stamp,
    /// What was asked since, in order, and what the engine said to it.
    asked: VecDeque<Asked>,
}

/// Something that was asked of the engine.
#[derive(Debug)]
struct Asked {
    command: Command,
    said: Said,
}

/// What the engine said.
#[derive(Debug)]
enum Said {
    /// An answer.
    Answer(Box<Answer>),
    /// That nothing was done.
    Nothing,
    /// Nothing that could be relied on: it may have been done.
    Unknown,
}

impl Default for Follower {
    fn default() -> Self {
        Self { model: Model::new(0), last: Stamp::default(), asked: VecDeque::new() }
    }
}

impl Follower {
    /// Takes note of what the engine said to a command, whether or not that arrived.
    pub fn hear(&mut self, command: &Command, reply: Option<&Reply>) {
        let said = match reply {
            Some(Ok(answer)) => Said::Answer(Box::new(answer.clone())),
            Some(Err(EngineError::Unavailable(_) | EngineError::Overloaded)) => Said::Nothing,
            Some(Err(_)) | None => Said::Unknown,
        };
        self.asked.push_back(Asked { command: command.clone(), said });
    }

    /// Reads what is new, and compares what was said. Must be called before anything unread is
    /// trimmed, and while nothing is wrong with the disk.
    ///
    /// # Errors
    /// Promise 3, if entries that were durable are gone or cannot be read; promise 8, if the sale
    /// clock went back or made a long step; promise 4, if an entry was never asked for; promises
    /// 2, 3 and 10, if the engine said something else than the naive model does.
    pub fn follow(
        &mut self,
        records: &dyn Records,
        log: &LogInfo,
        checks: &mut Checks,
    ) -> Result<(), Breach> {
        self.model.number(log.id.0);
        let entries = self.read(records, log, checks)?;
        let answers = self.pair(&entries, checks)?;
        self.compare_settled(&entries, checks)?;
        for ((stamp, command), answer) in entries.iter().zip(answers) {
            let verdict = self.model.apply(*stamp, command);
            self.last = *stamp;
            if let Some(answer) = answer {
                self.compare_answer(command, &answer, &verdict, checks)?;
            }
        }
        Ok(())
    }

    /// A sale without a log: whatever it answers, it must answer as one that does not exist.
    ///
    /// # Errors
    /// Promise 10.
    pub fn follow_nothing(&mut self, checks: &mut Checks) -> Result<(), Breach> {
        self.compare_settled(&[], checks)
    }

    /// What was asked of a process that is gone, and is not in the log by now, never will be.
    pub fn restarted(&mut self) {
        self.asked.clear();
    }

    /// The entries that are new.
    fn read(
        &self,
        records: &dyn Records,
        log: &LogInfo,
        checks: &mut Checks,
    ) -> Result<Vec<(Stamp, Command)>, Breach> {
        let after = self.last.sequence;
        check(3, log.last.sequence >= after, checks, || {
            format!("entry {after} was durable, the log ends at {}", log.last.sequence)
        })?;
        let (mut last, mut entries, mut found) = (self.last, Vec::new(), Ok(()));
        let read = records.read(log.id, after, &mut |stamp, bytes| {
            let (epoch, sequence) = (stamp.epoch.0, stamp.sequence);
            let stamp = Stamp { epoch, sequence, clock_ms: stamp.clock_ms };
            found = follows(last, stamp, checks).and_then(|()| {
                let command = Command::decode(bytes);
                let command = command.map_err(|error| Breach::new(3, error.to_string()))?;
                entries.push((stamp, command));
                Ok(())
            });
            last = stamp;
            found.is_ok()
        });
        found?;
        match read {
            Err(StoreError::Trimmed { trimmed, .. }) => {
                Err(Breach::new(3, format!("entries from {after} to {trimmed} were never read")))
            }
            Err(error) => Err(Breach::new(3, format!("a log cannot be read: {error}"))),
            Ok(_) => {
                check(3, last.sequence == log.last.sequence, checks, || {
                    format!("the log ends at {}, not {}", last.sequence, log.last.sequence)
                })?;
                Ok(entries)
            }
        }
    }

    /// Finds for each entry the answer that was given to it. Entries stand in the order in which
    /// they were asked for, but for those that were written only after what was due.
    fn pair(
        &mut self,
        entries: &[(Stamp, Command)],
        checks: &mut Checks,
    ) -> Result<Vec<Option<Box<Answer>>>, Breach> {
        let mut answers = Vec::new();
        for (number, (stamp, command)) in entries.iter().enumerate() {
            if matches!(command, Command::Tick { .. }) {
                answers.push(None);
                continue;
            }
            let place = self.place_of(command, &entries[..=number]);
            let found = place.and_then(|place| self.asked.remove(place)).map(|one| one.said);
            check(4, matches!(found, Some(Said::Answer(_) | Said::Unknown)), checks, || {
                format!("entry {}, {command:?}, was written and {found:?} said", stamp.sequence)
            })?;
            answers.push(match found {
                Some(Said::Answer(answer)) => Some(answer),
                _ => None,
            });
        }
        Ok(answers)
    }

    /// Where it was asked for what the last of these entries did. Of those who asked for the same
    /// it is whoever was told what came of it.
    fn place_of(&self, command: &Command, entries: &[(Stamp, Command)]) -> Option<usize> {
        let may_be_it = |one: &Asked| !matches!(one.said, Said::Nothing) && one.command == *command;
        let asked = self.asked.iter().enumerate();
        let places: Vec<_> = asked.filter(|(_, one)| may_be_it(one)).collect();
        if let [] | [_] = places[..] {
            return places.first().map(|(place, _)| *place);
        }
        let mut model = self.model.clone();
        let verdict = entries.iter().map(|(stamp, entry)| model.apply(*stamp, entry)).last();
        let clock_ms = entries.last().map_or(0, |(stamp, _)| stamp.clock_ms);
        let told = |one: &Asked| match &one.said {
            Said::Answer(answer) => Some(answer.clone()).filter(|answer| {
                Verdict::of(answer.outcome, answer.hold.map(|hold| hold.key)) == verdict
            }),
            Said::Nothing | Said::Unknown => None,
        };
        let saw = |hold: HoldView| model.hold_by_key(hold.key, clock_ms) == Some(hold);
        let exactly = |one: &Asked| told(one).is_some_and(|answer| answer.hold.is_none_or(saw));
        let nothing = |one: &Asked| matches!(one.said, Said::Unknown);
        let find = |is_it: &dyn Fn(&Asked) -> bool| places.iter().find(|(_, one)| is_it(one));
        let found = find(&exactly).or_else(|| find(&|one| told(one).is_some()));
        found.or_else(|| find(&nothing)).or(places.first()).map(|(place, _)| *place)
    }

    /// What was answered without an entry must be true before the new entries or after one of
    /// them. What the engine did not answer may still come.
    fn compare_settled(
        &mut self,
        entries: &[(Stamp, Command)],
        checks: &mut Checks,
    ) -> Result<(), Breach> {
        let mut left = VecDeque::new();
        for one in std::mem::take(&mut self.asked) {
            match one.said {
                Said::Answer(answer) => {
                    self.compare_one_settled(&one.command, &answer, entries, checks)?;
                }
                Said::Nothing => {}
                Said::Unknown => left.push_back(one),
            }
        }
        self.asked = left;
        Ok(())
    }

    fn compare_one_settled(
        &self,
        command: &Command,
        answer: &Answer,
        entries: &[(Stamp, Command)],
        checks: &mut Checks,
    ) -> Result<(), Breach> {
        let clock_ms = self.last.clock_ms;
        if is_right(&self.model, clock_ms, command, answer) {
            return check(10, true, checks, String::new);
        }
        let mut model = self.model.clone();
        let later = entries.iter().any(|(stamp, entry)| {
            model.apply(*stamp, entry);
            is_right(&model, stamp.clock_ms, command, answer)
        });
        let right = self.model.settled(clock_ms, command);
        let promise = if right.is_none() { 3 } else { 10 };
        check(promise, later, checks, || match right {
            None => format!("{command:?} was answered by {answer:?}, and nothing was written"),
            right => format!("{command:?} was answered by {answer:?}, by the log it is {right:?}"),
        })
    }

    fn compare_answer(
        &self,
        command: &Command,
        answer: &Answer,
        verdict: &Verdict,
        checks: &mut Checks,
    ) -> Result<(), Breach> {
        let said = Verdict::of(answer.outcome, answer.hold.map(|hold| hold.key));
        check(10, said.as_ref() == Some(verdict), checks, || {
            format!("{command:?} was answered by {said:?}, by the log it is {verdict:?}")
        })?;
        let Some(hold) = answer.hold else { return Ok(()) };
        let right = self.model.hold_by_key(hold.key, self.last.clock_ms);
        let same_ending = right.is_some_and(|right| right.status == hold.status);
        let promise = if same_ending { 10 } else { 2 };
        check(promise, right == Some(hold), checks, || format!("{hold:?} by the log is {right:?}"))
    }

    /// Compares the whole sale with the naive model after the same entries.
    ///
    /// # Errors
    /// Promise 1, if they differ; whatever the sale's own audit finds.
    pub fn compare(&self, sale: &Sale, checks: &mut Checks) -> Result<(), Breach> {
        let clock_ms = sale.last().clock_ms;
        let (at, read) = (sale.last().sequence, self.last.sequence);
        check(3, at == read, checks, || format!("it stands at entry {at}, its log at {read}"))?;
        let (engine, model) = (sale.view(clock_ms), self.model.view(clock_ms));
        check(1, engine == model, checks, || format!("{engine:?} by the log is {model:?}"))?;
        let holds: Vec<_> = sale.holds_after(None, usize::MAX, clock_ms).collect();
        let expected: Vec<_> = self.model.holds(clock_ms).collect();
        check(1, holds == expected, checks, || "its holds are not those of its log".to_owned())?;
        let open: Vec<_> = sale.open_payments().map(|hold| (hold, sale.note(hold))).collect();
        let expected = self.model.open_payments();
        check(5, open == expected, checks, || {
            format!("{open:?} are open, by the log {expected:?}")
        })?;
        match sale.audit().first() {
            Some(difference) => Err(Breach::new(difference.promise, difference.what.clone())),
            None => Ok(()),
        }
    }
}

/// Whether an entry may come after another.
fn follows(last: Stamp, stamp: Stamp, checks: &mut Checks) -> Result<(), Breach> {
    check(3, stamp.sequence == last.sequence + 1, checks, || {
        format!("entry {} comes after {}", stamp.sequence, last.sequence)
    })?;
    let steady = stamp.clock_ms >= last.clock_ms && stamp.clock_ms <= last.clock_ms + STEP_MS;
    check(8, steady, checks, || {
        let (from, to) = (last.clock_ms, stamp.clock_ms);
        format!("the sale clock went from {from} to {to} ms in one step")
    })
}

/// Whether an answer that changes nothing is what the model would say.
pub(crate) fn is_right(model: &Model, clock_ms: u64, command: &Command, answer: &Answer) -> bool {
    let said = Verdict::of(answer.outcome, answer.hold.map(|hold| hold.key));
    said.is_some()
        && said == model.settled(clock_ms, command)
        && answer.hold.is_none_or(|hold| is_as_seen(model, clock_ms, &hold))
}

/// Whether a hold is as the model has it, at most one step of the sale clock later.
fn is_as_seen(model: &Model, clock_ms: u64, hold: &HoldView) -> bool {
    let read_ms = model.seen_at_ms(hold).unwrap_or([clock_ms; 2]);
    read_ms.iter().any(|read_ms| {
        let in_time = hold.remaining_ms == 0 || (clock_ms..=clock_ms + STEP_MS).contains(read_ms);
        in_time && model.hold_by_key(hold.key, *read_ms) == Some(*hold)
    })
}
