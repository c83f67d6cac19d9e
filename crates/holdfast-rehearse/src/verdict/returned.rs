//! What became of holds that were given back.

use super::{Case, Finding, Known, Verdict};
use crate::crowd::{Buy, Said};
use crate::shop::{Shop, buyer_name};
use crate::wire::Hold;

/// New buyers who ask for units that came back, at most.
const NEW_MAX: u64 = 50;

/// Promises 2 and 7: whoever gives a hold back has none, and may say so again.
pub(super) async fn look(case: &Case<'_>, verdict: &mut Verdict) {
    let mut taken = Finding::new(2, "buyers could not give their hold back");
    for (buy, given) in case.buys().filter_map(|buy| Some((buy, buy.given_back.as_ref()?))) {
        taken.see(!matches!(given.said, Said::No(_)), || match &given.said {
            Said::No(said) | Said::Unclear(said) => format!("{}: {said}", buyer_name(buy.buyer)),
            Said::Yes => String::new(),
        });
    }
    taken.conclude(verdict);

    let mut over = Finding::new(2, "buyers still have the hold that they gave back");
    let mut again = Finding::new(7, "buyers who gave their hold back twice were told otherwise");
    let gave = case.winners().filter(|(buy, _)| buy.is_given_back());
    let gave = case.some(gave.map(|(buy, hold)| (buy.buyer, hold)));
    let answers =
        case.each(&gave, |shop: &Shop, (buyer, hold)| (*buyer, shop.hold(*buyer, &hold.id)));
    for ((buyer, _), answer) in gave.iter().zip(answers.await) {
        match &answer {
            Ok(said) if said.status == 200 => {
                let found: Hold = serde_json::from_slice(&said.body).unwrap_or_default();
                over.see(found.status == "cancelled", || {
                    format!("{}, {}: {}", buyer_name(*buyer), found.id, found.status)
                });
            }
            _ => over.miss(&answer),
        }
    }
    verdict.checked.given_back_looked = over.conclude(verdict);
    let answers =
        case.each(&gave, |shop, (buyer, hold)| (*buyer, shop.give_back(*buyer, &hold.id)));
    for ((buyer, _), answer) in gave.iter().zip(answers.await) {
        match &answer {
            Ok(said) if !said.status.is_server_error() => again
                .see(said.status == 204, || format!("{}: {}", buyer_name(*buyer), said.summary())),
            _ => again.miss(&answer),
        }
    }
    again.conclude(verdict);
}

/// Promise 6: units that came back and that nobody has are there for whoever asks.
pub(super) async fn ask(case: &Case<'_>, known: &mut Known, verdict: &mut Verdict) {
    if !case.buys().any(Buy::is_given_back) {
        return;
    }
    let free = u64::from(case.options.capacity).saturating_sub(known.holders.most);
    let next = case.buys().map(|buy| buy.buyer + 1).max().unwrap_or_default();
    let new: Vec<_> =
        (next..).take(usize::try_from(free.min(NEW_MAX)).unwrap_or_default()).collect();
    let mut finding = Finding::new(6, "new buyers did not get a unit that had come back");
    for (buyer, answer) in
        new.iter().zip(case.each(&new, |shop, b| (*b, shop.reserve(*b, true))).await)
    {
        match &answer {
            Ok(said) if !said.status.is_server_error() => {
                finding.see(said.status == 201, || {
                    format!("{} was told {}", buyer_name(*buyer), said.summary())
                });
                known.holders.least += u64::from(said.status == 201);
                known.holders.most += u64::from(said.status.is_success());
            }
            _ => {
                known.holders.most += 1;
                finding.miss(&answer);
            }
        }
    }
    verdict.checked.returned_asked = finding.conclude(verdict);
}
