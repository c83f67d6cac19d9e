//! A row's columns, alike for both databases.

use holdfast_core::{BuyerId, Currency, HoldKey, Money, SaleId, TierId};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::session::failed;
use crate::{LedgerError, NewOrder, Order, OrderId, OrderStatus, Result};

pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// The columns that [`Row::order`] reads, in its order.
macro_rules! order_columns {
    () => {
        "sale, number, id, hold, buyer, tier, quantity, amount, currency, provider, payment, \
         status, reason, metadata, created_ms, changed_ms, refund_asked_ms"
    };
}
pub(super) use order_columns;

impl Row {
    pub(super) fn text_or_null(&self, column: usize) -> Result<Option<String>> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| failed(&error))
    }

    fn number_or_null(&self, column: usize) -> Result<Option<i64>> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| failed(&error))
    }

    pub(super) fn text(&self, column: usize) -> Result<String> {
        self.text_or_null(column)?.ok_or_else(|| broken("a column is empty"))
    }

    /// A number that is not negative and fits.
    pub(super) fn number<N: TryFrom<i64>>(&self, column: usize) -> Result<N> {
        let number = self.number_or_null(column)?.and_then(|number| N::try_from(number).ok());
        number.ok_or_else(|| broken("a number is out of range"))
    }

    pub(super) fn tier(&self, column: usize) -> Result<TierId> {
        TierId::new(&self.text(column)?).map_err(|_| broken("a tier's name is none"))
    }

    pub(super) fn sale(&self, column: usize) -> Result<SaleId> {
        SaleId::new(&self.text(column)?).map_err(|_| broken("a sale's name is none"))
    }

    pub(super) fn order(&self) -> Result<Order> {
        let currency = Currency::new(&self.text(8)?).ok_or_else(|| broken("a currency is none"))?;
        let status = OrderStatus::read(&self.text(11)?);
        let refund_asked_ms = match self.number_or_null(16)? {
            None => None,
            Some(_) => Some(self.number(16)?),
        };
        Ok(Order {
            sale: self.sale(0)?,
            number: self.number(1)?,
            what: NewOrder {
                id: OrderId::new(self.text(2)?).ok_or_else(|| broken("an order's id is none"))?,
                hold: HoldKey::from_number(self.number(3)?),
                buyer: BuyerId::new(&self.text(4)?).map_err(|_| broken("a buyer is none"))?,
                tier: self.tier(5)?,
                quantity: self.number(6)?,
                total: Money { amount: self.number(7)?, currency },
                provider: self.text(9)?,
                payment: self.text(10)?,
                metadata: self.text_or_null(13)?,
            },
            status: status.ok_or_else(|| broken("a status is none"))?,
            reason: self.text_or_null(12)?,
            created_ms: self.number(14)?,
            changed_ms: self.number(15)?,
            refund_asked_ms,
        })
    }
}

pub(super) fn broken(what: &str) -> LedgerError {
    LedgerError::Broken(what.to_owned())
}

/// A number as databases have them.
pub(super) fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| broken("a number is too large for a database"))
}
