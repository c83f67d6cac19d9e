//! Recording orders, in few statements however many there are.

use std::collections::{HashMap, HashSet};

use holdfast_core::{HoldKey, SaleId, TierId};

use super::row::{Row, broken, order_columns, signed};
use super::session::{Session, Value, places};
use super::write::{enter, tell};
use crate::{
    Fence, LedgerError, MessageKind, NO_UNIT, NewOrder, Order, OrderId, OrderStatus, Recorded,
    Result,
};

pub(super) async fn record(
    session: &mut Session,
    fence: Fence,
    orders: &[NewOrder],
    now_ms: u64,
) -> Result<Vec<Recorded>> {
    let count = enter(session, fence).await?;
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let mut book = Book::open(session, fence.sale, count, orders).await?;
    let recorded = orders.iter().map(|what| book.record(what, now_ms));
    let recorded = recorded.collect::<Result<_>>()?;
    book.close(session, now_ms).await?;
    Ok(recorded)
}

/// What the ledger has of a sale, as far as a batch needs it. The sale's row is this transaction's
/// own: nobody else changes any of it.
struct Book {
    sale: SaleId,
    /// How many orders there are.
    count: u64,
    /// The orders of the batch's holds.
    known: HashMap<HoldKey, Order>,
    /// Ids that are somebody's.
    ids: HashSet<OrderId>,
    tiers: Vec<Tier>,
    new: Vec<Order>,
}

struct Tier {
    tier: TierId,
    free: u64,
    /// How many units of it the batch takes.
    taken: u64,
}

impl Book {
    async fn open(
        session: &mut Session,
        sale: SaleId,
        count: u64,
        orders: &[NewOrder],
    ) -> Result<Self> {
        let tiers = tiers(session, sale).await?;
        let mut book = Self {
            sale,
            count,
            known: HashMap::new(),
            ids: HashSet::new(),
            tiers,
            new: Vec::new(),
        };
        for order in already_there(session, sale, orders).await? {
            book.ids.insert(order.what.id.clone());
            if order.sale == sale {
                book.known.insert(order.what.hold, order);
            }
        }
        Ok(book)
    }

    fn record(&mut self, what: &NewOrder, now_ms: u64) -> Result<Recorded> {
        if let Some(known) = self.known.get(&what.hold) {
            let is_ours = known.what.id == what.id;
            let known = || Recorded::Known(known.clone());
            return is_ours.then(known).ok_or_else(|| LedgerError::NotOurs(what.id.clone()));
        }
        let tier = self.tiers.iter_mut().find(|tier| tier.tier == what.tier);
        let fits = tier.ok_or(LedgerError::NoTier(what.tier))?.take(what.quantity);
        if !self.ids.insert(what.id.clone()) {
            return Err(LedgerError::IdTaken(what.id.clone()));
        }
        self.count += 1;
        let order = Order {
            sale: self.sale,
            number: self.count,
            what: what.clone(),
            status: if fits { OrderStatus::Authorised } else { OrderStatus::Void },
            reason: (!fits).then(|| NO_UNIT.to_owned()),
            created_ms: now_ms,
            changed_ms: now_ms,
            refund_asked_ms: None,
        };
        self.known.insert(what.hold, order.clone());
        self.new.push(order.clone());
        Ok(if fits { Recorded::New(order) } else { Recorded::Refused(order) })
    }

    /// Writes down what is new.
    async fn close(self, session: &mut Session, now_ms: u64) -> Result<()> {
        const COUNT: &str = "UPDATE sales SET orders = $2 WHERE sale = $1";
        if self.new.is_empty() {
            return Ok(());
        }
        for tier in self.tiers.iter().filter(|tier| tier.taken > 0) {
            tier.write(session, self.sale).await?;
        }
        insert(session, &self.new).await?;
        let message = |order: &Order| match order.status {
            OrderStatus::Void => (order.number, MessageKind::Void),
            _ => (order.number, MessageKind::Authorised),
        };
        let messages: Vec<_> = self.new.iter().map(message).collect();
        tell(session, self.sale, &messages, now_ms).await?;
        let values = [Value::Text(self.sale.as_str()), Value::Number(signed(self.count)?)];
        session.execute(COUNT, &values).await.map(drop)
    }
}

impl Tier {
    /// The guard: takes units, if there are so many.
    fn take(&mut self, quantity: u32) -> bool {
        let Some(free) = self.free.checked_sub(quantity.into()) else { return false };
        self.free = free;
        self.taken += u64::from(quantity);
        true
    }

    async fn write(&self, session: &mut Session, sale: SaleId) -> Result<()> {
        const TAKE: &str = "UPDATE tiers SET sold = sold + $3 \
             WHERE sale = $1 AND tier = $2 AND sold + $3 <= capacity";
        let taken = Value::Number(signed(self.taken)?);
        let values = [Value::Text(sale.as_str()), Value::Text(self.tier.as_str()), taken];
        match session.execute(TAKE, &values).await? {
            1 => Ok(()),
            _ => Err(broken("a tier has changed while it was ours")),
        }
    }
}

async fn tiers(session: &mut Session, sale: SaleId) -> Result<Vec<Tier>> {
    const SQL: &str = "SELECT tier, capacity - sold FROM tiers WHERE sale = $1";
    let rows = session.fetch(SQL, &[Value::Text(sale.as_str())]).await?;
    let tier = |row: &Row| Ok(Tier { tier: row.tier(0)?, free: row.number(1)?, taken: 0 });
    rows.iter().map(tier).collect()
}

/// The orders that there are of the same holds, or under the same ids.
async fn already_there(
    session: &mut Session,
    sale: SaleId,
    orders: &[NewOrder],
) -> Result<Vec<Order>> {
    const SELECT: &str = concat!("SELECT ", order_columns!(), " FROM orders WHERE ");
    let places = places(1, orders.len());
    let sql = format!("{SELECT} (sale = ? AND hold IN {places}) OR id IN {places}");
    let mut values = vec![Value::Text(sale.as_str())];
    for order in orders {
        values.push(Value::Number(signed(order.hold.number())?));
    }
    values.extend(orders.iter().map(|order| Value::Text(order.id.as_str())));
    session.fetch(sql, &values).await?.iter().map(Row::order).collect()
}

async fn insert(session: &mut Session, orders: &[Order]) -> Result<()> {
    const COLUMNS: usize = 16;
    const INSERT: &str = "INSERT INTO orders (sale, number, id, hold, buyer, tier, quantity, \
         amount, currency, provider, payment, status, reason, metadata, created_ms, changed_ms) \
         VALUES ";
    let sql = format!("{INSERT}{}", places(orders.len(), COLUMNS));
    let mut values = Vec::with_capacity(COLUMNS * orders.len());
    for order in orders {
        values.extend::<[Value<'_>; COLUMNS]>(row(order)?);
    }
    session.execute(sql, &values).await.map(drop)
}

fn row(order: &Order) -> Result<[Value<'_>; 16]> {
    let what = &order.what;
    Ok([
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
        Value::TextOrNull(order.reason.as_deref()),
        Value::TextOrNull(what.metadata.as_deref()),
        Value::Number(signed(order.created_ms)?),
        Value::Number(signed(order.changed_ms)?),
    ])
}
