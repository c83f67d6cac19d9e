//! One transaction, and what its statements take and give, alike for both databases.

use sqlx::error::ErrorKind;
use sqlx::{Postgres, Sqlite, Transaction};

use super::row::Row;
use crate::{LedgerError, Result};

/// A transaction. Dropped without [`Session::commit`] it changes nothing.
pub(super) enum Session {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// What a statement is given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Text(&'a str),
    TextOrNull(Option<&'a str>),
    Number(i64),
    NumberOrNull(Option<i64>),
}

/// A statement with its values.
macro_rules! bound {
    ($sql:expr, $values:expr) => {
        $values.iter().fold(sqlx::query($sql), |query, value| match *value {
            Value::Text(text) => query.bind(text),
            Value::TextOrNull(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
            Value::NumberOrNull(number) => query.bind(number),
        })
    };
}

impl Session {
    /// Runs a statement; says how many rows it has changed.
    pub(super) async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64> {
        match self {
            Self::Sqlite(transaction) => {
                let done = bound!(sql, values).execute(&mut **transaction).await;
                done.map(|done| done.rows_affected())
            }
            Self::Postgres(transaction) => {
                let done = bound!(sql, values).execute(&mut **transaction).await;
                done.map(|done| done.rows_affected())
            }
        }
        .map_err(|error| failed(&error))
    }

    /// Runs a statement that gives rows.
    pub(super) async fn fetch(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(transaction) => {
                let rows = bound!(sql, values).fetch_all(&mut **transaction).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(transaction) => {
                let rows = bound!(sql, values).fetch_all(&mut **transaction).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
        }
        .map_err(|error| failed(&error))
    }

    /// Runs one that gives at most one row.
    pub(super) async fn fetch_one(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<Row>> {
        Ok(self.fetch(sql, values).await?.into_iter().next())
    }

    /// The form of a statement for this database.
    pub(super) fn choose(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }

    /// Makes everything durable.
    pub(super) async fn commit(self) -> Result<()> {
        let committed = match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        };
        committed.map_err(|error| LedgerError::Unknown(error.to_string()))
    }
}

/// What an error before the commit means: nothing was changed.
pub(super) fn failed(error: &sqlx::Error) -> LedgerError {
    let why = error.to_string();
    match error {
        sqlx::Error::Database(database) => match database.kind() {
            ErrorKind::UniqueViolation
            | ErrorKind::ForeignKeyViolation
            | ErrorKind::NotNullViolation
            | ErrorKind::CheckViolation => LedgerError::Broken(why),
            _ if is_of_a_schema(database.code().as_deref()) => LedgerError::Broken(why),
            _ => LedgerError::Unavailable(why),
        },
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::TypeNotFound { .. } => LedgerError::Broken(why),
        _ => LedgerError::Unavailable(why),
    }
}

/// PostgreSQL's class 42 and SQLite's code 1: the tables are not as this program knows them.
fn is_of_a_schema(code: Option<&str>) -> bool {
    code.is_some_and(|code| code == "1" || code.len() == 5 && code.starts_with("42"))
}
