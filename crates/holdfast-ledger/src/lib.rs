//! The ledger: orders whose payment has cleared, in SQLite or PostgreSQL.
//!
//! It does not trust the engine: a sale's rows are written only under the epoch that reigns, and no
//! tier sells more than its capacity, whatever the engine says. No row for an unpaid hold ever
//! gets here.

mod error;
mod order;
mod sql;

use std::future::Future;

use holdfast_core::{BuyerId, HoldKey, SaleId, TierId};

pub use error::{LedgerError, Result};
pub use order::{
    Message, MessageKind, Moved, NewOrder, Order, OrderId, OrderStatus, Recorded, Refusal, Step,
    TierTotals,
};
pub use sql::SqlLedger;

/// For which sale something is written, and under which reign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The sale.
    pub sale: SaleId,
    /// The reign of whoever writes; another one that has begun since refuses it.
    pub epoch: u32,
}

/// Orders, the guard of each tier's capacity, and what is still to be told to others.
///
/// Every write is one transaction and may be repeated: a second time it changes nothing and says
/// the same. After [`LedgerError::Unknown`] it *must* be repeated before anything rests on it.
/// Times are milliseconds since 1970 UTC, and the caller's.
pub trait Ledger: Send + Sync {
    /// Begins a reign over a sale, which is made if it is not there.
    ///
    /// # Errors
    /// `Fenced`, if a later one reigns.
    fn reign(&self, fence: Fence) -> impl Future<Output = Result<()>> + Send;

    /// Says how many units a tier has. `Err` within tells how many are sold, if those are more.
    ///
    /// # Errors
    /// `Fenced`, `NoSale`, and as the database says.
    fn set_capacity(
        &self,
        fence: Fence,
        tier: TierId,
        capacity: u32,
    ) -> impl Future<Output = Result<std::result::Result<(), u32>>> + Send;

    /// Records orders as `authorised`, each with a message in the outbox, in one transaction; says
    /// of each what came of it. One that is known for its hold is not recorded again.
    ///
    /// # Errors
    /// `Fenced`, `NoSale`, and as the database says: nothing was recorded, or it is unknown.
    fn record(
        &self,
        fence: Fence,
        orders: &[NewOrder],
        now_ms: u64,
    ) -> impl Future<Output = Result<Vec<Recorded>>> + Send;

    /// Takes orders of the sale a step further, each with a message in the outbox, in one
    /// transaction.
    ///
    /// # Errors
    /// `Fenced`, `NoSale`, and as the database says.
    fn advance(
        &self,
        fence: Fence,
        steps: &[(OrderId, Step)],
        now_ms: u64,
    ) -> impl Future<Output = Result<Vec<Moved>>> + Send;

    /// An order.
    ///
    /// # Errors
    /// As the database says.
    fn order(&self, id: &OrderId) -> impl Future<Output = Result<Option<Order>>> + Send;

    /// The order of a hold.
    ///
    /// # Errors
    /// As the database says.
    fn order_of(
        &self,
        sale: SaleId,
        hold: HoldKey,
    ) -> impl Future<Output = Result<Option<Order>>> + Send;

    /// At most `limit` of a sale's orders whose number is greater than `after`, by number.
    ///
    /// # Errors
    /// As the database says.
    fn orders(
        &self,
        sale: SaleId,
        after: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Order>>> + Send;

    /// The same of orders that still have a step to take: `authorised`, or to be refunded.
    ///
    /// # Errors
    /// As the database says.
    fn unfinished(
        &self,
        sale: SaleId,
        after: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Order>>> + Send;

    /// Each tier's capacity, and what the guard and the orders say is sold, by tier.
    ///
    /// # Errors
    /// As the database says.
    fn totals(&self, sale: SaleId) -> impl Future<Output = Result<Vec<TierTotals>>> + Send;

    /// At most `limit` messages that have not been sent, oldest first.
    ///
    /// # Errors
    /// As the database says.
    fn outbox(&self, limit: u32) -> impl Future<Output = Result<Vec<Message>>> + Send;

    /// Removes messages that have been sent.
    ///
    /// # Errors
    /// As the database says.
    fn sent(&self, messages: &[u64]) -> impl Future<Output = Result<()>> + Send;

    /// Puts `alias` in a buyer's place in all their orders, and drops those orders' metadata; says
    /// in how many. Amounts, units and payments stay: they are the merchant's books.
    ///
    /// # Errors
    /// As the database says.
    fn forget(&self, buyer: BuyerId, alias: BuyerId) -> impl Future<Output = Result<u64>> + Send;
}
