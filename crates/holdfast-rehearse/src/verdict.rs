//! The verdict: what each buyer got, held against the promises, from outside.
//!
//! What is seen to be wrong is *broken*. What could not be seen is *unverified*, never assumed to
//! be right. No hold runs out during a rehearsal and nobody pays, which is what makes the counts
//! exact: a unit once held stays held.

mod answers;
mod asked_again;
mod count;
mod finding;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use crate::Options;
use crate::crowd::{Buy, Ending};
use crate::exchange::{Answer, Ask, Failure};
use crate::options::VERDICT_SECONDS_MAX;
use crate::run::answer;
use crate::schedule::sample;
use crate::shop::Shop;
use crate::wire::{Audit, Hold};
use count::Holders;
use finding::Finding;

/// Requests of the verdict that are under way at a time.
const AT_A_TIME: usize = 64;
/// Differences of the server's audit that are repeated in the verdict.
const DIFFERENCES_MAX: usize = 10;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Promises seen to be broken.
    pub broken: Vec<Broken>,
    /// What could not be checked, and why.
    pub unverified: Vec<String>,
    /// How much was looked at.
    pub checked: Checked,
}

/// A promise seen to be broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Its number, 1 to 11, in the project's design.
    pub promise: u8,
    /// What was seen.
    pub what: String,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Winners who repeated their request, once with its key and once without.
    pub winners_repeated: u64,
    /// Winners who looked at their hold.
    pub winners_looked: u64,
    /// Losers who looked whether they hold something.
    pub losers_looked: u64,
    /// Refused and unanswered buyers who looked whether they hold something.
    pub unclear_looked: u64,
    /// Those of them who do.
    pub unclear_holding: u64,
    /// Whether the server's own audit was asked for and answered.
    pub audited: bool,
}

/// Everything a check needs.
struct Case<'a> {
    shop: &'a Arc<Shop>,
    options: &'a Options,
    buys: &'a [Buy],
}

impl Case<'_> {
    fn winners(&self) -> impl Iterator<Item = (&Buy, &Hold)> {
        self.buys.iter().filter_map(|buy| match &buy.ending {
            Ending::Won(hold) => Some((buy, hold)),
            _ => None,
        })
    }

    fn losers(&self) -> impl Iterator<Item = (&Buy, &str)> {
        self.buys.iter().filter_map(|buy| match &buy.ending {
            Ending::Lost(code) => Some((buy, code.as_str())),
            _ => None,
        })
    }

    /// Some of `items`, drawn from the seed; all if they are few.
    fn some<T>(&self, items: impl Iterator<Item = T>) -> Vec<T> {
        sample(self.options.seed, items.collect(), self.options.sample)
    }

    /// Asks for each of `items`, many at a time.
    async fn each<T>(
        &self,
        items: &[T],
        ask: impl Fn(&Shop, &T) -> (u32, Result<Ask, Failure>),
    ) -> Vec<Result<Answer, Failure>> {
        let mut answers = Vec::with_capacity(items.len());
        for few in items.chunks(AT_A_TIME) {
            let asked: Vec<_> = few
                .iter()
                .map(|item| {
                    let ((buyer, ask), shop) = (ask(self.shop, item), Arc::clone(self.shop));
                    tokio::spawn(async move { answer(&shop, ask, buyer).await })
                })
                .collect();
            for task in asked {
                let died = |error: tokio::task::JoinError| Err(Failure::Broken(error.to_string()));
                answers.push(task.await.unwrap_or_else(died));
            }
        }
        answers
    }
}

/// Reaches the verdict on what the crowd got, while the sale is still open.
pub(crate) async fn reach(shop: &Arc<Shop>, options: &Options, buys: &[Buy]) -> Verdict {
    let case = Case { shop, options, buys };
    let mut verdict = Verdict::default();
    let limit = Duration::from_secs(u64::from(VERDICT_SECONDS_MAX));
    if timeout(limit, inspect(&case, &mut verdict)).await.is_err() {
        let late = format!("the checks were stopped after {VERDICT_SECONDS_MAX} s, not all made");
        verdict.unverified.push(late);
    }
    verdict.broken.sort_by_key(|broken| broken.promise);
    verdict
}

async fn inspect(case: &Case<'_>, verdict: &mut Verdict) {
    answers::check(case, verdict);
    let holders = count::holders(case, verdict).await;
    count::check(case, holders, verdict);
    count::check_public_view(case, holders, verdict).await;
    asked_again::repeat(case, verdict).await;
    asked_again::look(case, verdict).await;
    asked_again::losers(case, verdict).await;
    audit(case, holders, verdict).await;
}

/// Asks the server for its own audit, which sees what nobody outside can.
async fn audit(case: &Case<'_>, holders: Holders, verdict: &mut Verdict) {
    let audit: Audit = match answer(case.shop, case.shop.audit(), 0).await {
        Err(failure) => return verdict.unverified(&format!("the server's audit: {failure}")),
        Ok(answer) => match serde_json::from_slice(&answer.body) {
            Ok(audit) if answer.status == 200 => audit,
            _ => {
                let summary = answer.summary();
                return verdict.unverified(&format!("the server's audit: it said {summary}"));
            }
        },
    };
    verdict.checked.audited = true;
    count::check_audit(audit.holds.held, holders, verdict);
    if audit.ok {
        return;
    }
    for difference in audit.differences.iter().take(DIFFERENCES_MAX) {
        verdict.broken(difference.promise, format!("the server's audit: {}", difference.what));
    }
    if audit.differences.is_empty() {
        verdict.broken(1, "the server's audit is not ok, and does not say why".into());
    }
}

impl Verdict {
    fn broken(&mut self, promise: u8, what: String) {
        self.broken.push(Broken { promise, what });
    }

    fn unverified(&mut self, what: &str) {
        self.unverified.push(what.to_owned());
    }
}
