//! Ledgers that are dropped, cut off and crowded.

mod proxy;
// Of the suite only the tools are needed here.
#[allow(dead_code)]
mod suite;

use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use holdfast_ledger::{
    Ledger, LedgerError, MessageKind, Moved, NewOrder, Recorded, Result, SqlLedger, Step,
};
use holdfast_testkit::Postgres;

use proxy::{Cut, Proxy};
use suite::{NOW, id, messages, new_order, run, sale, sold};

#[test]
fn a_write_in_sqlite_may_be_dropped_anywhere() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ledger.db");
    run(async { writes_may_be_dropped_anywhere(&SqlLedger::sqlite(&file).await?).await })
}

#[test]
fn a_way_to_postgres_may_be_narrow_and_cut() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    run(async {
        writes_may_be_dropped_anywhere(&SqlLedger::postgres(&server.url(), 1).await?).await?;
        let proxy = Proxy::to(server.port())?;
        commits_may_be_cut(&proxy).await?;
        silence_is_not_waited_out(&proxy).await
    })
}

/// How a future is dropped once it has been asked so often: at once, while it waits, or when what it
/// waits for has come.
#[derive(Clone, Copy, Debug)]
enum Dropped {
    Waiting,
    Woken,
}

/// Asks a future so often and drops it; what it said, if it was done.
async fn after<F: Future>(future: F, asked: usize, how: Dropped) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = asked;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match (future.as_mut().poll(context), how) {
            (Poll::Ready(said), _) => Poll::Ready(Some(said)),
            (Poll::Pending, Dropped::Waiting) if left == 0 => Poll::Ready(None),
            (Poll::Pending, _) => Poll::Pending,
        }
    })
    .await
}

async fn writes_may_be_dropped_anywhere(ledger: &SqlLedger) -> anyhow::Result<()> {
    for (name, how) in [("dropped-waiting", Dropped::Waiting), ("dropped-woken", Dropped::Woken)] {
        let fence = sale(ledger, name, 1_000).await?;
        let (mut hold, mut dropped) = (0, 0);
        // How often a write has to be asked until it is done depends on how quick the database is.
        for _ in 0..10 {
            for asked in 1.. {
                hold += 1;
                let order = [new_order(name, hold, 1)];
                let said = after(ledger.record(fence, &order, NOW), asked, how).await;
                let again = ledger.record(fence, &order, NOW).await?;
                ensure!(matches!(again[..], [Recorded::New(_) | Recorded::Known(_)]));
                if said.is_some() {
                    break;
                }
                dropped += 1;
            }
        }
        ensure!(dropped >= 10, "{how:?}: {dropped} were dropped");
        let all = ledger.orders(fence.sale, 0, 1_000).await?;
        ensure!(all.iter().map(|order| order.number).eq(1..=hold), "{how:?}");
        ensure!(u64::from(sold(ledger, fence.sale).await?) == hold, "{how:?}");
        ensure!(messages(ledger, name).await?.len() == all.len(), "each told of once");
    }
    Ok(())
}

async fn commits_may_be_cut(proxy: &Proxy) -> anyhow::Result<()> {
    let ledger = SqlLedger::postgres(&proxy.url(), 2).await?;
    let fence = sale(&ledger, "cut", 10).await?;
    for (hold, cut) in [(1, Cut::BeforeTheCommit), (2, Cut::BeforeItsAnswer)] {
        let order = [new_order("cut", hold, 1)];
        proxy.cut_next(cut);
        is_unknown(&ledger.record(fence, &order, NOW).await)?;
        let again = ledger.record(fence, &order, NOW).await?;
        let was_there = matches!(again[..], [Recorded::Known(_)]);
        ensure!(was_there == (cut == Cut::BeforeItsAnswer), "{cut:?}: {again:?}");

        let step = [(id("cut", hold), Step::Paid)];
        proxy.cut_next(cut);
        is_unknown(&ledger.advance(fence, &step, NOW).await)?;
        ensure!(matches!(ledger.advance(fence, &step, NOW).await?[..], [Moved::Done(_)]));
    }
    ensure!(u64::from(sold(&ledger, fence.sale).await?) == 2);
    let kinds = messages(&ledger, "cut").await?.into_iter().map(|(_, kind)| kind);
    let each = [MessageKind::Authorised, MessageKind::Paid];
    ensure!(kinds.eq(each.into_iter().chain(each)), "each told of once");
    Ok(())
}

async fn silence_is_not_waited_out(proxy: &Proxy) -> anyhow::Result<()> {
    let ledger = SqlLedger::postgres(&proxy.url(), 1).await?;
    let fence = sale(&ledger, "silent", 10).await?;
    let order = [new_order("silent", 1, 1)];
    proxy.cut_next(Cut::Silent);
    let silenced = tokio::spawn({
        let (ledger, order) = (ledger.clone(), order.clone());
        async move { ledger.record(fence, &order, NOW).await }
    });
    while !proxy.has_cut() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Nobody waits for real: not for the answer, and not until the connection is given up.
    tokio::time::pause();
    let silenced = tokio::time::timeout(Duration::from_secs(60), silenced).await;
    is_unknown(&silenced.context("it is given up")??)?;
    tokio::time::sleep(Duration::from_secs(30)).await;
    tokio::time::resume();
    ensure!(matches!(ledger.record(fence, &order, NOW).await?[..], [Recorded::Known(_)]));
    Ok(())
}

fn is_unknown<T: std::fmt::Debug>(said: &Result<T>) -> anyhow::Result<()> {
    ensure!(matches!(said, Err(LedgerError::Unknown(_))), "{said:?}");
    Ok(())
}

#[test]
fn many_open_one_new_file_at_once_and_share_it() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ledger.db");
    let openers = (0..8).map(|nth| {
        let file = file.clone();
        thread::spawn(move || {
            let mut won = 0;
            run(async {
                let ledger = SqlLedger::sqlite(&file).await?;
                let fence = sale(&ledger, "shared", 20).await?;
                for hold in 10 * nth..10 * (nth + 1) {
                    let order: NewOrder = new_order("shared", hold, 1);
                    let recorded = ledger.record(fence, &[order], NOW).await?;
                    won += usize::from(matches!(recorded[..], [Recorded::New(_)]));
                }
                Ok(())
            })
            .map(|()| won)
        })
    });
    let mut won = 0;
    for opener in openers.collect::<Vec<_>>() {
        won += opener.join().map_err(|_| anyhow::anyhow!("it panicked"))??;
    }
    ensure!(won == 20, "{won} of 20 were sold");
    Ok(())
}

#[test]
fn what_is_no_address_is_refused_at_once() -> anyhow::Result<()> {
    run(async {
        for (url, connections) in [("postgres://localhost:x/y", 2), ("postgres://localhost/y", 0)] {
            let opened = SqlLedger::postgres(url, connections).await;
            ensure!(matches!(opened, Err(LedgerError::Invalid(_))), "{opened:?}");
        }
        Ok(())
    })
}
