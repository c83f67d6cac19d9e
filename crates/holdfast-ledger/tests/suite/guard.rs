//! What is sold, and what is not.

use std::sync::Arc;

use anyhow::ensure;
use holdfast_core::TierId;
use holdfast_ledger::{
    Fence, Ledger, LedgerError, MessageKind, NO_UNIT, NewOrder, OrderStatus, Recorded, Step,
};

use super::{NOW, done, fence, id, messages, new_order, sale, sold, tier};

pub(super) async fn all<L: Ledger + 'static>(ledger: &Arc<L>) -> anyhow::Result<()> {
    let it = ledger.as_ref();
    a_ledger_has_one_owner(it).await?;
    another_order_of_a_hold_is_none_of_ours(it).await?;
    one_unit_more_than_there_is_is_refused(it).await?;
    who_was_refused_stays_refused(it).await?;
    without_a_tier_nothing_is_recorded(it).await?;
    a_tier_is_never_smaller_than_what_is_sold(it).await?;
    the_same_hold_has_one_order(it).await?;
    the_same_id_is_one_order(it).await?;
    a_reign_that_is_over_writes_nothing(it).await?;
    many_at_once_sell_what_there_is(ledger).await?;
    many_at_once_record_one_order_once(ledger).await?;
    a_reign_that_begins_among_many_ends_the_others(ledger).await
}

async fn one_unit_more_than_there_is_is_refused(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "full", 3).await?;
    let orders = [new_order("full", 1, 2), new_order("full", 2, 2), new_order("full", 3, 1)];
    let recorded = ledger.record(fence, &orders, NOW).await?;
    ensure!(matches!(&recorded[0], Recorded::New(order) if order.number == 1));
    let Recorded::Refused(refused) = &recorded[1] else { anyhow::bail!("{recorded:?}") };
    ensure!(refused.status == OrderStatus::Void && refused.reason.as_deref() == Some(NO_UNIT));
    ensure!(refused.number == 2 && refused.what == orders[1]);
    ensure!(matches!(&recorded[2], Recorded::New(order) if order.number == 3));
    ensure!(sold(ledger, fence.sale).await? == 3);
    let told = [(1, MessageKind::Authorised), (2, MessageKind::Void), (3, MessageKind::Authorised)];
    ensure!(messages(ledger, "full").await? == told.map(|(hold, kind)| (id("full", hold), kind)));
    Ok(())
}

async fn who_was_refused_stays_refused(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "refused", 1).await?;
    let orders = [new_order("refused", 1, 1), new_order("refused", 2, 1)];
    let first = ledger.record(fence, &orders, NOW).await?;
    let [Recorded::New(kept), Recorded::Refused(refused)] = &first[..] else {
        anyhow::bail!("{first:?}")
    };
    ensure!(refused.was_refused() && !kept.was_refused());
    ensure!(ledger.set_capacity(fence, tier(), 10).await? == Ok(()));
    let again = ledger.record(fence, &orders, NOW + 1).await?;
    ensure!(again == [Recorded::Known(kept.clone()), Recorded::Known(refused.clone())]);
    ensure!(ledger.order_of(fence.sale, refused.what.hold).await?.as_ref() == Some(refused));

    // A repeated void of it gives no units back; a void that is the caller's is not the guard's.
    let why = || Step::Void("capture".into());
    ensure!(done(ledger, fence, &refused.what.id, why()).await? == *refused);
    ensure!(sold(ledger, fence.sale).await? == 1);
    ensure!(!done(ledger, fence, &kept.what.id, why()).await?.was_refused());
    ensure!(sold(ledger, fence.sale).await? == 0);
    ensure!(messages(ledger, "refused").await?.len() == 3);
    Ok(())
}

async fn without_a_tier_nothing_is_recorded(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "tierless", 5).await?;
    let vip = TierId::new("vip")?;
    let orders =
        [new_order("tierless", 1, 1), NewOrder { tier: vip, ..new_order("tierless", 2, 1) }];
    ensure!(ledger.record(fence, &orders, NOW).await == Err(LedgerError::NoTier(vip)));
    ensure!(ledger.orders(fence.sale, 0, 10).await?.is_empty());
    ensure!(sold(ledger, fence.sale).await? == 0);
    ensure!(messages(ledger, "tierless").await?.is_empty());
    ensure!(ledger.set_capacity(fence, vip, 1).await? == Ok(()));
    let recorded = ledger.record(fence, &orders, NOW).await?;
    ensure!(matches!(recorded[..], [Recorded::New(_), Recorded::New(_)]));
    let tiers: Vec<_> = ledger.totals(fence.sale).await?.iter().map(|one| one.tier).collect();
    ensure!(tiers == [tier(), vip]);
    Ok(())
}

async fn a_tier_is_never_smaller_than_what_is_sold(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "shrinks", 5).await?;
    ledger.record(fence, &[new_order("shrinks", 1, 3)], NOW).await?;
    ensure!(ledger.set_capacity(fence, tier(), 2).await? == Err(3));
    ensure!(ledger.set_capacity(fence, tier(), 3).await? == Ok(()));
    let full = ledger.record(fence, &[new_order("shrinks", 2, 1)], NOW).await?;
    ensure!(matches!(full[..], [Recorded::Refused(_)]));
    ensure!(ledger.set_capacity(fence, tier(), 4).await? == Ok(()));
    let fits = ledger.record(fence, &[new_order("shrinks", 3, 1)], NOW).await?;
    ensure!(matches!(fits[..], [Recorded::New(_)]));
    Ok(())
}

async fn the_same_hold_has_one_order(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "again", 10).await?;
    let what = new_order("again", 7, 2);
    let first = ledger.record(fence, std::slice::from_ref(&what), NOW).await?;
    let [Recorded::New(order)] = first.as_slice() else { anyhow::bail!("{first:?}") };
    let again = what.clone();
    let known = ledger.record(fence, &[again, what.clone()], NOW + 1).await?;
    ensure!(known == [Recorded::Known(order.clone()), Recorded::Known(order.clone())]);
    ensure!(sold(ledger, fence.sale).await? == 2);
    ensure!(ledger.order(&what.id).await?.as_ref() == Some(order));
    ensure!(order.what == what && order.status == OrderStatus::Authorised);
    Ok(())
}

async fn the_same_id_is_one_order(ledger: &impl Ledger) -> anyhow::Result<()> {
    let here = sale(ledger, "ids", 10).await?;
    let there = sale(ledger, "ids-elsewhere", 10).await?;
    let first = new_order("ids", 1, 1);
    let taken = Err(LedgerError::IdTaken(first.id.clone()));
    let second = NewOrder { id: first.id.clone(), ..new_order("ids", 2, 1) };
    ensure!(ledger.record(here, &[first.clone(), second.clone()], NOW).await == taken);
    ensure!(ledger.orders(here.sale, 0, 10).await?.is_empty());
    ledger.record(here, &[first], NOW).await?;
    ensure!(ledger.record(here, &[new_order("ids", 3, 1), second.clone()], NOW).await == taken);
    ensure!(ledger.record(there, &[second], NOW).await == taken);
    ensure!(ledger.orders(here.sale, 0, 10).await?.len() == 1);
    Ok(())
}

async fn a_reign_that_is_over_writes_nothing(ledger: &impl Ledger) -> anyhow::Result<()> {
    let old = sale(ledger, "reigns", 10).await?;
    ledger.record(old, &[new_order("reigns", 1, 1)], NOW).await?;
    let new = fence("reigns", 3);
    ledger.reign(new).await?;
    ledger.reign(new).await?;
    ensure!(ledger.reigns().await?.contains(&(new.sale, 3)));
    ensure!(ledger.reigns().await?.is_sorted());
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
    ensure!(
        numbers.iter().map(|order| order.number).eq(1..=40),
        "without gaps, the refused among them"
    );
    Ok(())
}

async fn many_at_once_record_one_order_once<L: Ledger + 'static>(
    ledger: &Arc<L>,
) -> anyhow::Result<()> {
    let fence = sale(ledger.as_ref(), "one", 5).await?;
    let tasks = (0..8).map(|_| {
        let ledger = Arc::clone(ledger);
        tokio::spawn(async move { ledger.record(fence, &[new_order("one", 1, 1)], NOW).await })
    });
    let mut new = 0;
    for task in tasks.collect::<Vec<_>>() {
        new += usize::from(matches!(task.await??[..], [Recorded::New(_)]));
    }
    ensure!(new == 1 && sold(ledger.as_ref(), fence.sale).await? == 1);
    Ok(())
}

async fn a_reign_that_begins_among_many_ends_the_others<L: Ledger + 'static>(
    ledger: &Arc<L>,
) -> anyhow::Result<()> {
    let old = sale(ledger.as_ref(), "overthrown", 100).await?;
    let tasks = (1..=40).map(|hold| {
        let ledger = Arc::clone(ledger);
        tokio::spawn(
            async move { ledger.record(old, &[new_order("overthrown", hold, 1)], NOW).await },
        )
    });
    let tasks: Vec<_> = tasks.collect();
    let new = Fence { epoch: 2, ..old };
    ledger.reign(new).await?;
    let then = ledger.orders(old.sale, 0, 100).await?.len();
    let mut recorded = 0;
    for task in tasks {
        match task.await? {
            Ok(_) => recorded += 1,
            Err(error) => ensure!(error == LedgerError::Fenced { reigning: 2 }),
        }
    }
    ensure!(recorded == then, "{recorded} were recorded, {then} of them before the reign was over");
    ensure!(sold(ledger.as_ref(), old.sale).await? == u32::try_from(then)?);
    Ok(())
}

async fn a_ledger_has_one_owner(ledger: &impl Ledger) -> anyhow::Result<()> {
    ensure!(ledger.claim("us", false).await?.is_none(), "whoever only looks takes nothing");
    for (who, may_take) in [("us", true), ("them", true), ("them", false)] {
        ensure!(ledger.claim(who, may_take).await?.as_deref() == Some("us"), "{who}");
    }
    Ok(())
}

async fn another_order_of_a_hold_is_none_of_ours(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "others", 10).await?;
    let order = new_order("others", 1, 1);
    ledger.record(fence, std::slice::from_ref(&order), NOW).await?;
    let other = NewOrder { id: id("others", 99), ..order };
    let refused = ledger.record(fence, std::slice::from_ref(&other), NOW).await;
    ensure!(refused == Err(LedgerError::NotOurs(other.id)), "{refused:?}");
    Ok(())
}
