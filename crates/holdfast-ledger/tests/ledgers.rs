//! One suite over every ledger.

mod suite;

use std::sync::Arc;

use holdfast_ledger::{LedgerError, MemoryLedger, SqlLedger};
use holdfast_testkit::Postgres;

use suite::run;

#[test]
fn memory_keeps_what_a_ledger_promises() -> anyhow::Result<()> {
    run(async {
        let ledger = MemoryLedger::default();
        suite::all(&Arc::new(ledger.clone())).await?;
        suite::after_a_restart(&ledger).await
    })
}

#[test]
fn sqlite_keeps_what_a_ledger_promises() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ledger.db");
    run(async {
        suite::all(&Arc::new(SqlLedger::sqlite(&file).await?)).await?;
        suite::after_a_restart(&SqlLedger::sqlite(&file).await?).await
    })
}

#[test]
fn postgres_keeps_what_a_ledger_promises() -> anyhow::Result<()> {
    let mut server = Postgres::start()?;
    let url = server.url();
    run(async {
        let ledger = SqlLedger::postgres(&url, 8).await?;
        suite::all(&Arc::new(ledger.clone())).await?;
        server.stop();
        // It is asked for some seconds before it is given up.
        tokio::time::pause();
        let gone = suite::look(&ledger).await;
        tokio::time::resume();
        anyhow::ensure!(matches!(gone, Err(LedgerError::Unavailable(_))), "{gone:?}");
        server.resume()?;
        // The connections of before are broken; new ones are made.
        suite::after_a_restart(&ledger).await?;
        suite::after_a_restart(&SqlLedger::postgres(&url, 8).await?).await
    })
}
