//! Orders as they are shown: as the ledger has them, and until it does, as the engine does.

use std::borrow::Cow;
use std::time::Duration;

use holdfast_api::{Code, Metadata, Order, OrderStatus, Problem, Time};
use holdfast_checkout::provider::Reference;
use holdfast_checkout::{CheckoutError, Forgotten, Note};
use holdfast_core::{
    BuyerId, HoldKey, HoldStatus, HoldView, OrderName, PaymentStatus, Receipt, SaleId,
};
use holdfast_engine::{SaleRef, Sales};
use holdfast_ledger::{LedgerError, Moved, Order as Recorded, OrderId, OrderStatus as Status};
use tokio::time::timeout;

use crate::app::App;
use crate::problem::{of_checkout, order_not_found};

/// How long the ledger may take before whoever asked hears that it does not answer.
const LEDGER_DEADLINE: Duration = Duration::from_secs(5);

const NO_ANSWER: &str = "the ledger has not answered for 5 seconds";

/// A hold as the engine has it, with what is kept for its order.
pub(crate) struct Seen {
    pub(crate) sale: SaleId,
    pub(crate) hold: HoldView,
    note: Option<Box<str>>,
}

impl Seen {
    /// Reads a hold of a sale.
    pub(crate) fn read(
        sales: &Sales,
        sale: SaleRef,
        find: impl FnOnce(&holdfast_core::Sale, u64) -> Option<HoldView>,
    ) -> Option<Self> {
        let (found, clock_ms) = sales.get(sale)?;
        let hold = find(found, clock_ms)?;
        let note = found.note(hold.key).map(Box::from);
        Some(Self { sale: sales.id(found.number())?, hold, note })
    }

    /// Where its order's payment is, if it has an order.
    fn ordered(&self) -> Option<PaymentStatus> {
        let is_sold = self.hold.status == HoldStatus::Sold;
        self.hold.payment.filter(|_| is_sold).map(|payment| payment.status)
    }
}

impl App {
    /// The name that an order's id gives, if this server gave the id.
    pub(crate) fn order_name(&self, id: &str) -> Result<(OrderName, OrderId), Problem> {
        let name = OrderName::read(id).and_then(|signed| signed.verify(&self.options.receipts));
        name.zip(OrderId::new(id)).ok_or_else(order_not_found)
    }

    /// An order. The engine is looked at first: what it knows to be paid the ledger has.
    pub(crate) async fn order(&self, name: OrderName, id: OrderId) -> Result<Order, Problem> {
        let seen = self.look(move |sales| {
            let find = |sale: &holdfast_core::Sale, clock_ms| sale.hold_by_key(name.hold, clock_ms);
            Seen::read(sales, SaleRef::Number(name.sale), find)
        });
        let seen = seen.await?;
        if let Some(order) = self.in_ledger(self.checkout.order(id)).await? {
            let hold = seen.map(|seen| self.hold_id(&seen.hold.receipt, &seen.hold.buyer));
            return Ok(recorded(order, hold));
        }
        self.unrecorded(&seen.ok_or_else(order_not_found)?)?.ok_or_else(order_not_found)
    }

    /// The order of a hold of which the ledger knows nothing, if the hold has one.
    pub(crate) fn unrecorded(&self, seen: &Seen) -> Result<Option<Order>, Problem> {
        match seen.ordered() {
            None => Ok(None),
            Some(PaymentStatus::Authorised) => Ok(Some(self.confirmed(seen))),
            Some(_) => {
                let lost = LedgerError::Broken("it has lost an order".to_owned());
                Err(of_checkout(&CheckoutError::Ledger(lost)))
            }
        }
    }

    fn confirmed(&self, Seen { sale, hold, note }: &Seen) -> Order {
        let metadata = Note::read(note.as_deref()).metadata;
        Order {
            id: OrderName { sale: hold.receipt.sale, hold: hold.key }.id(&self.options.receipts),
            sale: *sale,
            hold: self.hold_id(&hold.receipt, &hold.buyer),
            buyer: hold.buyer,
            tier: hold.tier,
            quantity: hold.quantity,
            total: hold.total,
            status: OrderStatus::Authorised,
            provider: Cow::Borrowed(self.provider_of(hold)),
            metadata: metadata.and_then(|json| Metadata::from_json(json.get().to_owned())),
            reason: None,
            refund_asked_at: None,
            created_at: None,
            changed_at: None,
            number: None,
        }
    }

    /// At most `limit` of a sale's recorded orders after the one with this number.
    pub(crate) async fn orders(
        &self,
        sale: SaleId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Order>, Problem> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let orders = self.in_ledger(self.checkout.orders(sale, after, limit)).await?;
        self.show(sale, orders).await
    }

    /// What a buyer has ordered in a sale; `seen` is their latest hold.
    pub(crate) async fn bought(
        &self,
        sale: SaleId,
        buyer: BuyerId,
        seen: &Seen,
    ) -> Result<Vec<Order>, Problem> {
        let bought = self.in_ledger(self.checkout.bought(sale, buyer)).await?;
        let is_recorded = bought.iter().any(|order| order.what.hold == seen.hold.key);
        let mut orders = self.show(sale, bought).await?;
        if !is_recorded {
            orders.extend(self.unrecorded(seen)?);
        }
        Ok(orders)
    }

    /// Asks for an order's money to be given back.
    pub(crate) async fn refund(
        &self,
        name: OrderName,
        id: OrderId,
        why: String,
    ) -> Result<Moved, Problem> {
        let moved = timeout(LEDGER_DEADLINE, self.checkout.refund(name, id, why)).await;
        // It may still be written.
        let moved = moved.map_err(|_| Problem::new(Code::OutcomeUnknown).because(NO_ANSWER))?;
        moved.map_err(|error| match error {
            // It was asked to do it, and stopped.
            CheckoutError::Stopped => Problem::new(Code::OutcomeUnknown).because(error.to_string()),
            _ => of_checkout(&error),
        })
    }

    /// Puts an alias in a buyer's place, in every sale and in the ledger.
    pub(crate) async fn forget(&self, buyer: BuyerId) -> Result<Forgotten, Problem> {
        let forgotten = timeout(LEDGER_DEADLINE, self.checkout.forget(buyer)).await;
        // It may be done in part; a repeat finishes it.
        let unknown = |why: String| Problem::new(Code::OutcomeUnknown).because(why);
        let forgotten = forgotten.map_err(|_| unknown(NO_ANSWER.to_owned()))?;
        forgotten.map_err(|error| unknown(of_checkout(&error).detail.unwrap_or_default().into()))
    }

    /// Orders of a sale with their holds' ids.
    pub(crate) async fn show(
        &self,
        sale: SaleId,
        orders: Vec<Recorded>,
    ) -> Result<Vec<Order>, Problem> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<HoldKey> = orders.iter().map(|order| order.what.hold).collect();
        let holds = self.look(move |sales| {
            let sale = sales.get(SaleRef::Id(sale));
            let find = |key| {
                let (sale, clock_ms) = sale?;
                sale.hold_by_key(key, clock_ms).map(|hold| (hold.receipt, hold.buyer))
            };
            keys.into_iter().map(find).collect::<Vec<_>>()
        });
        let holds = holds.await?.into_iter();
        let ids = holds.map(|found| found.map(|(receipt, buyer)| self.hold_id(&receipt, &buyer)));
        Ok(orders.into_iter().zip(ids).map(|(order, hold)| recorded(order, hold)).collect())
    }

    async fn in_ledger<R>(
        &self,
        asked: impl Future<Output = Result<R, CheckoutError>>,
    ) -> Result<R, Problem> {
        let unavailable = |_| Problem::new(Code::StoreUnavailable).because(NO_ANSWER);
        let answer = timeout(LEDGER_DEADLINE, asked).await.map_err(unavailable)?;
        answer.map_err(|error| of_checkout(&error))
    }

    fn hold_id(&self, receipt: &Receipt, buyer: &BuyerId) -> String {
        receipt.id(&self.options.receipts, buyer)
    }
}

/// An order as the ledger has it, with its hold's id.
pub(crate) fn recorded(order: Recorded, hold: Option<String>) -> Order {
    let Recorded { sale, number, what, status, reason, created_ms, changed_ms, .. } = order;
    // An engine that does not know the hold has lost it: the payment is named after it.
    let named_after = || {
        let reference = Reference::new(&what.payment).ok();
        reference.map_or_else(String::new, |reference| reference.parts().0.to_owned())
    };
    Order {
        id: what.id.as_str().to_owned(),
        sale,
        hold: hold.unwrap_or_else(named_after),
        buyer: what.buyer,
        tier: what.tier,
        quantity: what.quantity,
        total: what.total,
        status: match status {
            Status::Authorised => OrderStatus::Authorised,
            Status::Paid => OrderStatus::Paid,
            Status::Void => OrderStatus::Void,
            Status::Refunded => OrderStatus::Refunded,
        },
        provider: what.provider.into(),
        metadata: what.metadata.and_then(Metadata::from_json),
        reason: reason.filter(|reason| !reason.is_empty()),
        refund_asked_at: order.refund_asked_ms.map(Time),
        created_at: Some(Time(created_ms)),
        changed_at: Some(Time(changed_ms)),
        number: Some(number),
    }
}
