//! Programs that are old, and programs that stand still.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use holdfast_core::{BuyerId, Currency, HoldKey, Money, SaleId, TierId};
use holdfast_testkit::Postgres;

use super::pool::{POSTGRES, Pool, SQLITE};
use super::session::Session;
use super::{SqlLedger, control, record, write};
use crate::{Control, Fence, Ledger, LedgerError, Moved, NewOrder, OrderId, Recorded, Step};

const NOW: u64 = 1_800_000_000_000;

fn run(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn order(hold: u64) -> anyhow::Result<NewOrder> {
    Ok(NewOrder {
        id: OrderId::new(format!("order-{hold}")).context("an id")?,
        hold: HoldKey::from_number(hold),
        buyer: BuyerId::new("somebody")?,
        tier: TierId::new("ga")?,
        quantity: 1,
        total: Money { amount: 4_500, currency: Currency::new("EUR").context("a currency")? },
        provider: "simulated".into(),
        payment: format!("pay-{hold}"),
        metadata: None,
    })
}

#[test]
fn a_program_of_the_first_version_goes_on_in_a_file_that_has_grown() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ledger.db");
    run(old_programs_go_on(async |versions| {
        Pool::sqlite_of(&file, &SQLITE[..versions]).await.map(|pool| SqlLedger { pool })
    }))
}

#[test]
fn programs_may_be_old_and_may_stand_still_in_postgres() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let url = server.url();
    run(async {
        old_programs_go_on(async |versions| {
            Pool::postgres_of(&url, 2, &POSTGRES[..versions]).await.map(|pool| SqlLedger { pool })
        })
        .await?;
        who_stands_still_keeps_no_sale(&url).await?;
        what_was_committed_is_on_disk(&url).await?;
        let ledger = SqlLedger::postgres(&url, 1).await?;
        a_sale_on_its_way_does_not_slip_past_a_new_epoch(&ledger).await?;
        who_waits_for_orders_keeps_nobody_from_the_control_row(&ledger).await?;
        who_stands_still_does_not_keep_the_control_row(&ledger).await?;
        nothing_of_the_control_row_is_kept_after_the_answer(&ledger, &server).await
    })
}

#[test]
fn a_full_disk_is_survived_in_sqlite() -> anyhow::Result<()> {
    const PAGES: &str = "PRAGMA max_page_count = 1";
    let folder = tempfile::tempdir()?;
    run(async {
        let ledger = SqlLedger::sqlite(&folder.path().join("ledger.db")).await?;
        let fence = Fence { sale: SaleId::new("sale")?, epoch: 1 };
        ledger.reign(fence).await?;
        ensure!(ledger.set_capacity(fence, TierId::new("ga")?, 10).await? == Ok(()));

        // As when the disk is full: no page is to be had, and SQLite ends the transaction unasked.
        let mut session = ledger.pool.begin().await?;
        session.execute(PAGES, &[]).await?;
        let what = NewOrder { metadata: Some("x".repeat(60_000)), ..order(1)? };
        let full = record::record(&mut session, fence, std::slice::from_ref(&what), NOW).await;
        ensure!(matches!(full, Err(LedgerError::Unavailable(_))), "{full:?}");
        drop(session);

        let again = ledger.record(fence, &[what], NOW).await?;
        ensure!(matches!(again[..], [Recorded::New(_)]), "{again:?}");
        Ok(())
    })
}

/// Programs of the first version, one that ran before the tables grew and one that is started
/// after, beside one of this version.
async fn old_programs_go_on(
    open: impl AsyncFn(usize) -> crate::Result<SqlLedger>,
) -> anyhow::Result<()> {
    let fence = Fence { sale: SaleId::new("sale")?, epoch: 1 };
    let before = open(1).await?;
    let lease = before.lease("budget", 1, 1, NOW).await;
    ensure!(matches!(lease, Err(LedgerError::Broken(_))), "{lease:?} in the first version");
    let new = open(SQLITE.len()).await?;
    ensure!(new.lease("budget", 1, 1, NOW).await?.granted == 1);
    let after = open(1).await?;
    for (hold, old) in [(1, &before), (2, &after)] {
        old.reign(fence).await?;
        ensure!(old.set_capacity(fence, TierId::new("ga")?, 2).await? == Ok(()));
        let recorded = old.record(fence, &[order(hold)?], NOW).await?;
        ensure!(matches!(recorded[..], [Recorded::New(_)]));
        let moved = new.advance(fence, &[(order(hold)?.id, Step::Paid)], NOW).await?;
        ensure!(matches!(moved[..], [Moved::Done(_)]));
        ensure!(old.orders(fence.sale, 0, 10).await? == new.orders(fence.sale, 0, 10).await?);
    }
    let refused = new.record(fence, &[order(3)?], NOW).await?;
    ensure!(matches!(refused[..], [Recorded::Refused(_)]));
    Ok(())
}

/// A node stands still in the middle of a transaction, and another one takes over.
async fn who_stands_still_keeps_no_sale(url: &str) -> anyhow::Result<()> {
    let ledger = SqlLedger::postgres(url, 2).await?;
    let (old, new) = (
        Fence { sale: SaleId::new("stands-still")?, epoch: 1 },
        Fence { sale: SaleId::new("stands-still")?, epoch: 2 },
    );
    ledger.reign(old).await?;
    let mut still = ledger.pool.begin().await?;
    write::enter(&mut still, old).await?;
    let begun = Instant::now();
    ledger.reign(new).await?;
    ensure!(begun.elapsed() > Duration::from_millis(100), "it had the sale");
    let woken = still.commit().await;
    ensure!(matches!(woken, Err(LedgerError::Unknown(_))), "{woken:?}");
    ensure!(ledger.record(old, &[], NOW).await == Err(LedgerError::Fenced { reigning: 2 }));
    Ok(())
}

/// Also where the database is told to say so earlier.
async fn what_was_committed_is_on_disk(url: &str) -> anyhow::Result<()> {
    const HASTY: &str = "ALTER DATABASE postgres SET synchronous_commit = off";
    let mut session = SqlLedger::postgres(url, 1).await?.pool.begin().await?;
    session.execute(HASTY, &[]).await?;
    session.commit().await?;
    let ledger = SqlLedger::postgres(url, 1).await?;
    for mut session in [ledger.pool.begin().await?, ledger.pool.begin_control().await?] {
        let said = session.fetch_one("SHOW synchronous_commit", &[]).await?;
        ensure!(said.context("a setting")?.text(0)? == "on");
    }
    Ok(())
}

/// A sale that is made under the old epoch is not there yet for whoever begins the new one.
async fn a_sale_on_its_way_does_not_slip_past_a_new_epoch(
    ledger: &SqlLedger,
) -> anyhow::Result<()> {
    const WAITING: &str = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted";
    let slow = Fence { sale: SaleId::new("on-its-way")?, epoch: 2 };
    let mut making = ledger.pool.begin().await?;
    write::reign(&mut making, slow).await?;
    let setting = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.set_control(0, 3, "new").await }
    });
    // It is done already where nobody makes it wait.
    let has_waited = async |making: &mut Session| {
        let waiting = making.fetch_one(WAITING, &[]).await?.context("a count")?;
        anyhow::Ok(waiting.number::<u64>(0)? > 0)
    };
    while !setting.is_finished() && !has_waited(&mut making).await? {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    making.commit().await?;
    ensure!(setting.await??);
    ensure!(ledger.reigns().await?.contains(&(slow.sale, 3)), "it has the old epoch");
    Ok(())
}

async fn who_waits_for_orders_keeps_nobody_from_the_control_row(
    ledger: &SqlLedger,
) -> anyhow::Result<()> {
    let _all_there_are = ledger.pool.begin().await?;
    let row = Control { version: 1, epoch: 3, document: "new".into() };
    ensure!(ledger.control().await? == Some(row));
    ensure!(ledger.set_control(1, 3, "among orders").await?);
    Ok(())
}

/// A node stands still while it sets the row.
async fn who_stands_still_does_not_keep_the_control_row(ledger: &SqlLedger) -> anyhow::Result<()> {
    let mut still = ledger.pool.begin_control().await?;
    ensure!(control::replace(&mut still, 2, 4, "stands still").await?);
    ensure!(ledger.control().await?.is_some_and(|row| row.version == 2), "who reads does not wait");
    // Whoever asks meanwhile may be told to ask again.
    let set = async {
        loop {
            match ledger.set_control(2, 4, "goes on").await {
                Err(LedgerError::Unavailable(_)) => {}
                said => return said,
            }
        }
    };
    ensure!(tokio::time::timeout(Duration::from_secs(20), set).await??);
    let woken = still.commit().await;
    ensure!(matches!(woken, Err(LedgerError::Unknown(_))), "{woken:?}");
    ensure!(ledger.control().await?.is_some_and(|row| row.document == "goes on"));
    Ok(())
}

/// Also if the runtime stands still after the answer, as it does here while `psql` runs.
async fn nothing_of_the_control_row_is_kept_after_the_answer(
    ledger: &SqlLedger,
    server: &Postgres,
) -> anyhow::Result<()> {
    const IN_TRANSACTION: &str =
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
    let is_free = |after: &str| {
        let kept = server.ask(IN_TRANSACTION)?;
        ensure!(kept == "0", "{kept} transactions are open after {after}");
        anyhow::Ok(())
    };
    ensure!(ledger.control().await?.is_some());
    is_free("a look")?;
    ensure!(!ledger.set_control(1, 4, "too late").await?);
    is_free("a row that was not the expected one")?;
    let fenced = ledger.set_control(3, 3, "goes back").await;
    ensure!(fenced == Err(LedgerError::Fenced { reigning: 4 }), "{fenced:?}");
    is_free("an epoch that is over")
}
