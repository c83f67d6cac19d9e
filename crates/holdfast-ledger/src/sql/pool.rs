//! Connections, and the tables that they find.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, SqlSafeStr};

use super::control;
use super::session::{SILENCE, Session, failed, in_time, within};
use crate::{LedgerError, Result};

/// How long a database may take to give a connection, or to let go of a lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long PostgreSQL may work on one statement, in milliseconds.
const STATEMENT_MS: &str = "5000";

/// How long it waits for the next statement of a transaction, in milliseconds. A node that stands
/// still in the middle of one would keep a sale from everybody, even from the next reign.
const IDLE_MS: &str = "2000";

/// The same where the control row is asked for or set: the database lets go of it before who asked
/// has lost their patience.
const CONTROL_STATEMENT_MS: &str = "800";
const CONTROL_IDLE_MS: &str = "800";

/// How many connections the control row has. A node asks one thing at a time; the other is for when
/// one has fallen silent.
const CONTROL_CONNECTIONS: u32 = 2;

/// A file's readers need not wait for each other.
const READERS: u32 = 4;

/// A version of the tables: what it brings, and how.
pub(super) type Version = (&'static str, &'static str);

/// The tables' versions, in order. One that has been released is never changed.
pub(super) const SQLITE: [Version; 4] = [
    ("orders", include_str!("../../migrations/sqlite/0001_orders.sql")),
    ("budgets", include_str!("../../migrations/sqlite/0002_budgets.sql")),
    ("owner", include_str!("../../migrations/sqlite/0003_owner.sql")),
    ("control", include_str!("../../migrations/sqlite/0004_control.sql")),
];
pub(super) const POSTGRES: [Version; 4] = [
    ("orders", include_str!("../../migrations/postgres/0001_orders.sql")),
    ("budgets", include_str!("../../migrations/postgres/0002_budgets.sql")),
    ("owner", include_str!("../../migrations/postgres/0003_owner.sql")),
    ("control", include_str!("../../migrations/postgres/0004_control.sql")),
];

#[derive(Clone, Debug)]
pub(super) enum Pool {
    /// One connection writes, so that no writer waits for a lock.
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    Postgres {
        orders: PgPool,
        /// What waits for orders must not keep a node from the control row.
        control: PgPool,
    },
}

impl Pool {
    pub(super) async fn sqlite(file: &Path) -> Result<Self> {
        Self::sqlite_of(file, &SQLITE).await
    }

    /// A file, by a program that knows these versions of the tables.
    pub(super) async fn sqlite_of(file: &Path, versions: &[Version]) -> Result<Self> {
        for_the_owner_alone(file)?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            // What is overwritten is gone, a name that was forgotten too.
            .pragma("secure_delete", "ON")
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What has been committed survives a loss of power.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .foreign_keys(true);
        let pool = |connections| {
            let pool = SqlitePoolOptions::new().max_connections(connections);
            pool.acquire_timeout(PATIENCE).before_acquire(|connection, _| {
                // A full disk ends a transaction unasked: such a connection begins no other.
                let is_usable = !connection.is_in_transaction();
                Box::pin(async move { Ok(is_usable) })
            })
        };
        let writer = pool(1).connect_with(options.clone()).await.map_err(|e| failed(&e))?;
        // The migrator itself does not keep two programs from making the same tables at once.
        let mut own = writer.begin_with("BEGIN IMMEDIATE").await.map_err(|e| failed(&e))?;
        migrator(versions).run(&mut *own).await.map_err(|e| not_migrated(&e))?;
        // A file that is read-only says so only to who writes.
        let nothing = sqlx::query("UPDATE sales SET epoch = epoch WHERE 1 = 0");
        nothing.execute(&mut *own).await.map_err(|e| failed(&e))?;
        own.commit().await.map_err(|e| failed(&e))?;
        let readers = pool(READERS).connect_lazy_with(options.read_only(true));
        Ok(Self::Sqlite { writer, readers })
    }

    pub(super) async fn postgres(url: &str, connections: u32) -> Result<Self> {
        Self::postgres_of(url, connections, &POSTGRES).await
    }

    /// The same of PostgreSQL.
    pub(super) async fn postgres_of(
        url: &str,
        connections: u32,
        versions: &[Version],
    ) -> Result<Self> {
        let options = url.parse::<PgConnectOptions>().map_err(|why| {
            LedgerError::Invalid(format!("this is no address of a PostgreSQL database: {why}"))
        })?;
        if connections == 0 {
            return Err(LedgerError::Invalid("a ledger must have at least one connection".into()));
        }
        let patience = control::PATIENCE;
        let control = pool_of(CONTROL_CONNECTIONS, patience, patience).connect_lazy_with(bounded(
            options.clone(),
            CONTROL_STATEMENT_MS,
            CONTROL_IDLE_MS,
        ));
        let options = bounded(options, STATEMENT_MS, IDLE_MS);
        let orders = pool_of(connections, PATIENCE, SILENCE).connect_with(options);
        let orders = orders.await.map_err(|e| not_opened(&e))?;
        migrator(versions).run(&orders).await.map_err(|e| not_migrated(&e))?;
        Ok(Self::Postgres { orders, control })
    }

    /// Whether other machines may have it too.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }

    /// Ends every connection; what SQLite has beside its file goes into it.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                // The last one to go takes care of the file.
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres { orders, control } => {
                control.close().await;
                orders.close().await;
            }
        }
    }

    /// Leaves nothing in SQLite's journal beside its file.
    pub(super) async fn tidy(&self) -> Result<()> {
        let Self::Sqlite { writer, .. } = self else { return Ok(()) };
        let tidied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(writer).await;
        tidied.map(drop).map_err(|error| failed(&error))
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin(&self) -> Result<Session> {
        match self {
            Self::Sqlite { writer, .. } => begin_to_write(writer).await,
            Self::Postgres { orders, .. } => begin_in(orders).await,
        }
    }

    /// Begins one that only reads.
    pub(super) async fn look(&self) -> Result<Session> {
        match self {
            Self::Sqlite { readers, .. } => begin_to_read(readers).await,
            Self::Postgres { orders, .. } => begin_in(orders).await,
        }
    }

    /// Begins one that sets the control row.
    pub(super) async fn begin_control(&self) -> Result<Session> {
        match self {
            Self::Sqlite { writer, .. } => begin_to_write(writer).await,
            Self::Postgres { control, .. } => begin_in(control).await,
        }
    }

    /// Begins one that only reads the control row.
    pub(super) async fn look_at_control(&self) -> Result<Session> {
        match self {
            Self::Sqlite { readers, .. } => begin_to_read(readers).await,
            Self::Postgres { control, .. } => begin_in(control).await,
        }
    }
}

async fn begin_to_write(pool: &SqlitePool) -> Result<Session> {
    // A transaction that began by reading could not become the writer without failing.
    let begun = in_time(pool.begin_with("BEGIN IMMEDIATE")).await;
    begun.map(Session::Sqlite).map_err(|error| failed(&error))
}

async fn begin_to_read(pool: &SqlitePool) -> Result<Session> {
    in_time(pool.begin()).await.map(Session::Sqlite).map_err(|error| failed(&error))
}

async fn begin_in(pool: &PgPool) -> Result<Session> {
    in_time(pool.begin()).await.map(Session::Postgres).map_err(|error| failed(&error))
}

/// Connections that the server ends if they take too long, and whose commits it has on disk before
/// it says so, whatever it was told for others.
fn bounded(options: PgConnectOptions, statement_ms: &str, idle_ms: &str) -> PgConnectOptions {
    options.options([
        ("statement_timeout", statement_ms),
        ("idle_in_transaction_session_timeout", idle_ms),
        ("synchronous_commit", "on"),
    ])
}

/// A pool that gives a connection within `patience`. One that is silent for so long when it comes
/// back is given up, or it would keep its place for minutes.
fn pool_of(connections: u32, patience: Duration, silence: Duration) -> PgPoolOptions {
    let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(patience);
    pool.after_release(move |connection, _| {
        Box::pin(async move { within(silence, connection.ping()).await.map(|()| true) })
    })
}

/// Makes the file, if it is not there, so that nobody else can read it; what SQLite has beside it is
/// like it.
fn for_the_owner_alone(file: &Path) -> Result<()> {
    let made = OpenOptions::new().append(true).create(true).mode(0o600).open(file);
    made.map(drop).map_err(|error| LedgerError::Unavailable(error.to_string()))
}

/// Old programs and new ones share a database: migrations only add, and an old program leaves alone
/// what it does not know.
fn migrator(versions: &[Version]) -> Migrator {
    let migrations = (1..).zip(versions).map(|(version, &(name, sql))| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.set_ignore_missing(true);
    migrator
}

/// A database that has no such user, or no such database, says so again.
fn not_opened(error: &sqlx::Error) -> LedgerError {
    let code = error.as_database_error().and_then(DatabaseError::code);
    let is_for_good = code.is_some_and(|code| code.starts_with("28") || code == "3D000");
    if is_for_good { LedgerError::Invalid(error.to_string()) } else { failed(error) }
}

fn not_migrated(error: &MigrateError) -> LedgerError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(error),
        other => LedgerError::Broken(other.to_string()),
    }
}
