//! How many buyers hold a unit, against how many should and how many the server says there are.

use std::time::Duration;

use tokio::time::sleep;

use super::{Case, Finding, Verdict};
use crate::crowd::Ending;
use crate::exchange::{Answer, Failure};
use crate::run::answer;
use crate::wire::{Me, SaleView, TierView};

/// Buyers without a clear answer who are looked up; of more than these, nothing is known.
const UNCLEAR_MAX: usize = 1_000;

/// Public views may be a quarter of a second old, and a second older in a cache: looks at it.
const LOOKS: u32 = 5;
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// How many buyers hold a unit: between `least` and `most`, since some may not be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holders {
    pub(super) least: u64,
    pub(super) most: u64,
}

/// Counts the winners, and looks up those who got no clear answer: they may hold a unit too.
pub(super) async fn holders(case: &Case<'_>, verdict: &mut Verdict) -> Holders {
    let won = case.winners().count() as u64;
    let unclear = |ending: &Ending| matches!(ending, Ending::Refused(_) | Ending::Unanswered(_));
    let unclear = case.buys.iter().filter(|buy| unclear(&buy.ending));
    let unclear: Vec<_> = unclear.map(|buy| buy.buyer).collect();
    if unclear.len() > UNCLEAR_MAX {
        let count = unclear.len();
        verdict.unverified(&format!("what {count} buyers without a clear answer hold: too many"));
        return Holders { least: won, most: won + count as u64 };
    }
    let mut holding = 0;
    // Having a hold without knowing it breaks no promise: it is counted, not judged.
    let mut finding = Finding::new(7, "buyers without a clear answer hold a unit");
    for answer in case.each(&unclear, |shop, buyer| (*buyer, shop.me(*buyer))).await {
        match me(&answer) {
            Some(me) => {
                finding.see(true, String::new);
                holding += u64::from(me.hold.is_some());
            }
            None => finding.miss(&answer),
        }
    }
    let seen = finding.conclude(verdict);
    verdict.checked.unclear_looked = seen;
    verdict.checked.unclear_holding = holding;
    let least = won + holding;
    Holders { least, most: least + unclear.len() as u64 - seen }
}

/// What a buyer has, if the answer says so.
pub(super) fn me(answer: &Result<Answer, Failure>) -> Option<Me> {
    let answer = answer.as_ref().ok().filter(|answer| answer.status == 200)?;
    serde_json::from_slice(&answer.body).ok()
}

/// Promises 1 and 6: exactly as many hold a unit as there are units, or buyers if those are fewer.
pub(super) fn check(case: &Case<'_>, holders: Holders, verdict: &mut Verdict) {
    let capacity = u64::from(case.options.capacity);
    let Holders { least, most } = holders;
    if least > capacity {
        verdict.broken(1, format!("{least} buyers hold a unit, but there are {capacity}"));
    }
    let lost = case.losers().count() as u64;
    let due = capacity.min(least + lost);
    if most < due {
        verdict
            .broken(6, format!("{due} buyers should hold a unit, but {most} do, and {lost} lost"));
    }
}

/// Promises 1, 6 and 10: the public view adds up, and says what the buyers know.
pub(super) async fn check_public_view(case: &Case<'_>, holders: Holders, verdict: &mut Verdict) {
    let mut wrong = None;
    for look in 0..LOOKS {
        if look > 0 {
            sleep(LOOK_EVERY).await;
        }
        let tier = match tier(case).await {
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

async fn tier(case: &Case<'_>) -> Result<TierView, String> {
    let answer = answer(case.shop, case.shop.view(), 0).await.map_err(|e| e.to_string())?;
    let view: Option<SaleView> = serde_json::from_slice(&answer.body).ok();
    let tier = view.and_then(|view| view.tiers.first().copied());
    tier.filter(|_| answer.status == 200).ok_or_else(|| answer.summary())
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
        return Some((1, format!("{counts} is not {}", tier.capacity)));
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
