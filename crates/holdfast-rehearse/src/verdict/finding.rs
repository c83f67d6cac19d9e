//! One check over many buyers, told in one line: how many failed it, and the first that did.

use super::Verdict;
use crate::exchange::{Answer, Failure};

/// One check over many buyers.
pub(super) struct Finding {
    promise: u8,
    /// Whom it is about and what went wrong for them.
    what: &'static str,
    seen: u64,
    wrong: u64,
    first: String,
    unseen: u64,
    first_unseen: String,
}

impl Finding {
    /// A check of `promise`; `what` reads after "3 of 200 ".
    pub(super) fn new(promise: u8, what: &'static str) -> Self {
        let (first, first_unseen) = (String::new(), String::new());
        Self { promise, what, seen: 0, wrong: 0, first, unseen: 0, first_unseen }
    }

    /// One buyer for whom it is so or not; `example` says what was seen if it is not.
    pub(super) fn see(&mut self, right: bool, example: impl FnOnce() -> String) {
        self.seen += 1;
        if !right {
            if self.wrong == 0 {
                self.first = example();
            }
            self.wrong += 1;
        }
    }

    /// One buyer for whom it could not be seen, because there was no answer or a useless one.
    pub(super) fn miss(&mut self, answer: &Result<Answer, Failure>) {
        if self.unseen == 0 {
            self.first_unseen = match answer {
                Ok(answer) => answer.summary(),
                Err(failure) => failure.to_string(),
            };
        }
        self.unseen += 1;
    }

    /// Puts what was found into the verdict; returns how many buyers were seen.
    pub(super) fn conclude(self, verdict: &mut Verdict) -> u64 {
        let Self { promise, what, seen, wrong, first, unseen, first_unseen } = self;
        if wrong > 0 {
            verdict.broken(promise, format!("{wrong} of {seen} {what}; first: {first}"));
        }
        if unseen > 0 {
            let asked = seen + unseen;
            verdict.unverified(&format!(
                "whether {what}: {unseen} of {asked} could not be asked; first: {first_unseen}"
            ));
        }
        seen
    }
}
