//! Buyers who pay, decline, wander off and pay late; and a merchant who refunds.

use holdfast_checkout::provider::Manner;
use holdfast_checkout::{Case, Note, Way, World};
use holdfast_core::{
    BuyerId, Checkout, Command, HoldStatus, HoldView, OrderName, Outcome, PaymentStatus, Refusal,
    Reserve, TierId,
};
use holdfast_engine::{Answer, SaleRef};
use holdfast_ledger::{Fence, Ledger, OrderId, Step};

use super::receipts;
use super::shop::Shop;
use crate::rng::Rng;

const SECOND_US: u64 = 1_000_000;

/// One buyer's visit.
pub(super) struct Visit {
    pub(super) shop: Shop,
    pub(super) rng: Rng,
    pub(super) buyer: BuyerId,
    pub(super) tier: TierId,
    pub(super) hold_seconds: u64,
    /// Of a hundred payments, so many come late.
    pub(super) late: u64,
}

impl Visit {
    pub(super) async fn go(mut self) {
        let wait_us = self.rng.below(self.hold_seconds * SECOND_US);
        self.shop.timer.sleep_us(wait_us).await;
        for _ in 0..self.rng.between(1, 3) {
            let Some(hold) = self.reserve().await else { return };
            self.think().await;
            self.pay(hold).await;
        }
    }

    async fn think(&mut self) {
        let us = self.rng.below(self.hold_seconds * SECOND_US * 11 / 10);
        self.shop.timer.sleep_us(us).await;
    }

    /// Asks until there is an answer.
    async fn ask(&mut self, command: &Command) -> Answer {
        loop {
            let sale = SaleRef::Id(self.shop.sale);
            match self.shop.execute(sale, command.clone()).await {
                Ok(answer) => return answer,
                Err(_) => self.shop.timer.sleep_us(SECOND_US).await,
            }
        }
    }

    async fn reserve(&mut self) -> Option<HoldView> {
        for _ in 0..5 {
            let quantity = self.rng.small(1, 2);
            let reserve = Reserve { buyer: self.buyer, tier: self.tier, quantity, key: None };
            let answer = self.ask(&Command::Reserve(reserve)).await;
            match (answer.outcome, answer.hold) {
                (Outcome::Reserved(_) | Outcome::Existing(_), Some(hold)) => return Some(hold),
                _ => self.think().await,
            }
        }
        None
    }

    async fn pay(&mut self, hold: HoldView) {
        for _ in 0..2 {
            if self.rng.percent(15) {
                return;
            }
            let simulate = match self.rng.below(100) {
                _ if self.rng.percent(self.late) => Manner::Late,
                0..70 => Manner::Approve,
                70..87 => Manner::Decline,
                _ => Manner::Never,
            };
            let note = Note { simulate: Some(simulate), metadata: None }.write();
            let buyer = Some(self.buyer);
            let checkout = Checkout { hold: hold.key, buyer, key: None, note };
            let mut answer = self.ask(&Command::Checkout(checkout.clone())).await;
            if answer.outcome == Outcome::Refused(Refusal::HoldNotFound) && self.claim(hold).await {
                answer = self.ask(&Command::Checkout(checkout)).await;
            }
            let Outcome::CheckedOut(_) = answer.outcome else { return };
            if self.rng.percent(80) {
                // The others are found by the reconciler.
                self.shop.begin(Case { sale: hold.receipt.sale, hold: hold.key }, Way::There);
            }
            match self.watch(hold).await {
                Some((HoldStatus::Held, _)) if self.rng.percent(30) => {
                    let buyer = Some(self.buyer);
                    self.ask(&Command::Cancel { hold: hold.key, buyer }).await;
                    return;
                }
                Some((HoldStatus::Held, _)) => {}
                Some((HoldStatus::Sold, Some(PaymentStatus::Paid))) if self.rng.percent(30) => {
                    return self.refund(hold).await;
                }
                _ => return,
            }
        }
    }

    /// Whoever has a hold that was lost has its id, and mostly shows it.
    async fn claim(&mut self, hold: HoldView) -> bool {
        if self.rng.percent(30) {
            return false;
        }
        let claim = Command::Claim { receipt: hold.receipt, buyer: self.buyer };
        matches!(self.ask(&claim).await.outcome, Outcome::Claimed(_) | Outcome::Existing(_))
    }

    /// Waits until the payment has come to something, or has been lost, for a while.
    async fn watch(&mut self, hold: HoldView) -> Option<(HoldStatus, Option<PaymentStatus>)> {
        for _ in 0..40 {
            self.shop.timer.sleep_us(5 * SECOND_US).await;
            let sale = SaleRef::Id(self.shop.sale);
            let look = self.shop.look(move |sales| {
                let (sale, clock_ms) = sales.get(sale)?;
                sale.hold_by_key(hold.key, clock_ms)
            });
            let Ok(found) = look.await else { continue };
            let Some(hold) = found else {
                self.claim(hold).await;
                continue;
            };
            let payment = hold.payment.map(|payment| payment.status);
            if payment.is_none_or(|status| !status.is_open()) {
                return Some((hold.status, payment));
            }
        }
        None
    }

    /// The merchant has mercy.
    async fn refund(&mut self, hold: HoldView) {
        let name = OrderName { sale: hold.receipt.sale, hold: hold.key };
        let Some(id) = OrderId::new(name.id(&receipts())) else { return };
        for _ in 0..20 {
            let sale = SaleRef::Id(self.shop.sale);
            if let Ok(Some(epoch)) = self.shop.look(move |sales| sales.epoch(sale)).await {
                let fence = Fence { sale: self.shop.sale, epoch };
                let steps = [(id.clone(), Step::AskRefund("mercy".to_owned()))];
                let wall_ms = self.shop.timer.wall_ms();
                if self.shop.ledger.advance(fence, &steps, wall_ms).await.is_ok() {
                    if self.rng.percent(70) {
                        let case = Case { sale: hold.receipt.sale, hold: hold.key };
                        self.shop.begin(case, Way::Back);
                    }
                    return;
                }
            }
            self.shop.timer.sleep_us(SECOND_US).await;
        }
    }
}
