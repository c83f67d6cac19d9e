//! Waits until nothing is under way, as the server's own audit counts it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::shop::Shop;
use crate::wire::Audit;

/// The first pause between two audits, and the longest; it doubles. An audit reads everything.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Time that an audit may take in any case: it asks the provider, within the server's budget.
const AUDIT_MIN: Duration = Duration::from_secs(30);

/// What the last audit said.
#[derive(Debug)]
pub(crate) enum Settled {
    /// An audit; something may still have been under way.
    Audited(Audit),
    /// There was none, and why.
    No(String),
}

/// Asks for audits until one counts nothing under way, or until it is time.
pub(super) async fn settle(shop: &Shop, deadline: Instant) -> Settled {
    let mut pause = PAUSE;
    loop {
        let asked = Instant::now();
        let settled = audit(shop, deadline.max(asked + AUDIT_MIN)).await;
        let is_done = |audit: &Audit| audit.money.is_none_or(|money| money.under_way == 0);
        if matches!(&settled, Settled::Audited(audit) if is_done(audit))
            || Instant::now() + pause >= deadline
        {
            return settled;
        }
        // No more than half of the server's time is for audits.
        sleep(pause.max(asked.elapsed())).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn audit(shop: &Shop, until: Instant) -> Settled {
    let said = match shop.audit() {
        Ok(ask) => shop.ask(&ask, 0, until.saturating_duration_since(Instant::now())).await,
        Err(failure) => Err(failure),
    };
    match said {
        Err(failure) => Settled::No(failure.to_string()),
        Ok(said) if said.status == 200 => match serde_json::from_slice(&said.body) {
            Ok(audit) => Settled::Audited(audit),
            Err(error) => Settled::No(format!("it makes no sense: {error}")),
        },
        Ok(said) => Settled::No(format!("it said {}", said.summary())),
    }
}
