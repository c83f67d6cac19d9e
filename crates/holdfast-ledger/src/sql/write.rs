//! Writing. Each transaction over a sale makes the sale's row its own first: so they come one after
//! the other, whoever writes, and a reign that has ended is told so.

use holdfast_core::{BuyerId, SaleId, TierId};

use super::read;
use super::row::{broken, signed};
use super::session::{Session, Value};
use crate::{
    Fence, LedgerError, MessageKind, Moved, NewOrder, Order, OrderId, OrderStatus, Recorded,
    Refusal, Result, Step,
};

pub(super) async fn reign(session: &mut Session, fence: Fence) -> Result<()> {
    const SQL: &str = "INSERT INTO sales (sale, epoch) VALUES ($1, $2) \
         ON CONFLICT (sale) DO UPDATE SET epoch = excluded.epoch WHERE sales.epoch <= excluded.epoch";
    let epoch = Value::Number(fence.epoch.into());
    let won = session.execute(SQL, &[Value::Text(fence.sale.as_str()), epoch]).await?;
    if won == 1 { Ok(()) } else { enter(session, fence).await.map(drop) }
}

/// Makes the sale's row this transaction's own, if its reign is not over; says how many orders the
/// sale has.
async fn enter(session: &mut Session, fence: Fence) -> Result<u64> {
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

pub(super) async fn record(
    session: &mut Session,
    fence: Fence,
    orders: &[NewOrder],
    now_ms: u64,
) -> Result<Vec<Recorded>> {
    const COUNT: &str = "UPDATE sales SET orders = $2 WHERE sale = $1";
    let had = enter(session, fence).await?;
    let (mut count, mut recorded) = (had, Vec::with_capacity(orders.len()));
    for what in orders {
        if let Some(known) = read::order_of(session, fence.sale, what.hold).await? {
            recorded.push(Recorded::Known(known));
            continue;
        }
        if let Err(refusal) = take(session, fence.sale, what).await? {
            recorded.push(Recorded::Refused(refusal));
            continue;
        }
        count += 1;
        let order = Order {
            sale: fence.sale,
            number: count,
            what: what.clone(),
            status: OrderStatus::Authorised,
            reason: None,
            created_ms: now_ms,
            changed_ms: now_ms,
            refund_asked_ms: None,
        };
        insert(session, &order).await?;
        tell(session, &order, MessageKind::Authorised, now_ms).await?;
        recorded.push(Recorded::New(order));
    }
    if count > had {
        let count = Value::Number(signed(count)?);
        session.execute(COUNT, &[Value::Text(fence.sale.as_str()), count]).await?;
    }
    Ok(recorded)
}

/// The guard: takes an order's units, if there are so many.
async fn take(
    session: &mut Session,
    sale: SaleId,
    order: &NewOrder,
) -> Result<std::result::Result<(), Refusal>> {
    const TAKE: &str = "UPDATE tiers SET sold = sold + $3 \
         WHERE sale = $1 AND tier = $2 AND sold + $3 <= capacity";
    const IS_THERE: &str = "SELECT capacity FROM tiers WHERE sale = $1 AND tier = $2";
    let at = [Value::Text(sale.as_str()), Value::Text(order.tier.as_str())];
    let quantity = Value::Number(order.quantity.into());
    if session.execute(TAKE, &[at[0], at[1], quantity]).await? == 1 {
        return Ok(Ok(()));
    }
    let is_there = session.fetch_one(IS_THERE, &at).await?.is_some();
    Ok(Err(if is_there { Refusal::Full } else { Refusal::NoTier }))
}

async fn give_back(session: &mut Session, order: &Order) -> Result<()> {
    const SQL: &str = "UPDATE tiers SET sold = sold - $3 WHERE sale = $1 AND tier = $2";
    let quantity = Value::Number(order.what.quantity.into());
    let at = [Value::Text(order.sale.as_str()), Value::Text(order.what.tier.as_str()), quantity];
    match session.execute(SQL, &at).await? {
        1 => Ok(()),
        _ => Err(broken("an order's tier is not there")),
    }
}

async fn insert(session: &mut Session, order: &Order) -> Result<()> {
    const SQL: &str = "INSERT INTO orders (sale, number, id, hold, buyer, tier, quantity, amount, \
         currency, provider, payment, status, metadata, created_ms, changed_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    let what = &order.what;
    let values = [
        Value::Text(order.sale.as_str()),
        Value::Number(signed(order.number)?),
        Value::Text(what.id.as_str()),
        Value::Number(signed(what.hold.number())?),
        Value::Text(what.buyer.as_str()),
        Value::Text(what.tier.as_str()),
        Value::Number(what.quantity.into()),
        Value::Number(signed(what.total.amount)?),
        Value::Text(what.total.currency.as_str()),
        Value::Text(&what.provider),
        Value::Text(&what.payment),
        Value::Text(order.status.as_str()),
        Value::TextOrNull(what.metadata.as_deref()),
        Value::Number(signed(order.created_ms)?),
        Value::Number(signed(order.changed_ms)?),
    ];
    session.execute(SQL, &values).await.map(drop)
}

/// Leaves a message in the outbox.
async fn tell(session: &mut Session, order: &Order, kind: MessageKind, now_ms: u64) -> Result<()> {
    const SQL: &str =
        "INSERT INTO outbox (sale, order_number, kind, at_ms) VALUES ($1, $2, $3, $4)";
    let values = [
        Value::Text(order.sale.as_str()),
        Value::Number(signed(order.number)?),
        Value::Text(kind.as_str()),
        Value::Number(signed(now_ms)?),
    ];
    session.execute(SQL, &values).await.map(drop)
}

pub(super) async fn advance(
    session: &mut Session,
    fence: Fence,
    steps: &[(OrderId, Step)],
    now_ms: u64,
) -> Result<Vec<Moved>> {
    enter(session, fence).await?;
    let mut moved = Vec::with_capacity(steps.len());
    for (id, step) in steps {
        let order = read::order(session, id).await?.filter(|order| order.sale == fence.sale);
        moved.push(match order {
            None => Moved::NoOrder,
            Some(order) => step_on(session, order, step, now_ms).await?,
        });
    }
    Ok(moved)
}

async fn step_on(
    session: &mut Session,
    mut order: Order,
    step: &Step,
    now_ms: u64,
) -> Result<Moved> {
    use OrderStatus::{Authorised, Paid, Refunded, Void};
    match (order.status, step) {
        (Paid, Step::Paid)
        | (Void, Step::Void(_))
        | (Refunded, Step::Refunded | Step::AskRefund(_)) => {}
        (Paid, Step::AskRefund(_)) if order.refund_asked_ms.is_some() => {}
        (Paid, Step::AskRefund(why)) => {
            (order.refund_asked_ms, order.reason) = (Some(now_ms), Some(why.clone()));
            update(session, &order).await?;
        }
        (Authorised, Step::Paid) => {
            change(session, &mut order, (Paid, MessageKind::Paid), now_ms).await?;
        }
        (Authorised, Step::Void(why)) => {
            order.reason = Some(why.clone());
            give_back(session, &order).await?;
            change(session, &mut order, (Void, MessageKind::Void), now_ms).await?;
        }
        (Paid, Step::Refunded) => {
            give_back(session, &order).await?;
            change(session, &mut order, (Refunded, MessageKind::Refunded), now_ms).await?;
        }
        _ => return Ok(Moved::Refused(order)),
    }
    Ok(Moved::Done(order))
}

async fn change(
    session: &mut Session,
    order: &mut Order,
    (status, kind): (OrderStatus, MessageKind),
    now_ms: u64,
) -> Result<()> {
    (order.status, order.changed_ms) = (status, now_ms);
    update(session, order).await?;
    tell(session, order, kind, now_ms).await
}

async fn update(session: &mut Session, order: &Order) -> Result<()> {
    const SQL: &str = "UPDATE orders SET status = $2, reason = $3, changed_ms = $4, \
         refund_asked_ms = $5 WHERE id = $1";
    let values = [
        Value::Text(order.what.id.as_str()),
        Value::Text(order.status.as_str()),
        Value::TextOrNull(order.reason.as_deref()),
        Value::Number(signed(order.changed_ms)?),
        Value::NumberOrNull(order.refund_asked_ms.map(signed).transpose()?),
    ];
    session.execute(SQL, &values).await.map(drop)
}

pub(super) async fn sent(session: &mut Session, messages: &[u64]) -> Result<()> {
    const SQL: &str = "DELETE FROM outbox WHERE number = $1";
    for &message in messages {
        session.execute(SQL, &[Value::Number(signed(message)?)]).await?;
    }
    Ok(())
}

pub(super) async fn forget(session: &mut Session, buyer: BuyerId, alias: BuyerId) -> Result<u64> {
    const SQL: &str = "UPDATE orders SET buyer = $2, metadata = NULL WHERE buyer = $1";
    session.execute(SQL, &[Value::Text(buyer.as_str()), Value::Text(alias.as_str())]).await
}
