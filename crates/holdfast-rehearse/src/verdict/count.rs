//! How many buyers hold a unit, against how many should and how many the server says there are.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::sleep;

use super::{Case, Finding, Verdict};
use crate::exchange::{Answer, Failure};
use crate::run::answer;
use crate::watch::tier;
use crate::wire::{Hold, Me, TierView};

/// Buyers without a clear answer who are looked up; of more than these, nothing is known.
const UNCLEAR_MAX: usize = 20_000;

/// Public views may be a quarter of a second old, and a second older in a cache: looks at it.
pub(super) const LOOKS: u32 = 5;
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(400);

/// How many buyers hold a unit: between `least` and `most`, since some may not be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Holders {
    pub(super) least: u64,
    pub(super) most: u64,
}

/// What is known of those who got no clear answer.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) holders: Holders,
    /// Those who were looked up and hold a unit.
    pub(super) found: Vec<(u32, Hold)>,
    /// Those who were looked up and hold none.
    pub(super) empty: HashSet<u32>,
    /// Those who were looked up since their giving back was not answered clearly.
    pub(super) gave_back: HashSet<u32>,
}

/// What is known without asking anybody: whoever got no clear answer may hold a unit.
pub(super) fn not_looked_up(case: &Case<'_>) -> Known {
    let kept = case.buys().filter(|buy| buy.kept().is_some()).count() as u64;
    let unclear: Vec<_> = case.buys().filter(|buy| buy.is_unclear()).collect();
    let gave_back = unclear.iter().filter(|buy| buy.given_back.is_some());
    let holders = Holders { least: kept, most: kept + unclear.len() as u64 };
    let gave_back = gave_back.map(|buy| buy.buyer).collect();
    Known { holders, gave_back, ..Known::default() }
}

/// Counts who holds a unit, and looks up those who got no clear answer: they may hold one too.
pub(super) async fn look_up(case: &Case<'_>, verdict: &mut Verdict) -> Known {
    let mut known = not_looked_up(case);
    let kept = known.holders.least;
    let unclear: Vec<_> = case.buys().filter(|buy| buy.is_unclear()).collect();
    let count = unclear.len() as u64;
    if unclear.len() > UNCLEAR_MAX {
        verdict.unverified(&format!("what {count} buyers without a clear answer hold: too many"));
        return known;
    }
    // Having a hold without knowing it breaks no promise: it is counted, not judged.
    let mut finding = Finding::new(7, "buyers without a clear answer hold a unit");
    let answers = case.each(&unclear, |shop, buy| (buy.buyer, shop.me(buy.buyer))).await;
    for (buy, answer) in unclear.iter().zip(answers) {
        match me(&answer) {
            Some(Me { hold }) => {
                finding.see(true, String::new);
                match hold {
                    Some(hold) => known.found.push((buy.buyer, hold)),
                    None => drop(known.empty.insert(buy.buyer)),
                }
            }
            None => finding.miss(&answer),
        }
    }
    let seen = finding.conclude(verdict);
    let holding = known.found.len() as u64;
    verdict.checked.unclear_looked = seen;
    verdict.checked.unclear_holding = holding;
    known.holders = Holders { least: kept + holding, most: kept + holding + count - seen };
    known
}

/// What a buyer has, if the answer says so.
pub(super) fn me(answer: &Result<Answer, Failure>) -> Option<Me> {
    let answer = answer.as_ref().ok().filter(|answer| answer.status == 200)?;
    serde_json::from_slice(&answer.body).ok()
}

/// Promises 1 and 6: exactly as many hold a unit as there are units, or buyers if those are fewer.
pub(super) fn check(case: &Case<'_>, known: &Known, verdict: &mut Verdict) {
    let capacity = u64::from(case.options.capacity);
    let Holders { least, most } = known.holders;
    if least > capacity {
        verdict.broken(1, format!("{least} buyers hold a unit, but there are {capacity}"));
    }
    if case.buys().any(|buy| buy.given_back.is_some()) {
        // A unit may have come back after everyone had asked; who asks for it now is another check.
        return;
    }
    let lost = case.losers().count() as u64;
    let due = capacity.min(least + lost);
    if most < due {
        verdict
            .broken(6, format!("{due} buyers should hold a unit, but {most} do, and {lost} lost"));
    }
}

/// Promise 1: every public view during the rush added up.
pub(super) fn check_views(case: &Case<'_>, verdict: &mut Verdict) {
    let mut finding = Finding::new(1, "public views during the rush did not add up");
    let samples = case.rush.watched.samples.iter();
    for (at, tier) in samples.filter_map(|sample| Some((sample.at, sample.tier?))) {
        finding.see(adds_up(tier), || format!("after {at:.1?}, {}", counts(tier)));
    }
    verdict.checked.views_watched = finding.conclude(verdict);
}

/// Promises 1, 6 and 10: the public view adds up, and says what the buyers know.
pub(super) async fn check_public_view(case: &Case<'_>, holders: Holders, verdict: &mut Verdict) {
    let mut wrong = None;
    for look in 0..LOOKS {
        if look > 0 {
            sleep(LOOK_EVERY).await;
        }
        let tier = match seen(case).await {
            Ok(tier) => tier,
            Err(reason) => return verdict.unverified(&format!("the public view: {reason}")),
        };
        wrong = judge(tier, i64::from(case.options.capacity), holders);
        match &wrong {
            None => return,
            // What does not add up is wrong at any age.
            Some((1, _)) if !adds_up(tier) => break,
            Some(_) => {}
        }
    }
    if let Some((promise, what)) = wrong {
        verdict.broken(promise, format!("the public view: {what}"));
    }
}

/// Promises 1 and 6: as many live holds are in the records as buyers know of.
pub(super) fn check_audit(held: u64, holders: Holders, verdict: &mut Verdict) {
    let Holders { least, most } = holders;
    let counted = format!("the server's audit: it counted {held} live holds");
    if held < least {
        verdict.broken(1, format!("{counted}, but {least} buyers hold a unit"));
    } else if held > most {
        verdict.broken(6, format!("{counted}, but only {most} buyers hold a unit"));
    }
}

async fn seen(case: &Case<'_>) -> Result<TierView, String> {
    let answer = answer(case.shop, Ok(case.shop.view()), 0).await.map_err(|e| e.to_string())?;
    tier(&answer).ok_or_else(|| answer.summary())
}

fn counts(tier: TierView) -> String {
    let TierView { capacity, free, held, sold, withheld } = tier;
    let parts = format!("{free} free + {held} held + {sold} sold + {withheld} withheld");
    let is = if adds_up(tier) { "is" } else { "is not" };
    format!("{parts} {is} {capacity}")
}

fn adds_up(tier: TierView) -> bool {
    let TierView { capacity, free, held, sold, withheld } = tier;
    let negative = [free, held, sold, withheld].iter().any(|count| *count < 0);
    !negative && free + held + sold + withheld == capacity
}

/// The promise that the view breaks, and how.
fn judge(tier: TierView, capacity: i64, holders: Holders) -> Option<(u8, String)> {
    let TierView { free, held, sold, withheld, .. } = tier;
    let counts = format!("{free} free + {held} held + {sold} sold + {withheld} withheld");
    if !adds_up(tier) {
        return Some((1, self::counts(tier)));
    }
    if tier.capacity != capacity {
        return Some((10, format!("it says capacity {}, but it is {capacity}", tier.capacity)));
    }
    let Holders { least, most } = holders;
    let held = u64::try_from(held).unwrap_or_default();
    if held < least {
        return Some((1, format!("{counts}, but {least} buyers hold a unit")));
    }
    if held > most {
        return Some((6, format!("{counts}, but only {most} buyers hold a unit")));
    }
    if sold > 0 {
        return Some((10, format!("{counts}, but nobody has paid")));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_view_is_held_against_the_buyers() {
        let holders = Holders { least: 5, most: 6 };
        let cases = [
            ((10, 5, 5, 0, 0), None),
            ((10, 4, 6, 0, 0), None),
            ((10, 3, 5, 0, 2), None),
            ((10, 5, 6, 0, 0), Some(1)),
            ((10, -1, 11, 0, 0), Some(1)),
            ((10, 6, 4, 0, 0), Some(1)),
            ((10, 3, 7, 0, 0), Some(6)),
            ((11, 6, 5, 0, 0), Some(10)),
            ((10, 4, 5, 1, 0), Some(10)),
        ];
        for ((capacity, free, held, sold, withheld), promise) in cases {
            let tier = TierView { capacity, free, held, sold, withheld };
            assert_eq!(judge(tier, 10, holders).map(|found| found.0), promise, "{tier:?}");
        }
    }
}
