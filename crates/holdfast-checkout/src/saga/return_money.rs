//! After a loss: what the provider has authorised and nobody waits for is given back.

use std::collections::BTreeSet;

use holdfast_core::{HoldKey, PaymentStatus, Sale};
use holdfast_engine::{EngineError, SaleRef};

use super::loss::LostSale;
use super::{Case, Money, Payment, Saga, Trip, Trouble};
use crate::world::World;

/// What is to be done with money that is set aside at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// A hold waits for it, or its saga sees to it.
    Stays,
    /// Nobody waits for it, unless an order does.
    GoesBack,
    /// A hold lives that may still go to the checkout and find it.
    IsLeft,
}

impl<W: World> Saga<W> {
    /// Gives back what is authorised without an order for holds that have ended, or that nobody knows and
    /// that can live no more. Whoever has a hold finds at the checkout what was authorised before.
    /// Returns whether nothing is left to look at again. `tries` counts the calls before: a provider may
    /// answer the same call as it did.
    pub(super) async fn return_lost_money(
        &self,
        sale: &LostSale,
        tries: u32,
    ) -> Result<bool, Trouble> {
        let auditor = self.auditor();
        let mut payments = auditor.all_payments(sale.number).await?;
        payments
            .retain(|(_, payment)| matches!(payment.status, Money::Authorised | Money::Pending));
        if payments.is_empty() {
            return Ok(true);
        }
        // A hold that was made since has lost nothing.
        payments.retain(|(case, _)| case.hold.sequence() < sale.doubt);
        let judged = self.judge_fates(sale.number, payments).await?;
        // Only now: whatever is not on its way any more has its order by this time.
        let orders = auditor.all_orders(sale.id).await?;
        let ordered: BTreeSet<&str> = orders.iter().map(|it| it.what.payment.as_str()).collect();
        let mut is_done = true;
        for (fate, payment) in judged {
            if fate == Fate::Stays || ordered.contains(payment.reference.as_str()) {
                continue;
            }
            // What is not decided yet cannot be cancelled.
            let may_cancel = fate == Fate::GoesBack && payment.status == Money::Authorised;
            is_done &= may_cancel && self.give_up_lost(&payment, tries).await?;
        }
        Ok(is_done)
    }

    async fn judge_fates(
        &self,
        number: u32,
        payments: Vec<(Case, Payment)>,
    ) -> Result<Vec<(Fate, Payment)>, Trouble> {
        let judged = self.world.look(move |sales| {
            let (sale, clock_ms) = sales.get(SaleRef::Number(number))?;
            let judge =
                |(case, payment): (Case, Payment)| (fate(sale, case.hold, clock_ms), payment);
            Some(payments.into_iter().map(judge).collect())
        });
        let gone = || EngineError::Unavailable("the sale is not there".to_owned());
        Ok(judged.await?.ok_or_else(gone)?)
    }

    /// Whether the provider has given a payment up.
    async fn give_up_lost(&self, payment: &Payment, tries: u32) -> Result<bool, Trouble> {
        let reference = &payment.reference;
        let mut trip = Trip::default();
        trip.calls = tries;
        let cancelled = self.cancel(reference, &mut trip).await?;
        let status = cancelled.status;
        if status == Money::Captured {
            tracing::error!(%reference, "captured, and the ledger has no order for it");
        } else {
            tracing::warn!(%reference, status = status.as_str(), "its hold was lost");
        }
        Ok(!matches!(status, Money::Authorised | Money::Pending))
    }
}

/// Asked when the sale is not in doubt any more, so that a lost hold can live no more.
fn fate(sale: &Sale, key: HoldKey, clock_ms: u64) -> Fate {
    let Some(hold) = sale.hold_by_key(key, clock_ms) else {
        return if sale.may_have_lost(key) { Fate::GoesBack } else { Fate::Stays };
    };
    let status = hold.payment.map(|payment| payment.status);
    match status {
        // The hold that its money pays for sees to it.
        Some(PaymentStatus::Moved) => Fate::Stays,
        Some(status) if status.is_open() => Fate::IsLeft,
        _ if hold.status.is_live() => Fate::IsLeft,
        _ => Fate::GoesBack,
    }
}
