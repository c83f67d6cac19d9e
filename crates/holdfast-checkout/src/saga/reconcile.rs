//! The reconciler: finds what a crash left, or an outage.

use holdfast_core::{PaymentStatus, Status};
use holdfast_engine::{SaleRef, Sales};
use holdfast_ledger::Ledger;

use super::{Case, Saga, Way};
use crate::error::CheckoutError;
use crate::world::World;

/// Orders that are read at a time.
const PAGE: u32 = 1_000;

impl<W: World> Saga<W> {
    /// Everything about which something is still to be done, and which way. Sees to it that the
    /// ledger knows the sales that a node sells which has just started. Units whose refund only the ledger
    /// knows of can be left by a crash and by nothing else: they are looked for then.
    ///
    /// # Errors
    /// When the engine or the ledger cannot be read.
    pub async fn left(&self, has_just_started: bool) -> Result<Vec<(Case, Way)>, CheckoutError> {
        if planted!(ForgetsTheRest) {
            return Ok(Vec::new());
        }
        if planted!(Naive) {
            return Ok(Vec::new());
        }
        let (selling, open) = self.world.look(see).await?;
        let mut cases: Vec<_> = open.into_iter().map(|case| (case, Way::There)).collect();
        if has_just_started {
            // Whoever reigned before is to write no more. Of the others it is told when they are
            // written for.
            for (sale, epoch) in selling {
                self.know_sale(sale, epoch).await?;
            }
        }
        let refunds = self.refunds(has_just_started).await?;
        cases.extend(refunds.into_iter().map(|case| (case, Way::Back)));
        Ok(cases)
    }

    /// Holds whose orders are to be refunded, or have been if those are asked for too.
    async fn refunds(&self, refunded_too: bool) -> Result<Vec<Case>, CheckoutError> {
        let (mut orders, mut after) = (Vec::new(), None);
        loop {
            let page = self.world.ledger().refunds(after, PAGE, refunded_too).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.sale, last.number));
            orders.extend(page.into_iter().map(|order| (order.sale, order.what.hold)));
        }
        let cases = self.world.look(move |sales| {
            let case = |(sale, hold)| {
                let (sale, clock_ms) = sales.get(SaleRef::Id(sale))?;
                let payment = sale.hold_by_key(hold, clock_ms)?.payment?;
                let is_left = payment.status != PaymentStatus::Refunded;
                is_left.then_some(Case { sale: sale.number(), hold })
            };
            orders.into_iter().filter_map(case).collect()
        });
        Ok(cases.await?)
    }
}

/// The numbers and reigns of the sales that sell, and the holds about whose payment something is to be done.
fn see(sales: &Sales) -> (Vec<(u32, u32)>, Vec<Case>) {
    let (mut selling, mut open) = (Vec::new(), Vec::new());
    for (_, sale, _) in sales.after(None) {
        let number = sale.number();
        if matches!(sale.status(), Status::Open | Status::Paused) {
            selling.extend(sales.epoch(SaleRef::Number(number)).map(|epoch| (number, epoch)));
        }
        open.extend(sale.open_payments().map(|hold| Case { sale: number, hold }));
    }
    (selling, open)
}
