//! The reconciler: finds what a crash left, or an outage.

use holdfast_core::{SaleId, Status};
use holdfast_engine::Sales;
use holdfast_ledger::Ledger;

use super::{Case, Saga, Way};
use crate::error::CheckoutError;
use crate::world::World;

/// Orders that are read at a time.
const PAGE: u32 = 1_000;

/// A sale that has orders, or may have.
#[derive(Clone, Copy, Debug)]
struct Opened {
    id: SaleId,
    number: u32,
}

impl<W: World> Saga<W> {
    /// Everything about which something is still to be done, and which way. Sees to it that the
    /// ledger knows the sales of a node that has just started. Units whose refund only the ledger
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
        let (sales, open) = self.world.look(see).await?;
        let mut cases: Vec<_> = open.into_iter().map(|case| (case, Way::There)).collect();
        for sale in sales {
            if has_just_started {
                self.know_sale(sale.number).await?;
            }
            let refunds = self.refunds(sale, has_just_started).await?;
            cases.extend(refunds.into_iter().map(|case| (case, Way::Back)));
        }
        Ok(cases)
    }

    /// Holds whose orders are to be refunded, or have been if those are asked for too.
    async fn refunds(&self, sale: Opened, refunded_too: bool) -> Result<Vec<Case>, CheckoutError> {
        let mut cases = Vec::new();
        let mut after = 0;
        loop {
            let ledger = self.world.ledger();
            let page = if refunded_too {
                ledger.returning(sale.id, after, PAGE).await?
            } else {
                ledger.unfinished(sale.id, after, PAGE).await?
            };
            let Some(last) = page.last() else { return Ok(cases) };
            after = last.number;
            let asked = page.iter().filter(|order| order.refund_asked_ms.is_some());
            cases.extend(asked.map(|order| Case { sale: sale.number, hold: order.what.hold }));
        }
    }
}

/// The sales that have opened, and the holds about whose payment something is to be done.
fn see(sales: &Sales) -> (Vec<Opened>, Vec<Case>) {
    let (mut opened, mut open) = (Vec::new(), Vec::new());
    for (id, sale, _) in sales.after(None) {
        let number = sale.number();
        if sale.status() != Status::Scheduled {
            opened.push(Opened { id, number });
        }
        open.extend(sale.open_payments().map(|hold| Case { sale: number, hold }));
    }
    (opened, open)
}
