//! What the buyers got.

use schemars::JsonSchema;
use serde::Serialize;

use crate::Verdict;
use crate::crowd::{Buy, Ending, Rush};
use crate::series::{Class, Series};
use crate::wire::Counts;

/// What the buyers got: `won + lost + refused + unanswered + vanished + not_done` is the number of
/// buyers.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Crowd {
    /// Units held when the last buyer was done, as far as buyers know: won and not given back, or
    /// found with who had no clear answer. New buyers of the verdict are not in it. Null if the
    /// server was gone: nobody holds anything there.
    pub held_at_end: Option<u64>,
    /// Told that they hold a unit, whether or not they gave it back: a unit that comes back can be
    /// won again.
    pub won: u64,
    /// The part of `won` whose hold the server took back from them.
    pub given_back: u64,
    /// Told, in the end, that there is no unit.
    pub lost: u64,
    /// The same, by the code they were told.
    pub lost_by_code: Counts,
    /// Told something else in the end.
    pub refused: u64,
    /// The same, by status and code.
    pub refused_by_answer: Counts,
    /// The part of `refused` that was told 429.
    pub limited: u64,
    /// Buyers who were told 429, in the end or before, though they had asked no more often than the
    /// server lets one: a failure.
    pub limited_wrongly: u64,
    /// The part of `limited` that had asked more often than the server lets one buyer: an honest
    /// refusal, and no failure.
    pub limited_rightly: u64,
    /// The part of `refused` that was told 503 `overloaded`.
    pub shed: u64,
    /// Told nothing.
    pub unanswered: u64,
    /// The same, by what went wrong.
    pub unanswered_by_reason: Counts,
    /// Went without waiting for their answer.
    pub vanished: u64,
    /// Not done, or not come yet, when the rehearsal was cut short.
    pub not_done: u64,
    /// Connections that failed and were tried again.
    pub connect_retries: u64,
    /// Answers that said when to come back, after which buyers did; not of bots, who heed nothing.
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
    /// 429.
    pub limited: u64,
    /// The part of `limited` whose buyers had asked no more often than the server lets one.
    pub limited_wrongly: u64,
    /// 503 `overloaded`.
    pub shed: u64,
    /// Any other answer.
    pub refused: u64,
    /// No answer.
    pub unanswered: u64,
    /// The part of `unanswered` that was given up since its time was over.
    pub late: u64,
}

impl Crowd {
    pub(super) fn count(rush: &Rush, verdict: &Verdict) -> Self {
        let mut crowd = Self {
            not_done: rush.not_done as u64,
            tries: Tries::count(&rush.series),
            ..Self::default()
        };
        for buy in &rush.buys {
            crowd.add(buy);
        }
        let kept = rush.buys.iter().filter(|buy| buy.kept().is_some()).count() as u64;
        let held = kept + verdict.checked.unclear_holding;
        crowd.held_at_end = (!verdict.server_gone).then_some(held);
        crowd
    }

    fn add(&mut self, buy: &Buy) {
        let (count, by) = match &buy.ending {
            Ending::Won(_) => (&mut self.won, None),
            Ending::Lost(code) => (&mut self.lost, Some((&mut self.lost_by_code, code))),
            Ending::Refused(answer) => {
                self.limited += u64::from(answer.starts_with("429"));
                self.limited_rightly += u64::from(buy.beyond_limit);
                self.shed += u64::from(answer == "503 overloaded");
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
        self.limited_wrongly += u64::from(buy.tries.limited_wrongly > 0);
        self.tries.late += u64::from(buy.tries.late);
        self.tries.limited_wrongly += u64::from(buy.tries.limited_wrongly);
        self.given_back += u64::from(buy.is_given_back());
        self.connect_retries += u64::from(buy.tries.connect);
        self.overloaded_retries += u64::from(buy.tries.comeback);
    }
}

impl Tries {
    fn count(series: &Series) -> Self {
        Self {
            begun: series.bins.iter().map(|bin| bin.tries).sum(),
            won: series.total(Class::Won),
            all_held: series.total(Class::AllHeld),
            sold_out: series.total(Class::SoldOut),
            limited: series.total(Class::Limited),
            limited_wrongly: 0,
            shed: series.total(Class::Shed),
            refused: series.total(Class::Refused),
            unanswered: series.total(Class::Unanswered),
            late: 0,
        }
    }
}
