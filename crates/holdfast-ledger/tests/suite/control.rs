//! The row that says which reign is in force.

use std::sync::Arc;

use anyhow::{Context, ensure};
use holdfast_ledger::{
    Control, DOCUMENT_BYTES_MAX, Fence, Ledger, LedgerError, Recorded, Result, Step,
};

use super::race::{self, Crowd};
use super::{NOW, bounds, fence, id, new_order, tier};

/// All of it. It begins with a ledger whose row nobody has set, and ends every reign there was.
pub(super) async fn all<L: Ledger + 'static>(ledger: &Arc<L>) -> anyhow::Result<()> {
    let it = ledger.as_ref();
    the_first_epoch_is_at_least_that_of_every_sale(it).await?;
    who_knows_the_row_replaces_it(it).await?;
    a_document_has_bounds(it).await?;
    of_many_at_once_one_gets_each_version(ledger).await?;
    an_epoch_never_falls(it).await?;
    a_new_epoch_ends_every_reign(it).await?;
    nothing_of_an_old_epoch_comes_after_the_new_one(ledger).await?;
    two_transactions_are_caught(ledger).await
}

/// The row, of which there is one by now.
pub(super) async fn row(ledger: &impl Ledger) -> anyhow::Result<Control> {
    ledger.control().await?.context("the row has been set")
}

/// An epoch that nobody has had, and the row before it.
async fn next(ledger: &impl Ledger) -> anyhow::Result<(Control, u32)> {
    let row = row(ledger).await?;
    let sales = ledger.reigns().await?.into_iter().map(|(_, epoch)| epoch);
    let highest = sales.max().unwrap_or_default().max(row.epoch);
    Ok((row, highest + 1))
}

async fn the_first_epoch_is_at_least_that_of_every_sale(
    ledger: &impl Ledger,
) -> anyhow::Result<()> {
    ensure!(ledger.control().await?.is_none());
    ledger.reign(fence("had-another-store", 7)).await?;
    let fenced = Err(LedgerError::Fenced { reigning: 7 });
    ensure!(ledger.set_control(0, 6, "too low").await == fenced);
    ensure!(!ledger.set_control(1, 7, "there is none to replace").await?);
    ensure!(ledger.control().await?.is_none());
    ensure!(ledger.set_control(0, 7, "first").await?);
    ensure!(row(ledger).await? == Control { version: 1, epoch: 7, document: "first".into() });
    Ok(())
}

async fn who_knows_the_row_replaces_it(ledger: &impl Ledger) -> anyhow::Result<()> {
    for expected in [0, 2, u64::MAX] {
        ensure!(!ledger.set_control(expected, 7, "a stranger's").await?, "{expected}");
    }
    ensure!(row(ledger).await?.document == "first");
    ensure!(ledger.set_control(1, 7, "second").await?);
    ensure!(!ledger.set_control(1, 7, "second").await?, "a repeat finds another version");
    ensure!(row(ledger).await? == Control { version: 2, epoch: 7, document: "second".into() });
    Ok(())
}

async fn a_document_has_bounds(ledger: &impl Ledger) -> anyhow::Result<()> {
    let before = row(ledger).await?;
    let largest = "ü".repeat(DOCUMENT_BYTES_MAX / 2);
    for bad in [format!("{largest}x"), "a\0b".to_owned()] {
        let said = ledger.set_control(before.version, before.epoch, &bad).await;
        bounds::is_invalid(said, "document")?;
    }
    ensure!(row(ledger).await? == before);
    ensure!(ledger.set_control(before.version, before.epoch, &largest).await?);
    ensure!(row(ledger).await?.document == largest);
    Ok(())
}

async fn of_many_at_once_one_gets_each_version<L: Ledger + 'static>(
    ledger: &Arc<L>,
) -> anyhow::Result<()> {
    for _ in 0..5 {
        let before = row(ledger.as_ref()).await?;
        let (version, epoch) = (before.version, before.epoch);
        let racers = (0..16).map(|nth| {
            let ledger = Arc::clone(ledger);
            // Some begin a new epoch, some only write.
            let (epoch, document) = (epoch + nth % 2, format!("racer {nth}"));
            tokio::spawn(async move {
                let is_set = ledger.set_control(version, epoch, &document).await?;
                Ok::<_, LedgerError>(is_set.then_some((epoch, document)))
            })
        });
        let mut winners = Vec::new();
        for racer in racers.collect::<Vec<_>>() {
            winners.extend(racer.await??);
        }
        let [(epoch, document)] = <[_; 1]>::try_from(winners)
            .map_err(|winners| anyhow::anyhow!("not one winner: {winners:?}"))?;
        let after = Control { version: version + 1, epoch, document };
        ensure!(row(ledger.as_ref()).await? == after);
    }
    Ok(())
}

async fn an_epoch_never_falls(ledger: &impl Ledger) -> anyhow::Result<()> {
    let before = row(ledger).await?;
    let lower = before.epoch - 1;
    let fenced = Err(LedgerError::Fenced { reigning: before.epoch });
    ensure!(ledger.set_control(before.version, lower, "back").await == fenced);
    ensure!(!ledger.set_control(before.version + 1, lower, "back").await?);
    ensure!(row(ledger).await? == before);
    Ok(())
}

async fn a_new_epoch_ends_every_reign(ledger: &impl Ledger) -> anyhow::Result<()> {
    let (before, new) = next(ledger).await?;
    let old = sale_at(ledger, "ended", new - 1).await?;
    ledger.record(old, &[new_order("ended", 1, 1)], NOW).await?;
    ensure!(ledger.set_control(before.version, new - 1, "as high as the sale").await?);
    ledger.record(old, &[new_order("ended", 2, 1)], NOW).await?;

    ensure!(ledger.set_control(before.version + 1, new, "new").await?);
    let fenced = LedgerError::Fenced { reigning: new };
    ensure!(ledger.record(old, &[new_order("ended", 3, 1)], NOW).await == Err(fenced.clone()));
    let step = [(id("ended", 1), Step::Paid)];
    ensure!(ledger.advance(old, &step, NOW).await == Err(fenced.clone()));
    ensure!(ledger.set_capacity(old, tier(), 20).await == Err(fenced.clone()));
    ensure!(ledger.reign(old).await == Err(fenced.clone()));
    let unknown = fence("of-an-old-epoch", new - 1);
    ensure!(ledger.reign(unknown).await == Err(fenced));
    ensure!(
        ledger.reigns().await?.iter().all(|(sale, epoch)| *sale != unknown.sale && *epoch == new)
    );

    for current in [Fence { epoch: new, ..old }, Fence { epoch: new, ..unknown }] {
        ledger.reign(current).await?;
        ensure!(ledger.set_capacity(current, tier(), 10).await? == Ok(()));
    }
    let third = [new_order("ended", 3, 1)];
    let recorded = ledger.record(Fence { epoch: new, ..old }, &third, NOW).await?;
    ensure!(matches!(recorded[..], [Recorded::New(_)]));
    a_sale_ahead_of_the_row_is_passed(ledger).await
}

async fn a_sale_ahead_of_the_row_is_passed(ledger: &impl Ledger) -> anyhow::Result<()> {
    let (before, new) = next(ledger).await?;
    ledger.reign(fence("ahead", new + 3)).await?;
    let fenced = Err(LedgerError::Fenced { reigning: new + 3 });
    ensure!(ledger.set_control(before.version, new, "behind the sale").await == fenced);
    ensure!(ledger.set_control(before.version, before.epoch, "the same epoch").await?);
    ensure!(ledger.set_control(before.version + 1, new + 4, "past it").await?);
    ensure!(ledger.reigns().await?.iter().all(|(_, epoch)| *epoch == new + 4));
    Ok(())
}

/// A sale with units for everybody, under this reign.
async fn sale_at(ledger: &impl Ledger, name: &str, epoch: u32) -> Result<Fence> {
    let fence = fence(name, epoch);
    ledger.reign(fence).await?;
    let set = ledger.set_capacity(fence, tier(), 1_000_000).await?;
    set.map(|()| fence).map_err(|sold| LedgerError::Broken(format!("{sold} are sold")))
}

async fn nothing_of_an_old_epoch_comes_after_the_new_one<L: Ledger + 'static>(
    ledger: &Arc<L>,
) -> anyhow::Result<()> {
    for round in 0..3 {
        let (before, new) = next(ledger.as_ref()).await?;
        let name = format!("raced-{round}");
        let old = sale_at(ledger.as_ref(), &name, new - 1).await?;
        let raise = async |_: &Crowd| {
            ensure!(ledger.set_control(before.version, new, "new").await?);
            Ok(())
        };
        let late = race::run(ledger, old, raise, move |row| row.epoch >= new).await?;
        ensure!(late.orders == 0 && late.sales == 0, "round {round}: {late:?}");
    }
    Ok(())
}

/// The control: who puts the new epoch into the row first, and then raises each sale's fence, is
/// caught with orders and with a sale of the old one.
async fn two_transactions_are_caught<L: Ledger + 'static>(ledger: &Arc<L>) -> anyhow::Result<()> {
    let (before, new) = next(ledger.as_ref()).await?;
    let old = sale_at(ledger.as_ref(), "naive", new - 1).await?;
    let raise = async |crowd: &Crowd| {
        let sales = ledger.reigns().await?;
        // To the ledger this is no new epoch; to whoever reads the row it is.
        ensure!(ledger.set_control(before.version, before.epoch, "naive").await?);
        crowd.goes_on().await;
        for (sale, _) in sales {
            ledger.reign(Fence { sale, epoch: new }).await?;
        }
        Ok(())
    };
    let late = race::run(ledger, old, raise, |row| row.document == "naive").await?;
    ensure!(late.orders > 0 && late.sales > 0, "it was not caught: {late:?}");
    Ok(())
}
