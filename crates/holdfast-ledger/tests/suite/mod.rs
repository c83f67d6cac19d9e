//! What every ledger promises.

mod bounds;
mod budgets;
mod control;
mod guard;
mod life;
mod race;

use std::sync::Arc;

use anyhow::{Context, ensure};
use holdfast_core::{BuyerId, Currency, HoldKey, Money, SaleId, TierId};
use holdfast_ledger::{
    Fence, Ledger, LedgerError, MessageKind, Moved, NewOrder, Order, OrderId, Step,
};

pub(crate) const NOW: u64 = 1_800_000_000_000;

/// Runs a test's work.
pub(crate) fn run(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// All of it, each part on a sale of its own.
pub(crate) async fn all<L: Ledger + 'static>(ledger: &Arc<L>) -> anyhow::Result<()> {
    let it = ledger.as_ref();
    guard::all(ledger).await?;
    life::all(it).await?;
    bounds::all(it).await?;
    budgets::all(it).await?;
    control::all(ledger).await
}

fn fence(sale: &str, epoch: u32) -> Fence {
    Fence { sale: SaleId::new(sale).expect("a sale's name"), epoch }
}

fn tier() -> TierId {
    TierId::new("ga").expect("a tier's name")
}

fn buyer(name: &str) -> BuyerId {
    BuyerId::new(name).expect("a buyer's name")
}

pub(crate) fn id(sale: &str, hold: u64) -> OrderId {
    OrderId::new(format!("order-{sale}-{hold}")).expect("an order's id")
}

pub(crate) fn new_order(sale: &str, hold: u64, quantity: u32) -> NewOrder {
    let currency = Currency::new("EUR").expect("a currency");
    NewOrder {
        id: id(sale, hold),
        hold: HoldKey::from_number(hold),
        buyer: buyer(&format!("buyer-{hold}")),
        tier: tier(),
        quantity,
        total: Money { amount: 4_500 * u64::from(quantity), currency },
        provider: "simulated".into(),
        payment: format!("pay-{hold}"),
        metadata: Some(r#"{"seat":"A1"}"#.into()),
    }
}

/// A sale with so many units, under its first reign.
pub(crate) async fn sale(ledger: &impl Ledger, name: &str, units: u32) -> anyhow::Result<Fence> {
    let fence = fence(name, 1);
    ledger.reign(fence).await?;
    ensure!(ledger.set_capacity(fence, tier(), units).await? == Ok(()));
    Ok(fence)
}

pub(crate) async fn sold(ledger: &impl Ledger, sale: SaleId) -> anyhow::Result<u32> {
    let totals = ledger.totals(sale).await?;
    let total = totals.first().context("there is a tier")?;
    ensure!(total.sold == total.ordered, "guard and orders differ: {total:?}");
    Ok(total.sold)
}

/// What a sale's messages say, in their order.
pub(crate) async fn messages(
    ledger: &impl Ledger,
    sale: &str,
) -> anyhow::Result<Vec<(OrderId, MessageKind)>> {
    let start = format!("order-{sale}-");
    let messages = ledger.outbox(10_000).await?.into_iter();
    let ours = messages.filter(|message| message.order.as_str().starts_with(&start));
    Ok(ours.map(|message| (message.order, message.kind)).collect())
}

async fn advance(
    ledger: &impl Ledger,
    fence: Fence,
    order: &OrderId,
    step: Step,
) -> anyhow::Result<Moved> {
    let moved = ledger.advance(fence, &[(order.clone(), step)], NOW + 5).await?;
    moved.into_iter().next().context("it says what came of it")
}

/// The order, after a step that can be taken.
async fn done(
    ledger: &impl Ledger,
    fence: Fence,
    order: &OrderId,
    step: Step,
) -> anyhow::Result<Order> {
    match advance(ledger, fence, order, step).await? {
        Moved::Done(order) => Ok(order),
        other => anyhow::bail!("{other:?}"),
    }
}

/// What [`all`] has left is there, in a ledger that was opened again.
pub(crate) async fn after_a_restart(ledger: &impl Ledger) -> anyhow::Result<()> {
    ensure!(look(ledger).await? == 40);
    // What the control row says is said first: it was raised after all reigns but one.
    let row = control::row(ledger).await?;
    let fenced = LedgerError::Fenced { reigning: row.epoch };
    ensure!(ledger.reign(fence("reigns", row.epoch - 1)).await == Err(fenced));
    Ok(())
}

/// How many orders a sale of [`all`] has.
pub(crate) async fn look(ledger: &impl Ledger) -> Result<usize, LedgerError> {
    Ok(ledger.orders(fence("many", 1).sale, 0, 100).await?.len())
}
