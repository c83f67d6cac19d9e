//! The ledger in a database: the same statements for SQLite and PostgreSQL.

mod advance;
mod control;
mod pool;
mod read;
mod record;
mod row;
mod session;
#[cfg(test)]
mod tests;
mod write;

use std::path::Path;

use holdfast_core::{BuyerId, HoldKey, SaleId, TierId};

use crate::{
    Control, Fence, Lease, Ledger, Message, Moved, NewOrder, Order, OrderId, Recorded, Result,
    Step, TierTotals, bounds,
};
use pool::Pool;

/// A ledger in SQLite or PostgreSQL.
#[derive(Clone, Debug)]
pub struct SqlLedger {
    pool: Pool,
}

impl SqlLedger {
    /// Opens the ledger in a file, which is made if it is not there, and brings its tables up to
    /// date.
    ///
    /// # Errors
    /// `Unavailable` and `Broken`.
    pub async fn sqlite(file: &Path) -> Result<Self> {
        Ok(Self { pool: Pool::sqlite(file).await? })
    }

    /// Opens the ledger in a PostgreSQL database (`postgres://user:password@host/database`), with
    /// at most `connections` at a time, at least one, and brings its tables up to date. Two more are
    /// made for the control row once it is asked for.
    ///
    /// # Errors
    /// `Invalid`, `Unavailable` and `Broken`.
    pub async fn postgres(url: &str, connections: u32) -> Result<Self> {
        Ok(Self { pool: Pool::postgres(url, connections).await? })
    }
}

impl Ledger for SqlLedger {
    async fn claim(&self, owner: &str, may_take: bool) -> Result<Option<String>> {
        let mut session = self.pool.begin().await?;
        let owner = write::claim(&mut session, owner, may_take).await?;
        session.commit().await.map(|()| owner)
    }

    async fn close(&self) {
        self.pool.close().await;
    }

    async fn control(&self) -> Result<Option<Control>> {
        control::read(&self.pool).await
    }

    async fn set_control(&self, expected: u64, epoch: u32, document: &str) -> Result<bool> {
        bounds::document(document)?;
        control::set(&self.pool, expected, epoch, document).await
    }

    async fn reign(&self, fence: Fence) -> Result<()> {
        let mut session = self.pool.begin().await?;
        write::reign(&mut session, fence).await?;
        session.commit().await
    }

    async fn reigns(&self) -> Result<Vec<(SaleId, u32)>> {
        read::reigns(&mut self.pool.look().await?).await
    }

    async fn set_capacity(
        &self,
        fence: Fence,
        tier: TierId,
        capacity: u32,
    ) -> Result<std::result::Result<(), u32>> {
        let mut session = self.pool.begin().await?;
        let set = write::set_capacity(&mut session, fence, tier, capacity).await?;
        session.commit().await.map(|()| set)
    }

    async fn record(
        &self,
        fence: Fence,
        orders: &[NewOrder],
        now_ms: u64,
    ) -> Result<Vec<Recorded>> {
        bounds::orders(orders, now_ms)?;
        let mut session = self.pool.begin().await?;
        let recorded = record::record(&mut session, fence, orders, now_ms).await?;
        session.commit().await.map(|()| recorded)
    }

    async fn advance(
        &self,
        fence: Fence,
        steps: &[(OrderId, Step)],
        now_ms: u64,
    ) -> Result<Vec<Moved>> {
        bounds::steps(steps, now_ms)?;
        let mut session = self.pool.begin().await?;
        let moved = advance::advance(&mut session, fence, steps, now_ms).await?;
        session.commit().await.map(|()| moved)
    }

    async fn order(&self, id: &OrderId) -> Result<Option<Order>> {
        read::order(&mut self.pool.look().await?, id).await
    }

    async fn order_of(&self, sale: SaleId, hold: HoldKey) -> Result<Option<Order>> {
        read::order_of(&mut self.pool.look().await?, sale, hold).await
    }

    async fn orders(&self, sale: SaleId, after: u64, limit: u32) -> Result<Vec<Order>> {
        read::orders(&mut self.pool.look().await?, sale, after, limit).await
    }

    async fn refunds(
        &self,
        after: Option<(SaleId, u64)>,
        limit: u32,
        refunded_too: bool,
    ) -> Result<Vec<Order>> {
        read::refunds(&mut self.pool.look().await?, after, limit, refunded_too).await
    }

    async fn bought(&self, sale: SaleId, buyer: BuyerId) -> Result<Vec<Order>> {
        read::bought(&mut self.pool.look().await?, sale, buyer).await
    }

    async fn totals(&self, sale: SaleId) -> Result<Vec<TierTotals>> {
        read::totals(&mut self.pool.look().await?, sale).await
    }

    async fn outbox(&self, limit: u32) -> Result<Vec<Message>> {
        read::outbox(&mut self.pool.look().await?, limit).await
    }

    async fn sent(&self, messages: &[u64]) -> Result<()> {
        let mut session = self.pool.begin().await?;
        write::sent(&mut session, messages).await?;
        session.commit().await
    }

    async fn forget(&self, buyer: BuyerId, alias: BuyerId) -> Result<u64> {
        let mut session = self.pool.begin().await?;
        let orders = write::forget(&mut session, buyer, alias).await?;
        session.commit().await?;
        self.pool.tidy().await.map(|()| orders)
    }

    async fn lease(&self, budget: &str, per_second: u32, want: u32, now_ms: u64) -> Result<Lease> {
        bounds::budget(budget, per_second, now_ms)?;
        let mut session = self.pool.begin().await?;
        let lease = write::lease(&mut session, budget, per_second, want, now_ms).await?;
        session.commit().await.map(|()| lease)
    }
}
