//! The reconciler: finds what nobody carries, at start and while running, and carries it.

use std::time::Duration;

use holdfast_core::{SaleId, Status};
use holdfast_engine::Sales;
use holdfast_ledger::Ledger;

use super::Checkout;
use super::cases::Way;
use crate::error::CheckoutError;
use crate::saga::{Case, Saga};
use crate::world::World;

/// How soon it tries again when it could not look.
const AGAIN: Duration = Duration::from_secs(1);

/// Orders that are read at a time.
const PAGE: u32 = 1_000;

/// A sale that has orders, or may have.
#[derive(Clone, Copy, Debug)]
struct Opened {
    id: SaleId,
    number: u32,
}

impl<W: World + 'static> Checkout<W> {
    pub(super) async fn mind(&self, every: Duration) {
        let mut is_first = true;
        loop {
            let rest = match self.reconcile(is_first).await {
                Ok(()) => {
                    is_first = false;
                    every
                }
                Err(error) => {
                    tracing::warn!(%error, "what is left to do could not be looked up");
                    AGAIN
                }
            };
            tokio::time::sleep(rest).await;
        }
    }

    /// Carries what nobody carries. Units whose refund only the ledger knows of can be left by a
    /// crash and by nothing else: they are looked for once.
    async fn reconcile(&self, is_first: bool) -> Result<(), CheckoutError> {
        if planted!(ForgetsTheRest) {
            return Ok(());
        }
        if planted!(Naive) {
            return Ok(());
        }
        let (sales, open) = self.saga.world.look(see).await?;
        for case in open {
            self.carry_if_nobody_does(case, Way::There);
        }
        for sale in sales {
            if is_first {
                self.saga.know_sale(sale.number).await?;
            }
            for case in self.saga.refunds(sale, is_first).await? {
                self.carry_if_nobody_does(case, Way::Back);
            }
        }
        Ok(())
    }

    fn carry_if_nobody_does(&self, case: Case, way: Way) {
        if !self.cases.is_in(case, way) {
            self.carry(case, way);
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

impl<W: World> Saga<W> {
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
