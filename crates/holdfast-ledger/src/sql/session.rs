//! One transaction, and what its statements take and give, alike for both databases.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Postgres, Sqlite, Transaction};

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

/// A statement: one that is always the same, with its places as `$1`, or one that was made for so
/// many rows, with its places as `?`.
pub(super) type Sql = Cow<'static, str>;

/// The places for the values of `rows` rows: `(?, ?), (?, ?)`.
pub(super) fn places(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row; rows].join(", ")
}

/// The same with `$1` and so on, as PostgreSQL has them. (SQLite takes long for many such.)
fn numbered(sql: Sql) -> Sql {
    let Cow::Owned(made) = sql else { return sql };
    let mut pieces = made.split('?');
    let mut numbered = pieces.next().unwrap_or_default().to_owned();
    for (nth, piece) in (1..).zip(pieces) {
        // Writing to a text cannot fail.
        let _ = write!(numbered, "${nth}{piece}");
    }
    Cow::Owned(numbered)
}

/// A statement with more values is not kept for the next time: there are too many such.
const KEPT_VALUES_MAX: usize = 64;

/// A statement with its values.
macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let sql: Sql = $sql;
        let is_kept = $values.len() <= KEPT_VALUES_MAX;
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(is_kept);
        $values.iter().fold(query, |query, value| match *value {
            Value::Text(text) => query.bind(text),
            Value::TextOrNull(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
            Value::NumberOrNull(number) => query.bind(number),
        })
    }};
}

impl Session {
    /// Runs a statement; says how many rows it has changed.
    pub(super) async fn execute(
        &mut self,
        sql: impl Into<Sql>,
        values: &[Value<'_>],
    ) -> Result<u64> {
        let sql = sql.into();
        match self {
            Self::Sqlite(transaction) => {
                let done = in_time(bound!(sql, values).execute(&mut **transaction)).await;
                done.map(|done| done.rows_affected())
            }
            Self::Postgres(transaction) => {
                let done = in_time(bound!(numbered(sql), values).execute(&mut **transaction)).await;
                done.map(|done| done.rows_affected())
            }
        }
        .map_err(|error| failed(&error))
    }

    /// Runs a statement that gives rows.
    pub(super) async fn fetch(
        &mut self,
        sql: impl Into<Sql>,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>> {
        let sql = sql.into();
        match self {
            Self::Sqlite(transaction) => {
                let rows = in_time(bound!(sql, values).fetch_all(&mut **transaction)).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(transaction) => {
                let rows =
                    in_time(bound!(numbered(sql), values).fetch_all(&mut **transaction)).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
        }
        .map_err(|error| failed(&error))
    }

    /// Runs one that gives at most one row.
    pub(super) async fn fetch_one(
        &mut self,
        sql: impl Into<Sql>,
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
            Self::Sqlite(transaction) => in_time(transaction.commit()).await,
            Self::Postgres(transaction) => in_time(transaction.commit()).await,
        };
        committed.map_err(|error| LedgerError::Unknown(error.to_string()))
    }

    /// Changes nothing, and has let go of every lock when it returns, unless the database cannot be
    /// reached: then that lets go by itself. Whoever only drops a session lets go when their runtime
    /// next finds time for it, which may be much later.
    pub(super) async fn roll_back(self) {
        let _ = match self {
            Self::Sqlite(transaction) => in_time(transaction.rollback()).await,
            Self::Postgres(transaction) => in_time(transaction.rollback()).await,
        };
    }
}

/// How long a database may be silent: longer than it may work on a statement.
pub(super) const SILENCE: Duration = Duration::from_secs(10);

/// What a database says, unless it says nothing.
pub(super) async fn in_time<T>(work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    within(SILENCE, work).await
}

/// What a database says within `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    let said = tokio::time::timeout(limit, work).await;
    said.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}

/// What an error before the commit means: nothing was changed.
pub(super) fn failed(error: &sqlx::Error) -> LedgerError {
    let why = error.to_string();
    let is_for_good = match error {
        sqlx::Error::Database(database) => is_for_good(database.code().as_deref()),
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::TypeNotFound { .. } => true,
        _ => false,
    };
    if is_for_good { LedgerError::Broken(why) } else { LedgerError::Unavailable(why) }
}

/// Whether a database's code says what no repeat will change: the tables or the values are not as
/// this program knows them, or the file is damaged.
fn is_for_good(code: Option<&str>) -> bool {
    let code = code.unwrap_or_default();
    if code.len() == 5 {
        // PostgreSQL's classes: values, constraints, names.
        return ["22", "23", "42"].iter().any(|class| code.starts_with(class));
    }
    let Ok(code) = code.parse::<u32>() else { return false };
    // SQLite's codes: ERROR alone; CORRUPT, TOOBIG, CONSTRAINT, MISMATCH, RANGE, NOTADB of any kind.
    code == 1 || matches!(code & 0xff, 11 | 18 | 19 | 20 | 25 | 26)
}
