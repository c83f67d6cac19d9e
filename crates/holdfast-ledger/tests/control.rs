//! The control row where PostgreSQL hurts: it hangs, it is down, its answer is lost; and asked from
//! threads that know no runtime.

// Of both only the tools are needed here.
#[allow(dead_code)]
mod proxy;
#[allow(dead_code)]
mod suite;

use std::fmt::Debug;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use holdfast_ledger::{Control, Ledger, LedgerError, Recorded, Result, SqlLedger};
use holdfast_testkit::Postgres;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::Instant;

use proxy::{Cut, Proxy};
use suite::{NOW, new_order, run, sale};

/// How long the control row may take at most.
const PROMISED: Duration = Duration::from_secs(1);

/// Its runtime runs only while something is asked, as where a thread asks that has nothing else to
/// do there.
#[test]
fn the_control_row_answers_or_fails_at_once_in_postgres() -> anyhow::Result<()> {
    let mut server = Postgres::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ledger = runtime.block_on(SqlLedger::postgres(&server.url(), 1))?;
    let fence = runtime.block_on(sale(&ledger, "goes-on", 10))?;
    ensure!(runtime.block_on(ledger.set_control(0, 1, "before"))?);

    server.freeze()?;
    is_unavailable_at_once(&runtime, &ledger)?;
    server.thaw()?;
    ensure!(runtime.block_on(back(&ledger))?.document == "before");
    ensure!(runtime.block_on(ledger.set_control(1, 1, "after the silence"))?);

    server.stop();
    is_unavailable_at_once(&runtime, &ledger)?;
    server.resume()?;
    ensure!(runtime.block_on(back(&ledger))?.document == "after the silence");
    ensure!(runtime.block_on(ledger.set_control(2, 1, "after the crash"))?);
    let recorded = runtime.block_on(ledger.record(fence, &[new_order("goes-on", 1, 1)], NOW))?;
    ensure!(matches!(recorded[..], [Recorded::New(_)]), "{recorded:?}");
    Ok(())
}

/// More often than there are connections. Nobody waits for real.
fn is_unavailable_at_once(runtime: &Runtime, ledger: &SqlLedger) -> anyhow::Result<()> {
    runtime.block_on(async { tokio::time::pause() });
    for _ in 0..4 {
        is_unavailable_within_a_second(runtime, ledger.control())?;
        is_unavailable_within_a_second(runtime, ledger.set_control(1, 1, "nobody hears"))?;
    }
    runtime.block_on(async { tokio::time::resume() });
    Ok(())
}

fn is_unavailable_within_a_second<T: Debug>(
    runtime: &Runtime,
    asked: impl Future<Output = Result<T>>,
) -> anyhow::Result<()> {
    runtime.block_on(async {
        let begun = Instant::now();
        let said = asked.await;
        ensure!(matches!(said, Err(LedgerError::Unavailable(_))), "{said:?}");
        ensure!(begun.elapsed() < PROMISED, "it took {:?}", begun.elapsed());
        Ok(())
    })
}

/// The row, once the database answers again.
async fn back(ledger: &SqlLedger) -> anyhow::Result<Control> {
    let answers = async {
        loop {
            match ledger.control().await {
                Ok(row) => return row.context("the row is there"),
                Err(LedgerError::Unavailable(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), answers).await?
}

#[test]
fn who_is_not_let_in_is_told_so_at_once() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let nowhere = format!("{}-of-nobody", server.url());
    let nobody = server.url().replace("//postgres@", "//nobody@");
    run(async {
        for url in [nowhere, nobody] {
            let opened = SqlLedger::postgres(&url, 1).await;
            ensure!(matches!(opened, Err(LedgerError::Invalid(_))), "{url}: {opened:?}");
        }
        Ok(())
    })
}

#[test]
fn what_came_of_a_lost_answer_is_read_off_the_row() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let proxy = Proxy::to(server.port())?;
    run(async {
        let ledger = SqlLedger::postgres(&proxy.url(), 1).await?;
        ensure!(ledger.set_control(0, 1, "first").await?);
        let cases = [(Cut::BeforeTheCommit, 1), (Cut::BeforeItsAnswer, 2), (Cut::Silent, 3)];
        for (cut, version) in cases {
            let before = back(&ledger).await?.version;
            proxy.cut_next(cut);
            let set = ledger.set_control(before, 1, "mine").await;
            ensure!(matches!(set, Err(LedgerError::Unknown(_))), "{cut:?}: {set:?}");
            let row = back(&ledger).await?;
            ensure!(row.version == version, "{cut:?}: {row:?}");
            ensure!((row.document == "mine") == (row.version > before), "{row:?}");
        }
        ensure!(ledger.set_control(3, 1, "goes on").await?);
        Ok(())
    })
}

#[test]
fn a_thread_without_a_runtime_asks_and_drops() -> anyhow::Result<()> {
    let (server, folder) = (Postgres::start()?, tempfile::tempdir()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (end, ended) = oneshot::channel::<()>();
    let driver = thread::spawn(move || runtime.block_on(ended));
    let postgres = handle.block_on(SqlLedger::postgres(&server.url(), 2))?;
    let sqlite = handle.block_on(SqlLedger::sqlite(&folder.path().join("ledger.db")))?;
    for ledger in [postgres, sqlite] {
        let ledger = Arc::new(ledger);
        let threads = (0..4_u64).map(|_| {
            let (ledger, handle) = (Arc::clone(&ledger), handle.clone());
            thread::spawn(move || -> anyhow::Result<u64> {
                let mut won = 0;
                for version in 0..10 {
                    won += u64::from(handle.block_on(ledger.set_control(version, 1, "mine"))?);
                    // Given up somewhere on its way, and dropped on this thread.
                    let limit = Duration::from_micros(100 * version);
                    let dropped = async { tokio::time::timeout(limit, ledger.control()).await };
                    drop(handle.block_on(dropped));
                }
                Ok(won)
            })
        });
        let mut won = 0;
        for thread in threads.collect::<Vec<_>>() {
            won += thread.join().map_err(|_| anyhow::anyhow!("it panicked"))??;
        }
        let row = handle.block_on(ledger.control())?.context("it is set")?;
        ensure!(won == row.version && won > 0, "{won} were set, {} are there", row.version);
        handle.block_on(ledger.close());
    }
    drop(end);
    let _ = driver.join();
    Ok(())
}
