//! The ledger of a program that starts.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use holdfast_ledger::{LedgerError, SqlLedger};
use holdfast_store::Outage;
use tokio::time::{Instant, sleep};

use crate::settings::LedgerPlace;

/// The ledger's file in the data folder.
pub(crate) const FILE: &str = "ledger.sqlite";

/// How long PostgreSQL may be away when a server starts: who starts both at once need not care which
/// comes first.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is tried, where it says at once that it cannot.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Connections for orders: few, for they are written in batches.
const CONNECTIONS: u32 = 4;

/// Opens the ledger; a database that is away is waited for as long as `patience`.
pub(crate) async fn open(
    place: &LedgerPlace,
    data_dir: &Path,
    patience: Duration,
) -> anyhow::Result<SqlLedger> {
    match place {
        LedgerPlace::Sqlite => {
            let file = data_dir.join(FILE);
            let opened = SqlLedger::sqlite(&file).await;
            opened.with_context(|| format!("open the ledger {}", file.display()))
        }
        LedgerPlace::Postgres(url) => postgres(url, CONNECTIONS, patience).await,
    }
}

/// The same of one in PostgreSQL, with so many connections.
pub(crate) async fn postgres(
    url: &str,
    connections: u32,
    patience: Duration,
) -> anyhow::Result<SqlLedger> {
    // It is shown without its password.
    let place = LedgerPlace::Postgres(url.to_owned());
    let (begun, mut outage) = (Instant::now(), Outage::default());
    loop {
        let why = match SqlLedger::postgres(url, connections).await {
            Err(LedgerError::Unavailable(why)) if begun.elapsed() < patience => why,
            opened => return opened.with_context(|| format!("open the ledger at {place}")),
        };
        if outage.is_on(&why, begun.elapsed()).is_some() {
            tracing::info!(ledger = %place, why, "waiting for the ledger, {patience:?} at most");
        }
        sleep(TRY_EVERY).await;
    }
}
