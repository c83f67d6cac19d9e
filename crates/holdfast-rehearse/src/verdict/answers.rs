//! What the answers of the rush say by themselves.

use std::collections::HashMap;
use std::time::Duration;

use super::{Case, Finding, Known, Verdict};
use crate::shop::buyer_name;
use crate::wire::TIER;

/// A step of the sale clock: what a hold's time may be short of when it is told.
const CLOCK_STEP: Duration = Duration::from_millis(500);

pub(super) fn check(case: &Case<'_>, verdict: &mut Verdict) {
    as_asked(case, verdict);
    full_time(case, verdict);
    true_words(case, verdict);
}

/// Promise 1: two buyers with one hold have been sold one unit twice.
pub(super) fn one_hold_each(case: &Case<'_>, known: &Known, verdict: &mut Verdict) {
    let mut finding = Finding::new(1, "winners hold what another winner holds");
    let mut owners = HashMap::new();
    let won = case.winners().map(|(buy, hold)| (buy.buyer, hold));
    // Whoever gave back and may have it still is in both.
    let found = known.found.iter().filter(|(buyer, _)| !known.gave_back.contains(buyer));
    for (buyer, hold) in won.chain(found.map(|(buyer, hold)| (*buyer, hold))) {
        let other = owners.insert(hold.id.as_str(), buyer);
        finding.see(other.is_none(), || {
            let others = other.map(buyer_name).unwrap_or_default();
            format!("{} and {others} have {}", buyer_name(buyer), hold.id)
        });
    }
    finding.conclude(verdict);
}

/// Promise 10: the hold says what was asked for, and by whom.
fn as_asked(case: &Case<'_>, verdict: &mut Verdict) {
    let mut finding = Finding::new(10, "winners were given another hold than they asked for");
    for (buy, hold) in case.winners() {
        let name = buyer_name(buy.buyer);
        let right = !hold.id.is_empty()
            && hold.status == "held"
            && hold.sale == case.shop.sale()
            && (hold.tier.as_str(), hold.quantity) == (TIER, 1)
            && hold.buyer == name;
        finding.see(right, || {
            let (id, status, quantity) = (&hold.id, &hold.status, hold.quantity);
            let (tier, sale, buyer) = (&hold.tier, &hold.sale, &hold.buyer);
            format!("{name} got {id:?}: {status}, {quantity} {tier} of {sale} for {buyer}")
        });
    }
    finding.conclude(verdict);
}

/// Promise 8: a new hold has its whole time before it, less what passed since it was asked for.
fn full_time(case: &Case<'_>, verdict: &mut Verdict) {
    let mut finding = Finding::new(8, "winners were given less than the whole time");
    let whole = Duration::from_secs(u64::from(case.options.hold_seconds));
    for (buy, hold) in case.winners() {
        // It may be the hold of an earlier try that was not answered.
        let asked = if buy.doubt { buy.started } else { buy.asked };
        let passed = buy.ended.saturating_sub(asked);
        let remaining = Duration::from_millis(hold.remaining_ms);
        finding.see(remaining + passed + CLOCK_STEP >= whole, || {
            format!("{} has {} ms left", buyer_name(buy.buyer), hold.remaining_ms)
        });
    }
    finding.conclude(verdict);
}

/// Promise 10: nothing is sold in a rush, so "sold out" is true of no units only; and when
/// fewer units are free than one, none is.
fn true_words(case: &Case<'_>, verdict: &mut Verdict) {
    let mut finding = Finding::new(10, "losers were told what cannot be true");
    for buy in case.buys().filter(|buy| !buy.refusals.is_empty()) {
        let none = case.options.capacity == 0;
        let right = |code: &str| code == "all_held" || code == "sold_out" && none;
        let wrong = buy.refusals.iter().find(|refusal| !right(&refusal.code));
        finding.see(wrong.is_none(), || {
            let code = wrong.map(|refusal| refusal.code.as_str()).unwrap_or_default();
            format!("{} was told {code} though nothing was sold", buyer_name(buy.buyer))
        });
    }
    finding.conclude(verdict);
}
