//! What came of a buyer's visit.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration::us;
use crate::series::Class;
use crate::wire::Hold;

/// What came of a buyer's visit. Times are counted from the start of the rush.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Buy {
    pub(crate) buyer: u32,
    /// The moment drawn for this buyer: their latency counts from here.
    #[serde(with = "us")]
    pub(crate) due: Duration,
    /// When the crowd got round to their first try.
    #[serde(with = "us")]
    pub(crate) started: Duration,
    /// When their last try was due: their moment, or that and the pauses they made.
    #[serde(with = "us")]
    pub(crate) tried: Duration,
    /// When their last try was begun.
    #[serde(with = "us")]
    pub(crate) asked: Duration,
    /// When the last byte of the last answer had come, or the buyer gave up.
    #[serde(with = "us")]
    pub(crate) ended: Duration,
    /// Whether every connection was taken when their turn came.
    pub(crate) waited: bool,
    /// Whether the server may have served a try without saying so.
    pub(crate) doubt: bool,
    /// Whether their last answer is a 429 to somebody who asked more often than they may.
    pub(crate) beyond_limit: bool,
    pub(crate) tries: Tries,
    /// Every answer to their tries.
    pub(crate) answers: Vec<Answered>,
    /// Every time they were told that there is no unit.
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) ending: Ending,
    pub(crate) given_back: Option<GivenBack>,
}

/// An answer to a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    #[serde(with = "us")]
    pub(crate) at: Duration,
    pub(crate) class: Class,
}

/// What it took to get an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tries {
    /// Times the buyer asked.
    pub(crate) asked: u32,
    /// Connections that failed and were tried again.
    pub(crate) connect: u32,
    /// Answers that said "come back later", after which they came back.
    pub(crate) comeback: u32,
    /// Tries given up since their time was over.
    pub(crate) late: u32,
    /// Answers 429 though the buyer had asked no more often than they may.
    pub(crate) limited_wrongly: u32,
}

/// How a visit ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ending {
    /// With a hold.
    Won(Hold),
    /// With one of the codes that say that there is no unit.
    Lost(String),
    /// With any other answer: its status and code.
    Refused(String),
    /// Without an answer, and why.
    Unanswered(String),
    /// The buyer did not wait for the answer.
    Vanished,
}

/// "There is no unit", told at some moment of this stretch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    #[serde(with = "us")]
    pub(crate) asked: Duration,
    #[serde(with = "us")]
    pub(crate) told: Duration,
    pub(crate) code: String,
}

/// A hold given back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GivenBack {
    #[serde(with = "us")]
    pub(crate) asked: Duration,
    #[serde(with = "us")]
    pub(crate) ended: Duration,
    pub(crate) said: Said,
}

/// What the server said to a hold given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Said {
    /// That it is.
    Yes,
    /// Something else: its status and code.
    No(String),
    /// Nothing, or nothing that tells whether it is.
    Unclear(String),
}

impl Buy {
    pub(crate) fn hold(&self) -> Option<&Hold> {
        match &self.ending {
            Ending::Won(hold) => Some(hold),
            _ => None,
        }
    }

    /// The hold, unless it was given back or may have been.
    pub(crate) fn kept(&self) -> Option<&Hold> {
        self.hold().filter(|_| self.given_back.is_none())
    }

    /// Whether the server said that the hold is given back.
    pub(crate) fn is_given_back(&self) -> bool {
        self.given_back.as_ref().is_some_and(|given| given.said == Said::Yes)
    }

    /// Whether only the server can tell what they have.
    pub(crate) fn is_unclear(&self) -> bool {
        match self.ending {
            Ending::Won(_) => self.given_back.as_ref().is_some_and(|given| given.said != Said::Yes),
            Ending::Lost(_) | Ending::Refused(_) | Ending::Unanswered(_) => self.doubt,
            Ending::Vanished => true,
        }
    }
}
