//! The ledger: orders whose payment has cleared, in SQLite or PostgreSQL.
//!
//! It does not trust the engine: a sale's rows are written only under the epoch that reigns, and no
//! tier sells more than its capacity, whatever the engine says. No row for an unpaid hold ever
//! gets here.

mod bounds;
mod control;
mod error;
mod lease;
pub mod memory;
mod order;
mod sql;

use std::future::Future;

use holdfast_core::{BuyerId, HoldKey, SaleId, TierId};

pub use bounds::{
    BATCH_MAX, DOCUMENT_BYTES_MAX, METADATA_BYTES_MAX, NAME_BYTES_MAX, PER_SECOND_MAX,
    REASON_BYTES_MAX,
};
pub use control::Control;
pub use error::{LedgerError, Result};
pub use lease::Lease;
pub use memory::MemoryLedger;
pub use order::{
    Message, MessageKind, Moved, NO_UNIT, NewOrder, Order, OrderId, OrderStatus, Recorded, Step,
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
/// Every write is one transaction. But for [`Ledger::lease`] and [`Ledger::set_control`] it may be
/// repeated: a second time it changes nothing and says what there is. After [`LedgerError::Unknown`], or when its future was
/// dropped, it *must* be repeated before anything rests on it.
/// A batch has at most [`BATCH_MAX`] orders or steps. Times are milliseconds since 1970 UTC, and the
/// caller's.
pub trait Ledger: Send + Sync {
    /// Says whose ledger it is; `None`: nobody's. One that is nobody's is taken for `owner`, if that
    /// may be.
    ///
    /// # Errors
    /// As the database says.
    fn claim(
        &self,
        owner: &str,
        may_take: bool,
    ) -> impl Future<Output = Result<Option<String>>> + Send;

    /// Lets go of the database. Nothing can be asked after that.
    fn close(&self) -> impl Future<Output = ()> + Send;

    /// The control row, as it was last set; `None`: nobody has set it. In PostgreSQL it answers or
    /// fails within a second, whatever happens to the database, and waits behind no order.
    ///
    /// # Errors
    /// As the database says.
    fn control(&self) -> impl Future<Output = Result<Option<Control>>> + Send;

    /// Replaces the control row, if its version is `expected` (0: nobody has set it), and makes its
    /// version the next one; says whether it was. If not, nothing was changed. Of many who expect
    /// the same version one gets it.
    ///
    /// A later epoch than the row's raises the fence of every sale in the same transaction: an order
    /// of an earlier reign has been recorded before this returns, and before anyone can read the new
    /// epoch, or it is `Fenced`. No epoch is taken back, and the first one has to be at least that
    /// of every sale.
    ///
    /// It answers or fails as soon as [`Ledger::control`]. After [`LedgerError::Unknown`], or when
    /// its future was dropped, it must *not* be repeated as it was: read the row. If its version is
    /// still `expected`, nothing has been changed so far, and it can be tried again: of two tries at
    /// most one succeeds. If not, the document tells whose it is; have something in it that nobody
    /// else writes.
    ///
    /// # Errors
    /// `Fenced`, with the epoch that is needed at least, if `epoch` is less than the row's or, when
    /// it is to be another one, than any sale's. `Invalid`, for more than [`DOCUMENT_BYTES_MAX`]
    /// bytes and for a NUL in the document. And as the database says.
    fn set_control(
        &self,
        expected: u64,
        epoch: u32,
        document: &str,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Begins a reign over a sale, which is made if it is not there.
    ///
    /// # Errors
    /// `Fenced`, if a later one reigns, over the sale or by the control row.
    fn reign(&self, fence: Fence) -> impl Future<Output = Result<()>> + Send;

    /// Each sale and its reign, by sale.
    ///
    /// # Errors
    /// As the database says.
    fn reigns(&self) -> impl Future<Output = Result<Vec<(SaleId, u32)>>> + Send;

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
    /// of each what came of it. One for which there are too few units is recorded as `void`, for
    /// good: more capacity later does not bring it back. One that is known for its hold is not
    /// recorded again.
    ///
    /// # Errors
    /// `Fenced`, `NoSale`, `NoTier`, `IdTaken`, `NotOurs`, `Invalid`, and as the database says: nothing was
    /// recorded, or it is unknown.
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
    /// `Fenced`, `NoSale`, `Invalid`, and as the database says.
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

    /// At most `limit` orders of all sales that are to be refunded, after the one with this sale and
    /// number; those that have been refunded too, if they are asked for.
    ///
    /// # Errors
    /// As the database says.
    fn refunds(
        &self,
        after: Option<(SaleId, u64)>,
        limit: u32,
        refunded_too: bool,
    ) -> impl Future<Output = Result<Vec<Order>>> + Send;

    /// A buyer's orders in a sale, by number.
    ///
    /// # Errors
    /// As the database says.
    fn bought(
        &self,
        sale: SaleId,
        buyer: BuyerId,
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

    /// Takes at most `want` slots of a budget of `per_second` calls in a second, which several nodes
    /// share; none is further ahead than a second. A repeat takes others.
    ///
    /// Slots are moments on the nodes' clocks: where those agree, there are never more than
    /// `per_second` calls in any second. Where they differ by `d` seconds, there can be as many as
    /// in `1 + d`, and who is behind gets fewer; where they differ by more than ten seconds, each
    /// has the budget for itself.
    ///
    /// # Errors
    /// `Invalid`, and as the database says.
    fn lease(
        &self,
        budget: &str,
        per_second: u32,
        want: u32,
        now_ms: u64,
    ) -> impl Future<Output = Result<Lease>> + Send;
}
