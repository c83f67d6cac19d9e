//! What the buyers got.

use schemars::JsonSchema;
use serde::Serialize;

use crate::crowd::{Buy, Ending, Rush};
use crate::series::{Class, Series};
use crate::wire::Counts;

/// What the buyers got: `won + lost + refused + unanswered + vanished` is the number of buyers.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Crowd {
    /// Told that they hold a unit.
    pub won: u64,
    /// Told, in the end, that there is no unit.
    pub lost: u64,
    /// The same, by the code they were told.
    pub lost_by_code: Counts,
    /// Told something else in the end.
    pub refused: u64,
    /// The same, by status and code.
    pub refused_by_answer: Counts,
    /// The part of `refused` that was told to come back later: 429, or 503 `overloaded`.
    pub shed: u64,
    /// Told nothing.
    pub unanswered: u64,
    /// The same, by what went wrong.
    pub unanswered_by_reason: Counts,
    /// Went without waiting for their answer.
    pub vanished: u64,
    /// Winners whose hold the server took back from them.
    pub given_back: u64,
    /// Connections that failed and were tried again.
    pub connect_retries: u64,
    /// Answers that said when to come back, and were followed by another try.
    pub overloaded_retries: u64,
    /// Every try, first ones and others.
    pub tries: Tries,
}

/// What the tries came to: a buyer makes one or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tries {
    /// Tries in all.
    pub begun: u64,
    /// A hold.
    pub won: u64,
    /// 409 `all_held`.
    pub all_held: u64,
    /// 409 `sold_out`.
    pub sold_out: u64,
    /// 429, or 503 `overloaded`.
    pub shed: u64,
    /// Any other answer.
    pub refused: u64,
    /// No answer.
    pub unanswered: u64,
}

impl Crowd {
    pub(super) fn count(rush: &Rush) -> Self {
        let mut crowd = Self { tries: Tries::count(&rush.series), ..Self::default() };
        for buy in &rush.buys {
            crowd.add(buy);
        }
        crowd
    }

    fn add(&mut self, buy: &Buy) {
        let (count, by) = match &buy.ending {
            Ending::Won(_) => (&mut self.won, None),
            Ending::Lost(code) => (&mut self.lost, Some((&mut self.lost_by_code, code))),
            Ending::Refused(answer) => {
                self.shed += u64::from(is_shed(answer));
                (&mut self.refused, Some((&mut self.refused_by_answer, answer)))
            }
            Ending::Unanswered(reason) => {
                (&mut self.unanswered, Some((&mut self.unanswered_by_reason, reason)))
            }
            Ending::Vanished => (&mut self.vanished, None),
        };
        *count += 1;
        if let Some((counts, key)) = by {
            *counts.entry(key.clone()).or_default() += 1;
        }
        self.given_back += u64::from(buy.is_given_back());
        self.connect_retries += u64::from(buy.tries.connect);
        self.overloaded_retries += u64::from(buy.tries.comeback);
    }
}

fn is_shed(answer: &str) -> bool {
    answer.starts_with("429") || answer == "503 overloaded"
}

impl Tries {
    fn count(series: &Series) -> Self {
        Self {
            begun: series.bins.iter().map(|bin| bin.tries).sum(),
            won: series.total(Class::Won),
            all_held: series.total(Class::AllHeld),
            sold_out: series.total(Class::SoldOut),
            shed: series.total(Class::Shed),
            refused: series.total(Class::Refused),
            unanswered: series.total(Class::Unanswered),
        }
    }
}
