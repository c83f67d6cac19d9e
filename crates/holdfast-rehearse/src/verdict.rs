//! The verdict: what each buyer got, held against the promises, from outside.
//!
//! What is seen to be wrong is *broken*. What could not be seen is *unverified*, never assumed to
//! be right. No hold runs out before the verdict on the rush and nobody pays until then, which is
//! what makes its counts exact: a unit once held stays held until its buyer gives it back. Then
//! winners pay, and the verdict follows the money.

mod answers;
mod asked_again;
mod count;
mod finding;
mod money;
mod returned;
mod stretches;

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::timeout;

use crate::Options;
use crate::arrivals::sample;
use crate::crowd::{Buy, Ending, Rush};
use crate::exchange::{Answer, Ask, Failure};
use crate::options::VERDICT_SECONDS_MAX;
use crate::run::answer;
use crate::shop::Shop;
use crate::wire::{Audit, Hold};
use crate::words::counted;
use count::{Holders, Known};
use finding::Finding;
pub use money::MoneyCheck;
pub(crate) use money::follow as follow_money;

/// Requests of the verdict that are under way at a time.
const AT_A_TIME: usize = 64;
/// Differences of the server's audit that are repeated in the verdict.
const DIFFERENCES_MAX: usize = 10;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verdict {
    /// Promises seen to be broken.
    pub broken: Vec<Broken>,
    /// What could not be checked, and why.
    pub unverified: Vec<String>,
    /// How much was looked at.
    pub checked: Checked,
    /// Whether it was cut short; the report says so itself.
    #[serde(skip)]
    pub(crate) cut_short: bool,
    /// Whether the server was gone when it was to be asked again; the report says so itself.
    #[serde(skip)]
    pub(crate) server_gone: bool,
}

/// A promise seen to be broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Broken {
    /// Its number, 1 to 11, in the project's design.
    pub promise: u8,
    /// What was seen.
    pub what: String,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Checked {
    /// Winners who repeated their request, once with its key and once without.
    pub winners_repeated: u64,
    /// Winners who looked at their hold.
    pub winners_looked: u64,
    /// Losers who looked whether they hold something.
    pub losers_looked: u64,
    /// Buyers who were sent away (429, 503 `overloaded`, other refusals before anything was done,
    /// no connection) who looked whether they hold something.
    pub sent_away_looked: u64,
    /// Buyers without a clear answer (vanished, silence, an error, or a refusal after these) who
    /// looked whether they hold something.
    pub unclear_looked: u64,
    /// Those of them who do.
    pub unclear_holding: u64,
    /// Times that a buyer was told that there is no unit, each held against the units that were
    /// free at that moment.
    pub refusals_judged: u64,
    /// Buyers who looked at the hold that they had given back, and gave it back again.
    pub given_back_looked: u64,
    /// New buyers who asked for units that had come back and were free at the end.
    pub returned_asked: u64,
    /// Looks at the public view during the rush, each of which must add up.
    pub views_watched: u64,
    /// Whether the server's own audit was asked for and answered.
    pub audited: bool,
}

/// Everything a check needs.
struct Case<'a> {
    shop: &'a Arc<Shop>,
    options: &'a Options,
    rush: &'a Rush,
}

impl Case<'_> {
    fn buys(&self) -> impl Iterator<Item = &Buy> {
        self.rush.buys.iter()
    }

    /// Buyers who were given a hold, whether or not they gave it back.
    fn winners(&self) -> impl Iterator<Item = (&Buy, &Hold)> {
        self.buys().filter_map(|buy| Some((buy, buy.hold()?)))
    }

    /// Buyers who certainly have nothing.
    fn losers(&self) -> impl Iterator<Item = (&Buy, &str)> {
        self.buys().filter_map(|buy| match &buy.ending {
            Ending::Lost(code) if !buy.doubt => Some((buy, code.as_str())),
            _ => None,
        })
    }

    /// Buyers who were told something else, or could send nothing: they should have nothing either.
    fn sent_away(&self) -> impl Iterator<Item = (&Buy, &str)> {
        self.buys().filter_map(|buy| match &buy.ending {
            Ending::Refused(why) | Ending::Unanswered(why) if !buy.doubt => {
                Some((buy, why.as_str()))
            }
            _ => None,
        })
    }

    /// Everyone who has a hold at the end, as far as is known.
    fn holding<'a>(&'a self, known: &'a Known) -> impl Iterator<Item = (u32, &'a Hold)> {
        let kept = self.buys().filter_map(|buy| Some((buy.buyer, buy.kept()?)));
        kept.chain(known.found.iter().map(|(buyer, hold)| (*buyer, hold)))
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

/// Reaches the verdict on what the crowd got, while the sale is still open. Of a rush that was cut
/// short only the answers are judged: whoever is under way may hold what nobody knows of.
pub(crate) async fn reach(shop: &Arc<Shop>, options: &Options, rush: &Rush) -> Verdict {
    let case = Case { shop, options, rush };
    let mut verdict = Verdict::default();
    let limit = Duration::from_secs(u64::from(VERDICT_SECONDS_MAX));
    if rush.not_done > 0 {
        judge_answers(&case, &mut verdict);
        verdict.cut_short(&format!("{} were not done, and nobody was asked again", {
            counted(rush.not_done as u64, "buyer")
        }));
    } else {
        tokio::select! {
            () = options.stop.given() => verdict.cut_short("not all checks were made"),
            done = timeout(limit, inspect(&case, &mut verdict)) => if done.is_err() {
                let late = format!("not all checks were made within {VERDICT_SECONDS_MAX} s");
                verdict.unverified.push(late);
            },
        }
    }
    verdict.broken.sort_by_key(|broken| broken.promise);
    verdict
}

fn judge_answers(case: &Case<'_>, verdict: &mut Verdict) {
    answers::check(case, verdict);
    count::check_views(case, verdict);
}

fn judge_counts(case: &Case<'_>, known: &Known, verdict: &mut Verdict) {
    answers::one_hold_each(case, known, verdict);
    stretches::check(case, known, verdict);
    count::check(case, known, verdict);
}

async fn inspect(case: &Case<'_>, verdict: &mut Verdict) {
    judge_answers(case, verdict);
    if let Err(failure @ Failure::Connect(_)) = answer(case.shop, Ok(case.shop.view()), 0).await {
        verdict.server_gone = true;
        // One reason for everything that cannot be asked.
        let gone = "the server is gone, so that nothing could be asked again, nor its audit";
        verdict.unverified(&format!("{gone}: {failure}"));
        return judge_counts(case, &count::not_looked_up(case), verdict);
    }
    let mut known = count::look_up(case, verdict).await;
    judge_counts(case, &known, verdict);
    returned::look(case, verdict).await;
    returned::ask(case, &mut known, verdict).await;
    count::check_public_view(case, known.holders, verdict).await;
    asked_again::repeat(case, &known, verdict).await;
    asked_again::look(case, &known, verdict).await;
    asked_again::losers(case, verdict).await;
    asked_again::sent_away(case, verdict).await;
    audit(case, known.holders, verdict).await;
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
    verdict.take(&audit);
}

impl Verdict {
    /// Takes over what the server's own audit found.
    fn take(&mut self, audit: &Audit) {
        if audit.ok {
            return;
        }
        for difference in audit.differences.iter().take(DIFFERENCES_MAX) {
            self.broken(difference.promise, format!("the server's audit: {}", difference.what));
        }
        if audit.differences.is_empty() {
            self.broken(1, "the server's audit is not ok, and does not say why".into());
        }
    }

    fn broken(&mut self, promise: u8, what: String) {
        self.broken.push(Broken { promise, what });
    }

    pub(crate) fn cut_short(&mut self, what: &str) {
        self.cut_short = true;
        self.unverified(&format!("the rehearsal was cut short: {what}"));
    }

    fn unverified(&mut self, what: &str) {
        self.unverified.push(what.to_owned());
    }
}
