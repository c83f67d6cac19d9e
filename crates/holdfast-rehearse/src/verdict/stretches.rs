//! When units were held, to the moment: from what buyers were told and when they asked.
//!
//! A hold begins somewhere between being asked for and being told, and ends somewhere between being
//! given back and being told so. Hence it is *certainly* held from told to given back, and *possibly*
//! held from asked for to told given back. More certain holds than units are too many; a refusal
//! whose whole stretch has fewer possible holds than units is untrue.

use std::time::Duration;

use super::{Case, Finding, Known, Verdict};
use crate::crowd::{Buy, Ending};
use crate::shop::buyer_name;

/// A unit held from one moment to another; `None`: to the end.
type Stretch = (Duration, Option<Duration>);

/// Open at both ends; `None`: to the end.
#[derive(Debug, PartialEq, Eq)]
struct Gap {
    after: Option<Duration>,
    before: Option<Duration>,
}

/// Promises 1 and 10: never more holds than units, and nobody refused while a unit was free.
pub(super) fn check(case: &Case<'_>, known: &Known, verdict: &mut Verdict) {
    let capacity = i64::from(case.options.capacity);
    let certain: Vec<_> = case.buys().filter_map(certain).collect();
    let most = most_at_once(&certain);
    // Holds that are still there are counted by themselves.
    if most > capacity && known.holders.least <= u64::from(case.options.capacity) {
        verdict
            .broken(1, format!("{most} units were held at one moment, but there are {capacity}"));
    }
    let possible: Vec<_> = case.buys().filter_map(|buy| possible(buy, known)).collect();
    let gaps = gaps(&possible, capacity);
    let mut finding = Finding::new(10, "losers were refused while a unit was free");
    let mut judged = 0;
    for buy in case.buys().filter(|buy| !buy.refusals.is_empty()) {
        judged += buy.refusals.len() as u64;
        let untrue = buy.refusals.iter().find(|r| within_one(&gaps, r.asked, r.told));
        finding.see(untrue.is_none(), || {
            let told = untrue.map(|refusal| refusal.told).unwrap_or_default();
            format!("{} was refused {told:.3?} after the start", buyer_name(buy.buyer))
        });
    }
    finding.conclude(verdict);
    verdict.checked.refusals_judged = judged;
}

fn certain(buy: &Buy) -> Option<Stretch> {
    buy.hold()?;
    Some((buy.ended, buy.given_back.as_ref().map(|given| given.asked)))
}

fn possible(buy: &Buy, known: &Known) -> Option<Stretch> {
    // An earlier try may have been served without an answer.
    let asked = if buy.doubt { buy.started } else { buy.asked };
    match &buy.ending {
        Ending::Won(_) if buy.is_given_back() => {
            Some((asked, buy.given_back.as_ref().map(|given| given.ended)))
        }
        Ending::Won(_) => Some((asked, None)),
        _ if !buy.is_unclear() || known.empty.contains(&buy.buyer) => None,
        _ => Some((buy.started, None)),
    }
}

/// The most stretches that share a moment; those that only touch share none.
fn most_at_once(stretches: &[Stretch]) -> i64 {
    let mut count = 0;
    let counts = steps(stretches, true).into_iter().map(|(_, step)| {
        count += step;
        count
    });
    counts.max().unwrap_or_default()
}

/// Where fewer stretches than `capacity` are.
fn gaps(stretches: &[Stretch], capacity: i64) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let (mut count, mut open) = (0, None);
    if capacity > 0 {
        open = Some(Gap { after: None, before: None });
    }
    for (at, step) in steps(stretches, false) {
        count += step;
        if count < capacity && open.is_none() {
            open = Some(Gap { after: Some(at), before: None });
        } else if count >= capacity {
            gaps.extend(open.take().map(|gap| Gap { before: Some(at), ..gap }));
        }
    }
    gaps.extend(open);
    gaps
}

/// Whether the whole stretch is in one gap. Gaps are in order and do not touch.
fn within_one(gaps: &[Gap], asked: Duration, told: Duration) -> bool {
    let begun = gaps.partition_point(|gap| gap.after < Some(asked));
    let gap = begun.checked_sub(1).and_then(|last| gaps.get(last));
    gap.is_some_and(|gap| gap.before.is_none_or(|before| told < before))
}

/// Beginnings and ends in order; which come first if they are at one moment.
fn steps(stretches: &[Stretch], ends_first: bool) -> Vec<(Duration, i64)> {
    let begins = stretches.iter().map(|(from, _)| (*from, 1));
    let ends = stretches.iter().filter_map(|(_, to)| Some(((*to)?, -1)));
    let mut steps: Vec<_> = begins.chain(ends).collect();
    steps.sort_unstable_by_key(|(at, step)| (*at, if ends_first { *step } else { -step }));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn stretches_are_counted_at_every_moment() {
        assert_eq!(most_at_once(&[]), 0);
        assert_eq!(most_at_once(&[(ms(1), Some(ms(3))), (ms(3), None)]), 1);
        assert_eq!(most_at_once(&[(ms(1), Some(ms(4))), (ms(3), None), (ms(2), None)]), 3);
    }

    #[test]
    fn a_unit_is_free_before_the_last_is_asked_for_and_after_one_came_back() {
        let held = [(ms(10), Some(ms(50))), (ms(20), None), (ms(70), None)];
        let free = [
            Gap { after: None, before: Some(ms(20)) },
            Gap { after: Some(ms(50)), before: Some(ms(70)) },
        ];
        assert_eq!(gaps(&held, 2), free);
        for (asked, told, untrue) in
            [(1, 19, true), (1, 20, false), (30, 40, false), (50, 60, false), (51, 69, true)]
        {
            assert_eq!(within_one(&free, ms(asked), ms(told)), untrue, "{asked} to {told}");
        }
        assert_eq!(gaps(&held, 0), []);
        assert_eq!(gaps(&held, 9), [Gap { after: None, before: None }]);
        // Taken again in the moment in which it came back: it need not have been free.
        assert_eq!(gaps(&[(ms(1), Some(ms(5))), (ms(5), None)], 1).len(), 1);
    }
}
