//! What no ledger takes.

use anyhow::ensure;
use holdfast_core::HoldKey;
use holdfast_ledger::{
    BATCH_MAX, Ledger, LedgerError, METADATA_BYTES_MAX, Moved, NAME_BYTES_MAX, NO_UNIT, NewOrder,
    PER_SECOND_MAX, REASON_BYTES_MAX, Recorded, Step,
};

use super::{NOW, id, new_order, sale};

pub(super) async fn all(ledger: &impl Ledger) -> anyhow::Result<()> {
    an_order_that_no_database_takes_is_refused_with_its_batch(ledger).await?;
    the_largest_order_is_taken(ledger).await?;
    reasons_have_bounds(ledger).await?;
    a_batch_has_bounds(ledger).await?;
    budgets_have_bounds(ledger).await
}

pub(super) fn is_invalid<T>(said: Result<T, LedgerError>, word: &str) -> anyhow::Result<()> {
    match said {
        Err(LedgerError::Invalid(why)) if why.contains(word) => Ok(()),
        Err(other) => anyhow::bail!("{word}: {other}"),
        Ok(_) => anyhow::bail!("{word}: it was taken"),
    }
}

async fn an_order_that_no_database_takes_is_refused_with_its_batch(
    ledger: &impl Ledger,
) -> anyhow::Result<()> {
    let fence = sale(ledger, "bounds", 10).await?;
    let good = || new_order("bounds", 1, 1);
    let mut rich = good();
    rich.total.amount = 1 << 63;
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    let beyond = HoldKey::from_number(u64::MAX);
    let cases = [
        ("quantity", NewOrder { quantity: 0, ..good() }),
        ("hold", NewOrder { hold: beyond, ..good() }),
        ("amount", rich),
        ("provider", NewOrder { provider: long.clone(), ..good() }),
        ("payment", NewOrder { payment: "a\0b".into(), ..good() }),
        ("metadata", NewOrder { metadata: Some("\0".into()), ..good() }),
        ("metadata", NewOrder { metadata: Some("x".repeat(METADATA_BYTES_MAX + 1)), ..good() }),
    ];
    for (word, bad) in cases {
        let said = ledger.record(fence, &[new_order("bounds", 2, 1), bad], NOW).await;
        is_invalid(said, word)?;
    }
    is_invalid(ledger.record(fence, &[good()], u64::MAX).await, "time")?;
    ensure!(ledger.orders(fence.sale, 0, 10).await?.is_empty());
    ensure!(ledger.order_of(fence.sale, beyond).await?.is_none());
    Ok(())
}

async fn the_largest_order_is_taken(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "largest", u32::MAX).await?;
    let hold = (1 << 63) - 1;
    let mut what = NewOrder {
        provider: "x".repeat(NAME_BYTES_MAX),
        payment: "ü".repeat(NAME_BYTES_MAX / 2),
        metadata: Some("?".repeat(METADATA_BYTES_MAX)),
        ..new_order("largest", hold, u32::MAX)
    };
    what.total.amount = hold;
    let recorded = ledger.record(fence, std::slice::from_ref(&what), hold).await?;
    ensure!(matches!(&recorded[..], [Recorded::New(order)] if order.what == what));
    ensure!(ledger.order(&what.id).await?.is_some_and(|order| order.what == what));
    Ok(())
}

async fn reasons_have_bounds(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "reasons", 10).await?;
    ledger.record(fence, &[new_order("reasons", 1, 1)], NOW).await?;
    let long = || "x".repeat(REASON_BYTES_MAX + 1);
    let steps = [
        ("reason", Step::Void(long())),
        ("reason", Step::AskRefund(long())),
        ("NUL", Step::Void("\0".into())),
        ("guard", Step::Void(NO_UNIT.into())),
    ];
    for (word, step) in steps {
        let step = [(id("reasons", 1), Step::Paid), (id("reasons", 1), step)];
        is_invalid(ledger.advance(fence, &step, NOW).await, word)?;
    }
    let why = Step::Void("x".repeat(REASON_BYTES_MAX));
    let moved = ledger.advance(fence, &[(id("reasons", 1), why)], NOW).await?;
    ensure!(matches!(moved[..], [Moved::Done(_)]), "nothing had been done of what was refused");
    Ok(())
}

async fn a_batch_has_bounds(ledger: &impl Ledger) -> anyhow::Result<()> {
    let fence = sale(ledger, "batch", 10).await?;
    let orders = vec![new_order("batch", 1, 1); BATCH_MAX + 1];
    is_invalid(ledger.record(fence, &orders, NOW).await, "batch")?;
    let steps = vec![(id("batch", 1), Step::Paid); BATCH_MAX + 1];
    is_invalid(ledger.advance(fence, &steps, NOW).await, "batch")?;
    ensure!(ledger.record(fence, &[], NOW).await?.is_empty());
    ensure!(ledger.advance(fence, &[], NOW).await?.is_empty());
    let recorded = ledger.record(fence, &orders[1..], NOW).await?;
    ensure!(recorded.len() == BATCH_MAX && matches!(recorded[0], Recorded::New(_)));
    ensure!(recorded[1..].iter().all(|one| matches!(one, Recorded::Known(_))));
    ensure!(ledger.advance(fence, &steps[1..], NOW).await?.len() == BATCH_MAX);
    Ok(())
}

async fn budgets_have_bounds(ledger: &impl Ledger) -> anyhow::Result<()> {
    is_invalid(ledger.lease("", 1, 1, NOW).await, "name")?;
    is_invalid(ledger.lease("a\0", 1, 1, NOW).await, "NUL")?;
    is_invalid(ledger.lease(&"x".repeat(NAME_BYTES_MAX + 1), 1, 1, NOW).await, "name")?;
    is_invalid(ledger.lease("b", 0, 1, NOW).await, "slots a second")?;
    is_invalid(ledger.lease("b", PER_SECOND_MAX + 1, 1, NOW).await, "slots a second")?;
    is_invalid(ledger.lease("b", 1, 1, u64::MAX).await, "time")?;
    ensure!(ledger.lease("b", PER_SECOND_MAX, u32::MAX, NOW).await?.granted == PER_SECOND_MAX);
    Ok(())
}
