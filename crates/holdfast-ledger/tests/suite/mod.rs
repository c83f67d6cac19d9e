//! What every ledger promises.

use std::sync::Arc;

use anyhow::{Context, ensure};
use holdfast_core::{BuyerId, Currency, HoldKey, Money, SaleId, TierId};
use holdfast_ledger::{
    Fence, Ledger, LedgerError, MessageKind, Moved, NewOrder, Order, OrderId, OrderStatus,
    Recorded, Refusal, Step,
};

const NOW: u64 = 1_800_000_000_000;

/// All of it, each part on a sale of its own.
pub(crate) async fn all<L: Ledger + 'static>(ledger: &Arc<L>) -> anyhow::Result<()> {
    let it = ledger.as_ref();
    one_unit_more_than_there_is_is_refused(it).await?;
    the_same_hold_has_one_order(it).await?;
    a_reign_that_is_over_writes_nothing(it).await?;
    a_tier_is_never_smaller_than_what_is_sold(it).await?;
    steps_are_taken_once_and_only_forwards(it).await?;
    what_is_unfinished_is_found(it).await?;
    messages_wait_until_they_are_sent(it).await?;
    who_is_forgotten_is_in_no_order(it).await?;
    many_at_once_sell_what_there_is(ledger).await
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

fn id(sale: &str, hold: u64) -> OrderId {
    OrderId::new(format!("order-{sale}-{hold}")).expect("an order's id")
}

fn new_order(sale: &str, hold: u64, quantity: u32) -> NewOrder {
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
async fn sale(ledger: &impl Ledger, name: &str, units: u32) -> anyhow::Result<Fence> {
    let fence = fence(name, 1);
    ledger.reign(fence).await?;
    ensure!(ledger.set_capacity(fence, tier(), units).await? == Ok(()));
    Ok(fence)
}

async fn sold(ledger: &impl Ledger, sale: SaleId) -> anyhow::Result<u32> {
    let totals = ledger.totals(sale).await?;
    let total = totals.first().context("there is a tier")?;
    ensure!(total.sold == total.ordered, "guard and orders differ: {total:?}");
    Ok(total.sold)
}

async fn one_unit_more_than_there_is_is_refused(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "full", 3).await?;
    let orders = [new_order("full", 1, 2), new_order("full", 2, 2), new_order("full", 3, 1)];
    let recorded = ledger.record(fence, &orders, NOW).await?;
    ensure!(matches!(&recorded[0], Recorded::New(order) if order.number == 1));
    ensure!(recorded[1] == Recorded::Refused(Refusal::Full));
    ensure!(matches!(&recorded[2], Recorded::New(order) if order.number == 2));
    ensure!(sold(ledger, fence.sale).await? == 3);
    let more = ledger.record(fence, &[new_order("full", 4, 1)], NOW).await?;
    ensure!(more == [Recorded::Refused(Refusal::Full)]);
    let mut other = new_order("full", 5, 1);
    other.tier = TierId::new("vip")?;
    ensure!(ledger.record(fence, &[other], NOW).await? == [Recorded::Refused(Refusal::NoTier)]);
    ensure!(ledger.order_of(fence.sale, HoldKey::from_number(4)).await?.is_none());
    Ok(())
}

async fn the_same_hold_has_one_order(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "again", 10).await?;
    let what = new_order("again", 7, 2);
    let first = ledger.record(fence, std::slice::from_ref(&what), NOW).await?;
    let [Recorded::New(order)] = first.as_slice() else { anyhow::bail!("{first:?}") };
    let again = NewOrder { id: id("again", 99), ..what.clone() };
    let known = ledger.record(fence, &[again, what.clone()], NOW + 1).await?;
    ensure!(known == [Recorded::Known(order.clone()), Recorded::Known(order.clone())]);
    ensure!(sold(ledger, fence.sale).await? == 2);
    ensure!(ledger.order(&what.id).await?.as_ref() == Some(order));
    ensure!(order.what == what && order.status == OrderStatus::Authorised);
    Ok(())
}

async fn a_reign_that_is_over_writes_nothing(ledger: &impl Ledger) -> anyhow::Result<()> {
    let old = sale(ledger, "reigns", 10).await?;
    ledger.record(old, &[new_order("reigns", 1, 1)], NOW).await?;
    let new = fence("reigns", 3);
    ledger.reign(new).await?;
    ledger.reign(new).await?;
    let fenced = LedgerError::Fenced { reigning: 3 };
    ensure!(ledger.reign(old).await == Err(fenced.clone()));
    ensure!(ledger.record(old, &[new_order("reigns", 2, 1)], NOW).await == Err(fenced.clone()));
    let step = [(id("reigns", 1), Step::Paid)];
    ensure!(ledger.advance(old, &step, NOW).await == Err(fenced.clone()));
    ensure!(ledger.set_capacity(old, tier(), 20).await == Err(fenced));
    ensure!(sold(ledger, old.sale).await? == 1);
    ledger.record(new, &[new_order("reigns", 2, 1)], NOW).await?;
    let nobody = ledger.record(fence("nowhere", 1), &[], NOW).await;
    ensure!(nobody == Err(LedgerError::NoSale));
    Ok(())
}

async fn a_tier_is_never_smaller_than_what_is_sold(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "shrinks", 5).await?;
    ledger.record(fence, &[new_order("shrinks", 1, 3)], NOW).await?;
    ensure!(ledger.set_capacity(fence, tier(), 2).await? == Err(3));
    ensure!(ledger.set_capacity(fence, tier(), 3).await? == Ok(()));
    let full = ledger.record(fence, &[new_order("shrinks", 2, 1)], NOW).await?;
    ensure!(full == [Recorded::Refused(Refusal::Full)]);
    ensure!(ledger.set_capacity(fence, tier(), 4).await? == Ok(()));
    let fits = ledger.record(fence, &[new_order("shrinks", 2, 1)], NOW).await?;
    ensure!(matches!(fits[..], [Recorded::New(_)]));
    Ok(())
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

fn done(moved: Moved) -> anyhow::Result<Order> {
    let Moved::Done(order) = moved else { anyhow::bail!("{moved:?}") };
    Ok(order)
}

async fn steps_are_taken_once_and_only_forwards(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "steps", 10).await?;
    let orders = [new_order("steps", 1, 1), new_order("steps", 2, 2)];
    ledger.record(fence, &orders, NOW).await?;
    let (first, second) = (id("steps", 1), id("steps", 2));

    let early = advance(ledger, fence, &first, Step::Refunded).await?;
    ensure!(matches!(early, Moved::Refused(order) if order.status == OrderStatus::Authorised));
    for _ in 0..2 {
        let paid = done(advance(ledger, fence, &first, Step::Paid).await?)?;
        ensure!(paid.status == OrderStatus::Paid && paid.changed_ms == NOW + 5);
    }
    let late = advance(ledger, fence, &first, Step::Void("too late".into())).await?;
    ensure!(matches!(late, Moved::Refused(order) if order.status == OrderStatus::Paid));

    let why = || Step::Void("the guard".into());
    let void = done(advance(ledger, fence, &second, why()).await?)?;
    ensure!(void.status == OrderStatus::Void && void.reason.as_deref() == Some("the guard"));
    ensure!(done(advance(ledger, fence, &second, why()).await?)? == void);
    ensure!(sold(ledger, fence.sale).await? == 1, "a void order's units are free again, once");

    for _ in 0..2 {
        let asked = done(advance(ledger, fence, &first, Step::AskRefund("ill".into())).await?)?;
        ensure!(asked.status == OrderStatus::Paid && asked.refund_asked_ms == Some(NOW + 5));
    }
    for _ in 0..2 {
        let refunded = done(advance(ledger, fence, &first, Step::Refunded).await?)?;
        ensure!(refunded.status == OrderStatus::Refunded);
    }
    ensure!(sold(ledger, fence.sale).await? == 0);
    ensure!(advance(ledger, fence, &id("steps", 9), Step::Paid).await? == Moved::NoOrder);
    let elsewhere = sale(ledger, "steps-elsewhere", 1).await?;
    ensure!(advance(ledger, elsewhere, &first, Step::Paid).await? == Moved::NoOrder);
    Ok(())
}

async fn what_is_unfinished_is_found(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "unfinished", 10).await?;
    let orders: Vec<_> = (1..=5).map(|hold| new_order("unfinished", hold, 1)).collect();
    ledger.record(fence, &orders, NOW).await?;
    let step = |hold, step| (id("unfinished", hold), step);
    let steps = [
        step(2, Step::Paid),
        step(3, Step::Void("no".into())),
        step(4, Step::Paid),
        step(4, Step::AskRefund("ill".into())),
    ];
    ledger.advance(fence, &steps, NOW).await?;
    let numbers = |orders: Vec<Order>| orders.iter().map(|order| order.number).collect::<Vec<_>>();
    ensure!(numbers(ledger.unfinished(fence.sale, 0, 100).await?) == [1, 4, 5]);
    ensure!(numbers(ledger.unfinished(fence.sale, 1, 1).await?) == [4]);
    ensure!(numbers(ledger.orders(fence.sale, 0, 2).await?) == [1, 2]);
    ensure!(numbers(ledger.orders(fence.sale, 2, 100).await?) == [3, 4, 5]);
    ensure!(numbers(ledger.orders(fence.sale, u64::MAX, 100).await?).is_empty());
    Ok(())
}

async fn messages_wait_until_they_are_sent(ledger: &impl Ledger) -> anyhow::Result<()> {
    let waiting = async || {
        let messages = ledger.outbox(1_000).await?;
        let ours = messages.into_iter().filter(|one| one.order.as_str().contains("-outbox-"));
        anyhow::Ok(ours.collect::<Vec<_>>())
    };
    let fence = sale(ledger, "outbox", 10).await?;
    ledger.record(fence, &[new_order("outbox", 1, 1)], NOW).await?;
    ledger.record(fence, &[new_order("outbox", 1, 1)], NOW).await?;
    for _ in 0..2 {
        ledger.advance(fence, &[(id("outbox", 1), Step::Paid)], NOW).await?;
    }
    let messages = waiting().await?;
    let kinds: Vec<_> = messages.iter().map(|message| message.kind).collect();
    ensure!(kinds == [MessageKind::Authorised, MessageKind::Paid], "{messages:?}");
    for _ in 0..2 {
        ledger.sent(&[messages[0].number]).await?;
    }
    ensure!(waiting().await? == messages[1..]);
    Ok(())
}

async fn who_is_forgotten_is_in_no_order(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "forgets", 10).await?;
    let mut mine = new_order("forgets", 1, 1);
    mine.buyer = buyer("somebody@example.org");
    ledger.record(fence, &[mine.clone(), new_order("forgets", 2, 1)], NOW).await?;
    let (who, alias) = (mine.buyer, buyer("forgotten-1"));
    ensure!(ledger.forget(who, alias).await? == 1);
    ensure!(ledger.forget(who, alias).await? == 0);
    let orders = ledger.orders(fence.sale, 0, 10).await?;
    ensure!(orders[0].what.buyer == alias && orders[0].what.metadata.is_none());
    ensure!(orders[0].what.payment == mine.payment && orders[1].what.metadata.is_some());
    Ok(())
}

async fn many_at_once_sell_what_there_is<L: Ledger + 'static>(
    ledger: &Arc<L>,
) -> anyhow::Result<()> {
    let fence = sale(ledger.as_ref(), "many", 20).await?;
    let buyers = (1..=40).map(|hold| {
        let ledger = Arc::clone(ledger);
        tokio::spawn(async move { ledger.record(fence, &[new_order("many", hold, 1)], NOW).await })
    });
    let mut won = 0;
    for buyer in buyers.collect::<Vec<_>>() {
        let recorded = buyer.await??;
        won += recorded.iter().filter(|one| matches!(one, Recorded::New(_))).count();
    }
    ensure!(won == 20 && sold(ledger.as_ref(), fence.sale).await? == 20);
    let numbers = ledger.orders(fence.sale, 0, 100).await?;
    ensure!(numbers.iter().map(|order| order.number).eq(1..=20), "without gaps");
    Ok(())
}

/// What [`all`] has left is there, in a ledger that was opened again.
pub(crate) async fn after_a_restart(ledger: &impl Ledger) -> anyhow::Result<()> {
    ensure!(look(ledger).await? == 20);
    let fenced = LedgerError::Fenced { reigning: 3 };
    ensure!(ledger.reign(fence("reigns", 2)).await == Err(fenced));
    Ok(())
}

/// How many orders a sale of [`all`] has.
pub(crate) async fn look(ledger: &impl Ledger) -> Result<usize, LedgerError> {
    Ok(ledger.orders(fence("many", 1).sale, 0, 100).await?.len())
}
