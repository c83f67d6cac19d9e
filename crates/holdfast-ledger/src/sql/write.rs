//! Writing. Each transaction over a sale makes the sale's row its own first: so they come one after
//! the other, whoever writes, and a reign that has ended is told so.

use holdfast_core::{BuyerId, SaleId, TierId};

use super::control;
use super::row::{broken, signed};
use super::session::{Session, Value, places};
use crate::{BATCH_MAX, Fence, Lease, LedgerError, MessageKind, Result};

pub(super) async fn claim(
    session: &mut Session,
    owner: &str,
    may_take: bool,
) -> Result<Option<String>> {
    const TAKE: &str = "INSERT INTO owner (one, owner) VALUES (1, $1) ON CONFLICT (one) DO NOTHING";
    const LOOK: &str = "SELECT owner FROM owner";
    if may_take {
        session.execute(TAKE, &[Value::Text(owner)]).await?;
    }
    session.fetch_one(LOOK, &[]).await?.map(|row| row.text(0)).transpose()
}

pub(super) async fn reign(session: &mut Session, fence: Fence) -> Result<()> {
    const SQL: &str = "INSERT INTO sales (sale, epoch) VALUES ($1, $2) \
         ON CONFLICT (sale) DO UPDATE SET epoch = excluded.epoch WHERE sales.epoch <= excluded.epoch";
    control::share(session, fence).await?;
    let epoch = Value::Number(fence.epoch.into());
    let won = session.execute(SQL, &[Value::Text(fence.sale.as_str()), epoch]).await?;
    if won == 1 { Ok(()) } else { enter(session, fence).await.map(drop) }
}

/// Makes the sale's row this transaction's own, if its reign is not over; says how many orders the
/// sale has.
pub(super) async fn enter(session: &mut Session, fence: Fence) -> Result<u64> {
    let sql = session.choose(
        "SELECT epoch, orders FROM sales WHERE sale = $1",
        "SELECT epoch, orders FROM sales WHERE sale = $1 FOR UPDATE",
    );
    let row = session.fetch_one(sql, &[Value::Text(fence.sale.as_str())]).await?;
    let row = row.ok_or(LedgerError::NoSale)?;
    let reigning = row.number(0)?;
    if reigning == fence.epoch { row.number(1) } else { Err(LedgerError::Fenced { reigning }) }
}

pub(super) async fn set_capacity(
    session: &mut Session,
    fence: Fence,
    tier: TierId,
    capacity: u32,
) -> Result<std::result::Result<(), u32>> {
    const SET: &str = "INSERT INTO tiers (sale, tier, capacity) VALUES ($1, $2, $3) \
         ON CONFLICT (sale, tier) DO UPDATE SET capacity = excluded.capacity \
         WHERE tiers.sold <= excluded.capacity";
    const SOLD: &str = "SELECT sold FROM tiers WHERE sale = $1 AND tier = $2";
    enter(session, fence).await?;
    let at = [Value::Text(fence.sale.as_str()), Value::Text(tier.as_str())];
    let set = session.execute(SET, &[at[0], at[1], Value::Number(capacity.into())]).await?;
    if set == 1 {
        return Ok(Ok(()));
    }
    let row = session.fetch_one(SOLD, &at).await?;
    Ok(Err(row.ok_or_else(|| broken("a tier is not there"))?.number(0)?))
}

/// Leaves messages in the outbox: of which order of the sale, by number, and what.
pub(super) async fn tell(
    session: &mut Session,
    sale: SaleId,
    messages: &[(u64, MessageKind)],
    now_ms: u64,
) -> Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let rows = places(messages.len(), 4);
    let sql = format!("INSERT INTO outbox (sale, order_number, kind, at_ms) VALUES {rows}");
    let at = Value::Number(signed(now_ms)?);
    let mut values = Vec::with_capacity(4 * messages.len());
    for &(order, kind) in messages {
        let order = Value::Number(signed(order)?);
        values.extend([Value::Text(sale.as_str()), order, Value::Text(kind.as_str()), at]);
    }
    session.execute(sql, &values).await.map(drop)
}

pub(super) async fn sent(session: &mut Session, messages: &[u64]) -> Result<()> {
    for messages in messages.chunks(BATCH_MAX) {
        // No number is beyond what a database can count to.
        let numbers = messages.iter().filter_map(|&number| i64::try_from(number).ok());
        let numbers: Vec<_> = numbers.map(Value::Number).collect();
        if !numbers.is_empty() {
            let sql = format!("DELETE FROM outbox WHERE number IN {}", places(1, numbers.len()));
            session.execute(sql, &numbers).await?;
        }
    }
    Ok(())
}

pub(super) async fn forget(session: &mut Session, buyer: BuyerId, alias: BuyerId) -> Result<u64> {
    const SQL: &str = "UPDATE orders SET buyer = $2, metadata = NULL WHERE buyer = $1";
    session.execute(SQL, &[Value::Text(buyer.as_str()), Value::Text(alias.as_str())]).await
}

pub(super) async fn lease(
    session: &mut Session,
    budget: &str,
    per_second: u32,
    want: u32,
    now_ms: u64,
) -> Result<Lease> {
    // An update without a change makes the row this transaction's own.
    const ENTER: &str = "INSERT INTO budgets (budget, given_us) VALUES ($1, 0) \
         ON CONFLICT (budget) DO UPDATE SET given_us = budgets.given_us RETURNING given_us";
    const GIVE: &str = "UPDATE budgets SET given_us = $2 WHERE budget = $1";
    let row = session.fetch_one(ENTER, &[Value::Text(budget)]).await?;
    let given_us = row.ok_or_else(|| broken("a budget is not there"))?.number(0)?;
    let lease = Lease::after(given_us, per_second, want, now_ms);
    let given = Value::Number(signed(lease.given_us())?);
    session.execute(GIVE, &[Value::Text(budget), given]).await?;
    Ok(lease)
}
