//! Nodes of an old reign that go on while a new one begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use holdfast_core::SaleId;
use holdfast_ledger::{Control, Fence, Ledger, LedgerError};

use super::{NOW, fence, new_order, sold};

/// How many record orders, and how many begin with new sales.
const EACH: u64 = 4;

/// What has come of the old reign so far.
#[derive(Default)]
pub(super) struct Crowd {
    orders: AtomicU64,
    sales: AtomicU64,
    /// Somebody has read of the new reign, and has counted the orders.
    is_seen: AtomicBool,
    is_over: AtomicBool,
}

impl Crowd {
    /// Waits until orders and sales have been begun and recorded from now on.
    async fn does_more(&self) {
        let goals = [&self.orders, &self.sales].map(|count| (count, count.load(Ordering::SeqCst)));
        for (count, before) in goals {
            // One of them was begun after all that were under way.
            while count.load(Ordering::SeqCst) <= before + EACH {
                pause().await;
            }
        }
    }

    /// Waits until somebody has read of the new reign, and the old one goes on.
    pub(super) async fn goes_on(&self) {
        while !self.is_seen.load(Ordering::SeqCst) {
            pause().await;
        }
        self.does_more().await;
    }

    /// Counts what was done; says whether whoever did it has been fenced.
    async fn fenced(
        &self,
        count: &AtomicU64,
        done: Result<(), LedgerError>,
    ) -> anyhow::Result<bool> {
        match done {
            Ok(()) => count.fetch_add(1, Ordering::SeqCst),
            Err(LedgerError::Fenced { .. }) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        tokio::task::yield_now().await;
        Ok(false)
    }
}

/// What there was of the old reign after somebody could read of the new one.
#[derive(Debug)]
pub(super) struct Late {
    pub(super) orders: u32,
    /// Sales that are still under it.
    pub(super) sales: usize,
}

/// Orders of a sale are recorded and new sales begun under its reign while `raise` begins another;
/// the control row tells `is_new` of it.
pub(super) async fn run<L: Ledger + 'static>(
    ledger: &Arc<L>,
    old: Fence,
    raise: impl AsyncFn(&Crowd) -> anyhow::Result<()>,
    is_new: impl Fn(&Control) -> bool + Send + 'static,
) -> anyhow::Result<Late> {
    let crowd = Arc::new(Crowd::default());
    let mut nodes = Vec::new();
    for nth in 0..EACH {
        nodes.push(tokio::spawn(buy(Arc::clone(ledger), Arc::clone(&crowd), old, nth)));
        nodes.push(tokio::spawn(begin(Arc::clone(ledger), Arc::clone(&crowd), old, nth)));
    }
    let reader = tokio::spawn(see(Arc::clone(ledger), Arc::clone(&crowd), old.sale, is_new));
    let all = async {
        crowd.does_more().await;
        raise(&crowd).await?;
        let then = sold(ledger.as_ref(), old.sale).await?;
        crowd.is_over.store(true, Ordering::SeqCst);
        for node in nodes {
            node.await??;
        }
        let seen = reader.await??;
        let last = sold(ledger.as_ref(), old.sale).await?;
        ensure!(u64::from(last) == crowd.orders.load(Ordering::SeqCst), "an order is lost");
        ensure!(last == then, "orders were recorded after the reign had begun");
        let reigns = ledger.reigns().await?.into_iter();
        let late = reigns.filter(|(_, epoch)| *epoch <= old.epoch);
        Ok(Late { orders: last - seen, sales: late.count() })
    };
    let done = tokio::time::timeout(Duration::from_secs(60), all).await;
    done.context("a new reign begins in time")?
}

/// Records orders until it is fenced, at least one of them when the new reign has begun.
async fn buy(
    ledger: Arc<impl Ledger>,
    crowd: Arc<Crowd>,
    old: Fence,
    nth: u64,
) -> anyhow::Result<()> {
    for hold in nth * 1_000_000.. {
        let is_last = crowd.is_over.load(Ordering::SeqCst);
        let order = [new_order(old.sale.as_str(), hold, 1)];
        let recorded = ledger.record(old, &order, NOW).await.map(drop);
        if crowd.fenced(&crowd.orders, recorded).await? || is_last {
            break;
        }
    }
    Ok(())
}

/// The same with new sales.
async fn begin(
    ledger: Arc<impl Ledger>,
    crowd: Arc<Crowd>,
    old: Fence,
    nth: u64,
) -> anyhow::Result<()> {
    for number in 0.. {
        let is_last = crowd.is_over.load(Ordering::SeqCst);
        let sale = fence(&format!("{}-{nth}-{number}", old.sale), old.epoch);
        let begun = ledger.reign(sale).await;
        if crowd.fenced(&crowd.sales, begun).await? || is_last {
            break;
        }
    }
    Ok(())
}

/// Waits until the row tells of the new reign; how many orders there are then.
async fn see(
    ledger: Arc<impl Ledger>,
    crowd: Arc<Crowd>,
    sale: SaleId,
    is_new: impl Fn(&Control) -> bool,
) -> anyhow::Result<u32> {
    while !ledger.control().await?.as_ref().is_some_and(&is_new) {
        tokio::task::yield_now().await;
    }
    let seen = sold(ledger.as_ref(), sale).await?;
    crowd.is_seen.store(true, Ordering::SeqCst);
    Ok(seen)
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
