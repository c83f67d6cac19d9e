//! What the clients of one sale were told, and where its log stood when they were.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::{Command, HoldKey, HoldView};
use holdfast_engine::{Answer, EngineError, Reply};

use super::server::Seen;

/// Something that clients were told. It rests on the log somewhere between two places: all that anybody
/// was told before, and all that the node knew when it said it.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) node: usize,
    pub(super) low: u64,
    pub(super) end: u64,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// What came of a command.
    Answer(Box<(Command, Answer)>),
    /// What a look showed.
    Look(Box<Seen>),
}

/// Everything that was said of one sale.
#[derive(Default)]
pub(super) struct Book {
    pub(super) said: Vec<Said>,
    /// The furthest place that anything that was said can rest on.
    known: u64,
    /// How often each command was asked so that it may have been done.
    pub(super) may_be_done: BTreeMap<Vec<u8>, usize>,
    /// Holds that clients were told live, as they were first told.
    pub(super) told: BTreeMap<HoldKey, HoldView>,
    /// Holds that their clients, or the merchant, may have ended.
    pub(super) unwanted: BTreeSet<HoldKey>,
    pub(super) answered: usize,
    pub(super) refused: usize,
    pub(super) unknown: usize,
}

impl Book {
    /// What is asked, before any reply.
    pub(super) fn note(&mut self, command: &Command) {
        if let Some(hold) = command.hold().filter(|_| !matches!(command, Command::Claim { .. })) {
            self.unwanted.insert(hold);
        }
    }

    /// The replies to one turn of a node, which knew the log up to `end` after it.
    pub(super) fn hear(&mut self, node: usize, end: u64, turn: Vec<(Command, Option<Reply>)>) {
        let low = self.known;
        for (command, reply) in turn {
            match &reply {
                Some(Ok(_)) => self.answered += 1,
                Some(Err(EngineError::Unavailable(_) | EngineError::Overloaded)) => {
                    self.refused += 1;
                    continue;
                }
                _ => self.unknown += 1,
            }
            let mut bytes = Vec::new();
            command.encode(&mut bytes);
            *self.may_be_done.entry(bytes).or_default() += 1;
            let Some(Ok(answer)) = reply else { continue };
            self.known = self.known.max(end);
            if let Some(hold) = answer.hold.filter(|hold| hold.status.is_live()) {
                self.told.entry(hold.key).or_insert(hold);
            }
            let what = What::Answer(Box::new((command, answer)));
            self.said.push(Said { node, low, end, what });
        }
    }

    /// What a look at the end of the same turn showed.
    pub(super) fn look(&mut self, node: usize, low: u64, seen: Seen) {
        let end = seen.last.sequence;
        self.known = self.known.max(end);
        self.said.push(Said { node, low, end, what: What::Look(Box::new(seen)) });
    }

    /// Whether anything waited for the clock at the last look, and how far that had come.
    pub(super) fn last_look(&self) -> Option<(bool, u64)> {
        let look = self.said.iter().rev().find_map(|said| match &said.what {
            What::Look(seen) => Some(seen),
            What::Answer(_) => None,
        })?;
        let is_held = look.view.tiers.iter().any(|tier| tier.held > 0);
        Some((is_held || look.view.doubt_until_ms.is_some(), look.clock_ms))
    }

    /// The furthest place that anything that was said so far can rest on.
    pub(super) fn known(&self) -> u64 {
        self.known
    }
}
