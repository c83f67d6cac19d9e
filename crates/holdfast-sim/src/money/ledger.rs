//! The model ledger, and the way there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use holdfast_core::{BuyerId, HoldKey, SaleId, TierId};
use holdfast_ledger::{
    Control, Fence, Lease, Ledger, LedgerError, MemoryLedger, Message, Moved, NewOrder, Order,
    OrderId, Recorded, Result, Step, TierTotals,
};

use super::tasks::{Timer, lock};
use crate::rng::Rng;

/// A ledger that sometimes cannot be reached, or whose answers are lost. Cheap to clone.
#[derive(Clone)]
pub(super) struct IllLedger {
    pub(super) inner: MemoryLedger,
    way: Arc<Mutex<Way>>,
    timer: Timer,
}

struct Way {
    rng: Rng,
    /// Of a hundred requests, so many meet something.
    ill: u64,
    /// How long it takes at most, there or back.
    way_us: u64,
    faults: BTreeMap<&'static str, u64>,
}

impl IllLedger {
    pub(super) fn new(rng: Rng, timer: Timer, ill: u64, way_us: u64) -> Self {
        let way = Way { rng, ill, way_us, faults: BTreeMap::new() };
        Self { inner: MemoryLedger::default(), way: Arc::new(Mutex::new(way)), timer }
    }

    pub(super) fn be_well(&self) {
        lock(&self.way).ill = 0;
    }

    pub(super) fn faults(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.way).faults.clone()
    }

    /// Goes there, does it, and comes back.
    async fn go<T>(&self, done: impl Future<Output = Result<T>>) -> Result<T> {
        let (out_us, back_us, meets) = {
            let mut way = lock(&self.way);
            let way_us = way.way_us;
            let (out_us, back_us) = (way.rng.below(way_us), way.rng.below(way_us));
            let ill = way.ill;
            let meets = way.rng.percent(ill).then(|| way.rng.index(3));
            let what = ["ledger: not reached", "ledger: answer lost", "ledger: commit lost"];
            if let Some(what) = meets.and_then(|index| what.get(index)) {
                *way.faults.entry(*what).or_default() += 1;
            }
            (out_us, back_us, meets)
        };
        self.timer.sleep_us(out_us).await;
        match meets {
            Some(0) => return Err(LedgerError::Unavailable("it is not there".to_owned())),
            Some(2) => return Err(LedgerError::Unknown("it did not commit".to_owned())),
            _ => {}
        }
        let done = done.await;
        self.timer.sleep_us(back_us).await;
        if meets == Some(1) {
            return Err(LedgerError::Unknown("it did commit".to_owned()));
        }
        done
    }
}

impl Ledger for IllLedger {
    async fn claim(&self, owner: &str, may_take: bool) -> Result<Option<String>> {
        self.go(self.inner.claim(owner, may_take)).await
    }

    async fn close(&self) {}

    async fn control(&self) -> Result<Option<Control>> {
        self.go(self.inner.control()).await
    }

    async fn set_control(&self, expected: u64, epoch: u32, document: &str) -> Result<bool> {
        self.go(self.inner.set_control(expected, epoch, document)).await
    }

    async fn reign(&self, fence: Fence) -> Result<()> {
        self.go(self.inner.reign(fence)).await
    }

    async fn reigns(&self) -> Result<Vec<(SaleId, u32)>> {
        self.go(self.inner.reigns()).await
    }

    async fn set_capacity(
        &self,
        fence: Fence,
        tier: TierId,
        capacity: u32,
    ) -> Result<std::result::Result<(), u32>> {
        self.go(self.inner.set_capacity(fence, tier, capacity)).await
    }

    async fn record(
        &self,
        fence: Fence,
        orders: &[NewOrder],
        now_ms: u64,
    ) -> Result<Vec<Recorded>> {
        self.go(self.inner.record(fence, orders, now_ms)).await
    }

    async fn advance(
        &self,
        fence: Fence,
        steps: &[(OrderId, Step)],
        now_ms: u64,
    ) -> Result<Vec<Moved>> {
        self.go(self.inner.advance(fence, steps, now_ms)).await
    }

    async fn order(&self, id: &OrderId) -> Result<Option<Order>> {
        self.go(self.inner.order(id)).await
    }

    async fn order_of(&self, sale: SaleId, hold: HoldKey) -> Result<Option<Order>> {
        self.go(self.inner.order_of(sale, hold)).await
    }

    async fn orders(&self, sale: SaleId, after: u64, limit: u32) -> Result<Vec<Order>> {
        self.go(self.inner.orders(sale, after, limit)).await
    }

    async fn refunds(
        &self,
        after: Option<(SaleId, u64)>,
        limit: u32,
        refunded_too: bool,
    ) -> Result<Vec<Order>> {
        self.go(self.inner.refunds(after, limit, refunded_too)).await
    }

    async fn bought(&self, sale: SaleId, buyer: BuyerId) -> Result<Vec<Order>> {
        self.go(self.inner.bought(sale, buyer)).await
    }

    async fn totals(&self, sale: SaleId) -> Result<Vec<TierTotals>> {
        self.go(self.inner.totals(sale)).await
    }

    async fn outbox(&self, limit: u32) -> Result<Vec<Message>> {
        self.go(self.inner.outbox(limit)).await
    }

    async fn sent(&self, messages: &[u64]) -> Result<()> {
        self.go(self.inner.sent(messages)).await
    }

    async fn forget(&self, buyer: BuyerId, alias: BuyerId) -> Result<u64> {
        self.go(self.inner.forget(buyer, alias)).await
    }

    async fn lease(&self, budget: &str, rate: u32, want: u32, now_ms: u64) -> Result<Lease> {
        self.go(self.inner.lease(budget, rate, want, now_ms)).await
    }
}
