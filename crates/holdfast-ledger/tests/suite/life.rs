//! What becomes of orders.

use anyhow::ensure;
use holdfast_ledger::{Ledger, MessageKind, Moved, NewOrder, Order, OrderStatus, Step};

use super::{NOW, advance, buyer, done, id, new_order, sale, sold};

pub(super) async fn all(ledger: &impl Ledger) -> anyhow::Result<()> {
    steps_are_taken_once_and_only_forwards(ledger).await?;
    steps_of_one_batch_follow_each_other(ledger).await?;
    what_is_to_be_refunded_is_found(ledger).await?;
    messages_wait_until_they_are_sent(ledger).await?;
    who_is_forgotten_is_in_no_order(ledger).await
}

async fn steps_are_taken_once_and_only_forwards(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "steps", 10).await?;
    let orders = [new_order("steps", 1, 1), new_order("steps", 2, 2)];
    ledger.record(fence, &orders, NOW).await?;
    let (first, second) = (id("steps", 1), id("steps", 2));

    let early = advance(ledger, fence, &first, Step::Refunded).await?;
    ensure!(matches!(early, Moved::Refused(order) if order.status == OrderStatus::Authorised));
    for _ in 0..2 {
        let paid = done(ledger, fence, &first, Step::Paid).await?;
        ensure!(paid.status == OrderStatus::Paid && paid.changed_ms == NOW + 5);
    }
    let late = advance(ledger, fence, &first, Step::Void("too late".into())).await?;
    ensure!(matches!(late, Moved::Refused(order) if order.status == OrderStatus::Paid));

    let why = || Step::Void("the guard".into());
    let void = done(ledger, fence, &second, why()).await?;
    ensure!(void.status == OrderStatus::Void && void.reason.as_deref() == Some("the guard"));
    ensure!(done(ledger, fence, &second, why()).await? == void);
    ensure!(sold(ledger, fence.sale).await? == 1, "a void order's units are free again, once");

    for _ in 0..2 {
        let asked = done(ledger, fence, &first, Step::AskRefund("ill".into())).await?;
        ensure!(asked.status == OrderStatus::Paid && asked.refund_asked_ms == Some(NOW + 5));
    }
    for _ in 0..2 {
        let refunded = done(ledger, fence, &first, Step::Refunded).await?;
        ensure!(refunded.status == OrderStatus::Refunded);
    }
    ensure!(sold(ledger, fence.sale).await? == 0);
    ensure!(advance(ledger, fence, &id("steps", 9), Step::Paid).await? == Moved::NoOrder);
    let elsewhere = sale(ledger, "steps-elsewhere", 1).await?;
    ensure!(advance(ledger, elsewhere, &first, Step::Paid).await? == Moved::NoOrder);
    Ok(())
}

async fn what_is_to_be_refunded_is_found(ledger: &impl Ledger) -> anyhow::Result<()> {
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
    let refunds = async |after: u64, limit, all| {
        let found = ledger.refunds(Some((fence.sale, after)), limit, all).await?;
        let ours = found.into_iter().filter(|order| order.sale == fence.sale);
        anyhow::Ok(numbers(ours.collect()))
    };
    ensure!(refunds(0, 100, false).await? == [4]);
    ensure!(refunds(4, 100, false).await?.is_empty());
    ensure!(numbers(ledger.orders(fence.sale, 0, 2).await?) == [1, 2]);
    ensure!(numbers(ledger.orders(fence.sale, 2, 100).await?) == [3, 4, 5]);
    ensure!(numbers(ledger.orders(fence.sale, u64::MAX, 100).await?).is_empty());

    ledger.advance(fence, &[step(2, Step::AskRefund("ill".into()))], NOW).await?;
    ledger.advance(fence, &[step(2, Step::Refunded)], NOW).await?;
    ensure!(refunds(0, 100, false).await? == [4]);
    ensure!(refunds(0, 100, true).await? == [2, 4]);
    ensure!(refunds(2, 1, true).await? == [4]);
    let first = ledger.refunds(None, 10_000, true).await?;
    ensure!(first.iter().any(|order| order.sale == fence.sale), "of all sales");
    ensure!(numbers(ledger.bought(fence.sale, buyer("buyer-3")).await?) == [3]);
    ensure!(numbers(ledger.bought(fence.sale, buyer("nobody")).await?).is_empty());
    Ok(())
}

async fn messages_wait_until_they_are_sent(ledger: &impl Ledger) -> anyhow::Result<()> {
    let waiting = async || {
        let messages = ledger.outbox(10_000).await?;
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
    ledger.sent(&[0, u64::MAX]).await?;
    ensure!(waiting().await? == messages[1..], "no such messages");
    Ok(())
}

async fn steps_of_one_batch_follow_each_other(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "steps-batch", 10).await?;
    let order = new_order("steps-batch", 1, 3);
    ledger.record(fence, std::slice::from_ref(&order), NOW).await?;
    let steps = [Step::Paid, Step::Paid, Step::AskRefund("ill".into()), Step::Refunded];
    let steps = steps.map(|step| (order.id.clone(), step));
    let moved = ledger.advance(fence, &steps, NOW + 1).await?;
    let statuses: Vec<_> = moved
        .iter()
        .map(|one| match one {
            Moved::Done(order) => Some(order.status),
            _ => None,
        })
        .collect();
    let (paid, refunded) = (Some(OrderStatus::Paid), Some(OrderStatus::Refunded));
    ensure!(statuses == [paid, paid, paid, refunded], "{moved:?}");
    let last = ledger.order(&order.id).await?;
    ensure!(matches!(&moved[3], Moved::Done(order) if Some(order) == last.as_ref()));
    ensure!(sold(ledger, fence.sale).await? == 0);
    let kinds = super::messages(ledger, "steps-batch").await?.into_iter().map(|(_, kind)| kind);
    ensure!(kinds.eq([MessageKind::Authorised, MessageKind::Paid, MessageKind::Refunded]));
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
    many_are_forgotten_at_once(ledger).await
}

async fn many_are_forgotten_at_once(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "forgets-many", 10_000).await?;
    let who = buyer("everybody@example.org");
    for batch in 0..3 {
        let holds = 1 + batch * 1_000..=(batch + 1) * 1_000;
        let orders =
            holds.map(|hold| NewOrder { buyer: who, ..new_order("forgets-many", hold, 1) });
        ledger.record(fence, &orders.collect::<Vec<_>>(), NOW).await?;
    }
    ensure!(ledger.forget(who, buyer("forgotten-2")).await? == 3_000);
    let messages = ledger.outbox(u32::MAX).await?;
    let numbers: Vec<_> = messages.iter().map(|message| message.number).collect();
    ledger.sent(&numbers).await?;
    ensure!(ledger.outbox(1).await?.is_empty());
    Ok(())
}
