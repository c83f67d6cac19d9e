//! The verdict follows the money: what payers were told, the list of orders, the units sold, and
//! what the server's own audit counted at the provider, each held against the others.

mod checks;
mod evidence;

use schemars::JsonSchema;
use serde::Serialize;

use super::Verdict;
use crate::Options;
use crate::checkout::{Nobody, Paying, Settled};
use crate::shop::Shop;
use evidence::Evidence;

/// One thing that must be so of the money, and what was seen of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MoneyCheck {
    /// The promise that is broken if it is not so.
    pub promise: u8,
    /// What must be so.
    pub what: String,
    /// Whether it is; null if it could not be seen.
    pub held: Option<bool>,
    /// What was seen.
    pub seen: String,
}

/// Follows the money after the checkout; returns the checks, how many orders are paid, and what
/// those cost together in minor units.
pub(crate) async fn follow(
    shop: &Shop,
    options: &Options,
    paying: &Paying,
    verdict: &mut Verdict,
) -> (Vec<MoneyCheck>, u64, u64) {
    match &paying.nobody {
        None => {}
        Some(Nobody::RealProvider | Nobody::NoPayer) => return Default::default(),
        Some(Nobody::Failed(said)) => {
            verdict.unverified(&format!("the money: the first who went to the checkout: {said}"));
            return Default::default();
        }
    }
    if let Some(failed) = &paying.late_failed {
        verdict.unverified(&format!("money that comes late: {failed}"));
    }
    let mut evidence = Evidence::new(paying);
    let late = paying.late_settled.as_ref().zip(paying.late_shop.as_deref());
    let main = paying.settled.as_ref().map(|settled| (settled, shop));
    for (settled, shop) in main.into_iter().chain(late) {
        evidence.read(shop, settled).await;
        if let Settled::Audited(audit) = settled {
            verdict.take(audit);
        }
    }
    for unread in &evidence.unread {
        verdict.unverified(unread);
    }
    let checks = checks::all(&evidence, options.payments.settle_max());
    for check in &checks {
        let MoneyCheck { promise, what, held, seen } = check;
        match held {
            Some(true) => {}
            Some(false) => verdict.broken(*promise, format!("not so: {what}; {seen}")),
            None => verdict.unverified(&format!("whether {what}: {seen}")),
        }
    }
    verdict.broken.sort_by_key(|broken| broken.promise);
    (checks, evidence.paid().count() as u64, evidence.paid_amount())
}
