//! Looking.

use holdfast_core::{BuyerId, HoldKey, SaleId};

use super::row::{Row, broken, order_columns};
use super::session::{Session, Value};
use crate::{Message, MessageKind, Order, OrderId, Result, TierTotals};

/// Each sale and its reign.
pub(super) async fn reigns(session: &mut Session) -> Result<Vec<(SaleId, u32)>> {
    let rows = session.fetch("SELECT sale, epoch FROM sales", &[]).await?;
    let mut reigns: Vec<_> =
        rows.iter().map(|row| Ok((row.sale(0)?, row.number(1)?))).collect::<Result<_>>()?;
    // A database may have an order of its own.
    reigns.sort_unstable();
    Ok(reigns)
}

pub(super) async fn order(session: &mut Session, id: &OrderId) -> Result<Option<Order>> {
    const SQL: &str = concat!("SELECT ", order_columns!(), " FROM orders WHERE id = $1");
    one(session, SQL, &[Value::Text(id.as_str())]).await
}

pub(super) async fn order_of(
    session: &mut Session,
    sale: SaleId,
    hold: HoldKey,
) -> Result<Option<Order>> {
    const SQL: &str =
        concat!("SELECT ", order_columns!(), " FROM orders WHERE sale = $1 AND hold = $2");
    // No hold is beyond what a database can count to.
    let Ok(hold) = i64::try_from(hold.number()) else { return Ok(None) };
    one(session, SQL, &[Value::Text(sale.as_str()), Value::Number(hold)]).await
}

async fn one(
    session: &mut Session,
    sql: &'static str,
    values: &[Value<'_>],
) -> Result<Option<Order>> {
    session.fetch_one(sql, values).await?.as_ref().map(Row::order).transpose()
}

pub(super) async fn orders(
    session: &mut Session,
    sale: SaleId,
    after: u64,
    limit: u32,
) -> Result<Vec<Order>> {
    const SQL: &str = concat!(
        "SELECT ",
        order_columns!(),
        " FROM orders WHERE sale = $1 AND number > $2 ORDER BY number LIMIT $3"
    );
    page(session, SQL, sale, after, limit).await
}

pub(super) async fn refunds(
    session: &mut Session,
    after: Option<(SaleId, u64)>,
    limit: u32,
    refunded_too: bool,
) -> Result<Vec<Order>> {
    const ALL: &str = concat!(
        "SELECT ",
        order_columns!(),
        " FROM orders WHERE (sale, number) > ($1, $2) AND refund_asked_ms IS NOT NULL \
         ORDER BY sale, number LIMIT $3"
    );
    const ASKED: &str = concat!(
        "SELECT ",
        order_columns!(),
        " FROM orders WHERE (sale, number) > ($1, $2) AND refund_asked_ms IS NOT NULL \
         AND status = 'paid' ORDER BY sale, number LIMIT $3"
    );
    let sale = after.as_ref().map_or("", |(sale, _)| sale.as_str());
    let number = after.map_or(0, |(_, number)| number);
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let values = [Value::Text(sale), Value::Number(number), Value::Number(limit.into())];
    let rows = session.fetch(if refunded_too { ALL } else { ASKED }, &values).await?;
    rows.iter().map(Row::order).collect()
}

pub(super) async fn bought(
    session: &mut Session,
    sale: SaleId,
    buyer: BuyerId,
) -> Result<Vec<Order>> {
    const SQL: &str = concat!(
        "SELECT ",
        order_columns!(),
        " FROM orders WHERE buyer = $2 AND sale = $1 ORDER BY number"
    );
    let values = [Value::Text(sale.as_str()), Value::Text(buyer.as_str())];
    session.fetch(SQL, &values).await?.iter().map(Row::order).collect()
}

async fn page(
    session: &mut Session,
    sql: &'static str,
    sale: SaleId,
    after: u64,
    limit: u32,
) -> Result<Vec<Order>> {
    // No number is beyond what a database can count to.
    let after = Value::Number(i64::try_from(after).unwrap_or(i64::MAX));
    let values = [Value::Text(sale.as_str()), after, Value::Number(limit.into())];
    session.fetch(sql, &values).await?.iter().map(Row::order).collect()
}

pub(super) async fn totals(session: &mut Session, sale: SaleId) -> Result<Vec<TierTotals>> {
    const SQL: &str = "SELECT tier, capacity, sold, CAST(COALESCE((\
         SELECT SUM(quantity) FROM orders WHERE orders.sale = tiers.sale \
         AND orders.tier = tiers.tier AND status IN ('authorised', 'paid')), 0) AS BIGINT) \
         FROM tiers WHERE sale = $1";
    let rows = session.fetch(SQL, &[Value::Text(sale.as_str())]).await?;
    let total = |row: &Row| {
        Ok(TierTotals {
            tier: row.tier(0)?,
            capacity: row.number(1)?,
            sold: row.number(2)?,
            ordered: row.number(3)?,
        })
    };
    let mut totals: Vec<_> = rows.iter().map(total).collect::<Result<_>>()?;
    totals.sort_unstable_by_key(|total| total.tier);
    Ok(totals)
}

pub(super) async fn outbox(session: &mut Session, limit: u32) -> Result<Vec<Message>> {
    const SQL: &str = "SELECT outbox.number, kind, id, at_ms FROM outbox \
         JOIN orders ON orders.sale = outbox.sale AND orders.number = order_number \
         ORDER BY outbox.number LIMIT $1";
    let rows = session.fetch(SQL, &[Value::Number(limit.into())]).await?;
    let message = |row: &Row| {
        Ok(Message {
            number: row.number(0)?,
            kind: MessageKind::read(&row.text(1)?).ok_or_else(|| broken("a message is none"))?,
            order: OrderId::new(row.text(2)?).ok_or_else(|| broken("an order's id is none"))?,
            at_ms: row.number(3)?,
        })
    };
    rows.iter().map(message).collect()
}
