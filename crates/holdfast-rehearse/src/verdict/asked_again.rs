//! What some of the buyers find when they come back.

use http::StatusCode;
use jiff::Timestamp;

use super::count::me;
use super::{Case, Finding, Known, Verdict};
use crate::crowd::Buy;
use crate::exchange::{Answer, Failure};
use crate::shop::{Shop, buyer_name};
use crate::wire::Hold;

/// Promise 7: whoever repeats a request gets the same hold, with its key and without.
pub(super) async fn repeat(case: &Case<'_>, known: &Known, verdict: &mut Verdict) {
    let ways = [
        (true, "winners who repeated their request with its key did not get their hold again"),
        (false, "winners who repeated their request without a key did not get their hold again"),
    ];
    let winners = case.some(case.holding(known));
    for (with_key, what) in ways {
        let mut finding = Finding::new(7, what);
        let ask = |shop: &Shop, (buyer, _): &(u32, &Hold)| (*buyer, shop.reserve(*buyer, with_key));
        for ((buyer, hold), answer) in winners.iter().zip(case.each(&winners, ask).await) {
            let Some(said) = clear(&answer) else {
                finding.miss(&answer);
                continue;
            };
            let again = read(said).map(|again| again.id).unwrap_or_default();
            finding.see(said.status == 200 && again == hold.id, || {
                let (name, summary) = (buyer_name(*buyer), said.summary());
                format!("{name} held {} and was answered {summary} {again}", hold.id)
            });
        }
        verdict.checked.winners_repeated = finding.conclude(verdict);
    }
}

/// Promises 3 and 8: what was said is still there, and ends no earlier than was said.
pub(super) async fn look(case: &Case<'_>, known: &Known, verdict: &mut Verdict) {
    let mut there = Finding::new(3, "winners who looked found no hold");
    let mut lasting = Finding::new(8, "winners found their hold ended, or ending earlier");
    let winners = case.some(case.holding(known));
    let answers = case.each(&winners, |shop, (buyer, hold)| (*buyer, shop.hold(*buyer, &hold.id)));
    for ((buyer, told), answer) in winners.iter().zip(answers.await) {
        let name = buyer_name(*buyer);
        let said = clear(&answer).filter(|said| matches!(said.status.as_u16(), 200 | 404));
        let Some(said) = said else {
            there.miss(&answer);
            continue;
        };
        let found = read(said).filter(|found| said.status == 200 && found.id == told.id);
        there.see(found.is_some(), || format!("{name}, {}: {}", told.id, said.summary()));
        if let Some(found) = found {
            let right = found.status == "held" && no_earlier(&found, told);
            lasting.see(right, || {
                let (now, then) = (&found.expires_at, &told.expires_at);
                format!("{name}: {} until {now}, and was told {then}", found.status)
            });
        }
    }
    verdict.checked.winners_looked = there.conclude(verdict);
    lasting.conclude(verdict);
}

/// Promise 10: whoever was told that there is no unit has none.
pub(super) async fn losers(case: &Case<'_>, verdict: &mut Verdict) {
    let finding = Finding::new(10, "losers hold a unit that they were told does not exist");
    verdict.checked.losers_looked = hold_none(case, case.losers(), finding, verdict).await;
}

/// Promise 10: whoever was sent away before anything was done has none either.
pub(super) async fn sent_away(case: &Case<'_>, verdict: &mut Verdict) {
    let finding = Finding::new(10, "buyers who were sent away hold a unit");
    verdict.checked.sent_away_looked = hold_none(case, case.sent_away(), finding, verdict).await;
}

async fn hold_none(
    case: &Case<'_>,
    buyers: impl Iterator<Item = (&Buy, &str)>,
    mut finding: Finding,
    verdict: &mut Verdict,
) -> u64 {
    let buyers = case.some(buyers);
    let answers = case.each(&buyers, |shop, (buy, _)| (buy.buyer, shop.me(buy.buyer))).await;
    for ((buy, code), answer) in buyers.iter().zip(answers) {
        match me(&answer) {
            Some(me) => finding.see(me.hold.is_none(), || {
                let id = me.hold.unwrap_or_default().id;
                format!("{} was told {code} and has {id}", buyer_name(buy.buyer))
            }),
            None => finding.miss(&answer),
        }
    }
    finding.conclude(verdict)
}

/// An answer that says something about the hold, and not about the server's health or its limits.
fn clear(answer: &Result<Answer, Failure>) -> Option<&Answer> {
    let is_clear = |answer: &&Answer| {
        !answer.status.is_server_error() && answer.status != StatusCode::TOO_MANY_REQUESTS
    };
    answer.as_ref().ok().filter(is_clear)
}

fn read(answer: &Answer) -> Option<Hold> {
    serde_json::from_slice(&answer.body).ok()
}

fn no_earlier(found: &Hold, told: &Hold) -> bool {
    let [found, told] = [found, told].map(|hold| hold.expires_at.parse::<Timestamp>());
    matches!((found, told), (Ok(found), Ok(told)) if found >= told)
}
