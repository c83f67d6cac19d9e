//! Taking orders further, in few statements however many there are.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::{SaleId, TierId};

use super::row::{Row, broken, order_columns, signed};
use super::session::{Session, Value, places};
use super::write::{enter, tell};
use crate::{Fence, MessageKind, Moved, Order, OrderId, OrderStatus, Result, Step};

pub(super) async fn advance(
    session: &mut Session,
    fence: Fence,
    steps: &[(OrderId, Step)],
    now_ms: u64,
) -> Result<Vec<Moved>> {
    enter(session, fence).await?;
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    let mut orders = named(session, fence.sale, steps).await?;
    let mut changes = Changes::default();
    let moved = steps.iter().map(|(id, step)| match orders.get_mut(id) {
        None => Moved::NoOrder,
        Some(order) => changes.step_on(order, step, now_ms),
    });
    let moved = moved.collect();
    changes.write(session, fence.sale, &orders, now_ms).await?;
    Ok(moved)
}

/// The orders of the sale that the steps are about.
async fn named(
    session: &mut Session,
    sale: SaleId,
    steps: &[(OrderId, Step)],
) -> Result<BTreeMap<OrderId, Order>> {
    const SELECT: &str = concat!("SELECT ", order_columns!(), " FROM orders WHERE id IN ");
    let sql = format!("{SELECT}{}", places(1, steps.len()));
    let ids: Vec<_> = steps.iter().map(|(id, _)| Value::Text(id.as_str())).collect();
    let rows = session.fetch(sql, &ids).await?;
    let orders = rows.iter().map(Row::order).collect::<Result<Vec<_>>>()?;
    let ours = orders.into_iter().filter(|order| order.sale == sale);
    Ok(ours.map(|order| (order.what.id.clone(), order)).collect())
}

/// What a batch of steps changes.
#[derive(Default)]
struct Changes {
    orders: BTreeSet<OrderId>,
    messages: Vec<(u64, MessageKind)>,
    /// Units that are no longer sold.
    back: BTreeMap<TierId, u64>,
}

impl Changes {
    fn step_on(&mut self, order: &mut Order, step: &Step, now_ms: u64) -> Moved {
        use OrderStatus::{Authorised, Paid, Refunded, Void};
        match (order.status, step) {
            (Paid, Step::Paid)
            | (Void, Step::Void(_))
            | (Refunded, Step::Refunded | Step::AskRefund(_)) => {}
            (Paid, Step::AskRefund(_)) if order.refund_asked_ms.is_some() => {}
            (Paid, Step::AskRefund(why)) => {
                (order.refund_asked_ms, order.reason) = (Some(now_ms), Some(why.clone()));
                self.orders.insert(order.what.id.clone());
            }
            (Authorised, Step::Paid) => self.change(order, Paid, MessageKind::Paid, now_ms),
            (Authorised, Step::Void(why)) => {
                order.reason = Some(why.clone());
                self.give_back(order);
                self.change(order, Void, MessageKind::Void, now_ms);
            }
            (Paid, Step::Refunded) => {
                self.give_back(order);
                self.change(order, Refunded, MessageKind::Refunded, now_ms);
            }
            _ => return Moved::Refused(order.clone()),
        }
        Moved::Done(order.clone())
    }

    fn give_back(&mut self, order: &Order) {
        *self.back.entry(order.what.tier).or_default() += u64::from(order.what.quantity);
    }

    fn change(&mut self, order: &mut Order, to: OrderStatus, kind: MessageKind, now_ms: u64) {
        (order.status, order.changed_ms) = (to, now_ms);
        self.orders.insert(order.what.id.clone());
        self.messages.push((order.number, kind));
    }

    async fn write(
        self,
        session: &mut Session,
        sale: SaleId,
        orders: &BTreeMap<OrderId, Order>,
        now_ms: u64,
    ) -> Result<()> {
        const BACK: &str = "UPDATE tiers SET sold = sold - $3 WHERE sale = $1 AND tier = $2";
        for (tier, &units) in &self.back {
            let units = Value::Number(signed(units)?);
            let values = [Value::Text(sale.as_str()), Value::Text(tier.as_str()), units];
            if session.execute(BACK, &values).await? != 1 {
                return Err(broken("an order's tier is not there"));
            }
        }
        let changed = self.orders.iter().filter_map(|id| orders.get(id));
        update(session, &changed.collect::<Vec<_>>()).await?;
        tell(session, sale, &self.messages, now_ms).await
    }
}

async fn update(session: &mut Session, orders: &[&Order]) -> Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    let rows = places(orders.len(), 5);
    let sql = format!(
        "WITH new (id, status, reason, changed_ms, refund_asked_ms) AS (VALUES {rows}) \
         UPDATE orders SET status = new.status, reason = new.reason, \
         changed_ms = new.changed_ms, refund_asked_ms = new.refund_asked_ms \
         FROM new WHERE orders.id = new.id"
    );
    let mut values = Vec::with_capacity(5 * orders.len());
    for order in orders {
        values.extend([
            Value::Text(order.what.id.as_str()),
            Value::Text(order.status.as_str()),
            Value::TextOrNull(order.reason.as_deref()),
            Value::Number(signed(order.changed_ms)?),
            Value::NumberOrNull(order.refund_asked_ms.map(signed).transpose()?),
        ]);
    }
    let updated = session.execute(sql, &values).await?;
    if usize::try_from(updated) == Ok(orders.len()) {
        return Ok(());
    }
    Err(broken("an order has gone while it was ours"))
}
