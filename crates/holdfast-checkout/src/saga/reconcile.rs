//! The reconciler: finds what a crash left, or an outage, and what has come from other nodes.

use holdfast_core::{HoldKey, PaymentStatus, SaleId, Status};
use holdfast_engine::{Nodes, SaleRef, Sales};
use holdfast_ledger::{Ledger, Order};

use super::{Case, Saga, Way};
use crate::error::CheckoutError;
use crate::world::World;

/// Orders that are read at a time.
const PAGE: u32 = 1_000;

/// For how long a refund is left to the node that was asked for it, in milliseconds.
const REFUND_MS: u64 = 10_000;

/// What is to be done.
#[derive(Debug, Default)]
pub struct Left {
    /// The cases that fall to this node, and which way each goes.
    pub cases: Vec<(Case, Way)>,
    /// Whether other nodes sell the same sales.
    pub is_shared: bool,
    /// Whether one of them has gone since the last look: what it had not brought to its end is
    /// everybody's.
    pub has_anyone_gone: bool,
}

/// What two planted bugs have in common.
fn is_forgetful() -> bool {
    if planted!(ForgetsTheRest) {
        return true;
    }
    planted!(Naive)
}

impl<W: World> Saga<W> {
    /// The payments about which something is to be done by this node.
    ///
    /// # Errors
    /// When the engine cannot be read.
    pub async fn open(&self) -> Result<Left, CheckoutError> {
        if is_forgetful() {
            return Ok(Left::default());
        }
        let Seen { open, queued, nodes, .. } = self.world.look(Seen::read).await?;
        let has_anyone_gone = self.share.note(nodes.as_ref());
        if nodes.is_some() {
            self.budgets.note_queued(queued);
        }
        let ours = open.into_iter().filter(|&case| self.share.may_begin(case));
        let cases = ours.map(|case| (case, Way::There)).collect();
        Ok(Left { cases, is_shared: nodes.is_some(), has_anyone_gone })
    }

    /// Everything about which something is still to be done by this node. Sees to it that the ledger
    /// knows the sales that sell, if this node has just started or another has gone. Units whose refund
    /// only the ledger knows of can be left by a crash and by nothing else: they are looked for then.
    ///
    /// # Errors
    /// When the engine or the ledger cannot be read.
    pub async fn left(&self, after_a_crash: bool) -> Result<Left, CheckoutError> {
        let mut left = self.open().await?;
        left.cases.extend(self.returns(after_a_crash).await?);
        Ok(left)
    }

    /// The part of it that the ledger knows of.
    pub(crate) async fn returns(
        &self,
        after_a_crash: bool,
    ) -> Result<Vec<(Case, Way)>, CheckoutError> {
        if is_forgetful() {
            return Ok(Vec::new());
        }
        if after_a_crash {
            // Whoever reigned before is to write no more, and who has changed how many units a tier has
            // may not have told the ledger. Of the others it is told when they are written for.
            self.sales.forget();
            for (sale, epoch) in self.world.look(Seen::read).await?.selling {
                self.know_sale(sale, epoch).await?;
            }
        }
        let refunds = self.refunds(after_a_crash).await?;
        Ok(refunds.into_iter().map(|case| (case, Way::Back)).collect())
    }

    /// Holds whose orders are to be refunded; after a crash also those that have been.
    async fn refunds(&self, after_a_crash: bool) -> Result<Vec<Case>, CheckoutError> {
        let (mut orders, mut after) = (Vec::new(), None);
        loop {
            let page = self.world.ledger().refunds(after, PAGE, after_a_crash).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.sale, last.number));
            let due = page.iter().filter(|order| after_a_crash || self.is_left(order));
            orders.extend(due.map(|order| (order.sale, order.what.hold)));
        }
        let cases = self.world.look(move |sales| {
            let case = |(sale, hold): (SaleId, HoldKey)| {
                let by_id = SaleRef::Id(sale);
                if !sales.is_sound(by_id) {
                    return None;
                }
                let (sale, clock_ms) = sales.get(by_id)?;
                let payment = sale.hold_by_key(hold, clock_ms)?.payment?;
                let is_left = payment.status != PaymentStatus::Refunded;
                is_left.then_some(Case { sale: sale.number(), hold })
            };
            orders.into_iter().filter_map(case).collect::<Vec<_>>()
        });
        let ours = cases.await?.into_iter().filter(|&case| self.share.may_begin(case));
        Ok(ours.collect())
    }

    /// Whether a refund is not another node's, which was asked for it a moment ago.
    fn is_left(&self, order: &Order) -> bool {
        let asked_ms = order.refund_asked_ms.unwrap_or_default();
        let is_old = self.world.wall_ms().saturating_sub(asked_ms) > REFUND_MS;
        is_old || !self.share.is_shared()
    }
}

/// What is read off the engine in one look.
struct Seen {
    /// The numbers and reigns of the sales that sell.
    selling: Vec<(u32, u32)>,
    /// The holds about whose payment something is to be done.
    open: Vec<Case>,
    /// How many of them wait for the provider.
    queued: u32,
    nodes: Option<Nodes>,
}

impl Seen {
    fn read(sales: &Sales) -> Self {
        let nodes = sales.nodes().cloned();
        let mut seen = Self { selling: Vec::new(), open: Vec::new(), queued: 0, nodes };
        for (_, sale, clock_ms) in sales.sound() {
            let number = sale.number();
            if matches!(sale.status(), Status::Open | Status::Paused) {
                let epoch = sales.epoch(SaleRef::Number(number));
                seen.selling.extend(epoch.map(|epoch| (number, epoch)));
            }
            for hold in sale.open_payments() {
                seen.open.push(Case { sale: number, hold });
                let payment = sale.hold_by_key(hold, clock_ms).and_then(|hold| hold.payment);
                let is_queued = payment.is_some_and(|it| it.status == PaymentStatus::Queued);
                seen.queued += u32::from(is_queued);
            }
        }
        seen
    }
}
