//! The audit of the money: engine, ledger and provider held against each other.
//!
//! Things go on while they are looked at. What is under way is counted and not judged: a case about
//! which something is still to be done, or with which something was done between the first look and
//! the last.

mod judge;

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::{Difference, HoldKey, HoldView, ReceiptKey, SaleId};
use holdfast_engine::SaleRef;
use holdfast_ledger::{Ledger, Order, TierTotals};

use crate::budget::{Budgets, Endpoint};
use crate::error::CheckoutError;
use crate::provider::{LIST_MAX, Payment, Provider, ProviderError};
use crate::saga::{Case, Saga, Trouble};
use crate::world::World;

/// Holds and orders that are read at a time.
const PAGE: usize = 1_000;

/// What an audit of a sale's money counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MoneyAudit {
    /// Orders in the ledger, whatever became of them.
    pub orders: u64,
    /// Those that are paid.
    pub paid: u64,
    /// What those cost, in minor units.
    pub paid_amount: u64,
    /// Payments of the sale that the provider has captured and not given back.
    pub captured: u64,
    /// What those amount to, in minor units.
    pub captured_amount: u64,
    /// Cases that are under way: not judged.
    pub under_way: u64,
    /// What is not as it must be; empty if all is.
    pub differences: Vec<Difference>,
}

/// All that is known of a sale's money.
struct Books {
    /// Holds that have been at the checkout, before and after the rest was read.
    before: BTreeMap<HoldKey, HoldView>,
    after: BTreeMap<HoldKey, HoldView>,
    /// The orders, and the same once the rest was read.
    orders: Vec<Order>,
    later: Vec<Order>,
    payments: Vec<(Case, Payment)>,
    totals: Vec<TierTotals>,
}

/// Holds engine, ledger and provider against each other, without asking the provider more slowly than
/// it can answer: for a server that is stopped. `None`: there is no such sale.
///
/// # Errors
/// When one of them cannot be read.
pub async fn audit_money<W: World>(
    world: &W,
    receipts: &ReceiptKey,
    sale: SaleId,
) -> Result<Option<MoneyAudit>, CheckoutError> {
    Ok(Auditor { world, receipts, budgets: None }.audit(sale).await?)
}

impl<W: World> Saga<W> {
    /// Holds engine, ledger and provider against each other. `None`: there is no such sale.
    pub(crate) async fn audit(&self, sale: SaleId) -> Result<Option<MoneyAudit>, Trouble> {
        let Self { world, receipts, budgets, .. } = self;
        let audit = Auditor { world, receipts, budgets: Some(budgets) }.audit(sale).await?;
        let Some(mut audit) = audit else { return Ok(None) };
        // A stopped server tells the ledger when it starts: there it may differ.
        let unequal = self.unequal_capacities(sale).await?.into_iter();
        audit.differences.extend(unequal.map(|what| Difference { promise: 1, what }));
        Ok(Some(audit))
    }
}

struct Auditor<'a, W> {
    world: &'a W,
    receipts: &'a ReceiptKey,
    /// What the provider may be asked within; `None`: as often as we like.
    budgets: Option<&'a Budgets>,
}

impl<W: World> Auditor<'_, W> {
    async fn audit(&self, sale: SaleId) -> Result<Option<MoneyAudit>, Trouble> {
        let number = self
            .world
            .look(move |sales| sales.get(SaleRef::Id(sale)).map(|(sale, _)| sale.number()));
        let Some(number) = number.await? else { return Ok(None) };
        let before = self.checked_out(number).await?;
        let orders = self.all_orders(sale).await?;
        let totals = self.world.ledger().totals(sale).await?;
        let payments = self.all_payments(number, &orders).await?;
        let after = self.checked_out(number).await?;
        let later = self.all_orders(sale).await?;
        let books = Books { before, after, orders, later, payments, totals };
        Ok(Some(books.judge()))
    }

    async fn checked_out(&self, sale: u32) -> Result<BTreeMap<HoldKey, HoldView>, Trouble> {
        let (mut found, mut after) = (BTreeMap::new(), None);
        loop {
            let page = self.world.look(move |sales| {
                let (sale, clock_ms) = sales.get(SaleRef::Number(sale))?;
                Some(sale.holds_after(after, PAGE, clock_ms).collect::<Vec<_>>())
            });
            let page = page.await?.unwrap_or_default();
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.key);
            found.extend(page.iter().filter(|it| it.payment.is_some()).map(|it| (it.key, *it)));
        }
    }

    async fn all_orders(&self, sale: SaleId) -> Result<Vec<Order>, Trouble> {
        let mut orders: Vec<Order> = Vec::new();
        loop {
            let after = orders.last().map_or(0, |order| order.number);
            let limit = u32::try_from(PAGE).unwrap_or(u32::MAX);
            let page = self.world.ledger().orders(sale, after, limit).await?;
            if page.is_empty() {
                return Ok(orders);
            }
            orders.extend(page);
        }
    }

    async fn all_payments(
        &self,
        sale: u32,
        orders: &[Order],
    ) -> Result<Vec<(Case, Payment)>, Trouble> {
        let (mut payments, mut after) = (Vec::new(), None::<String>);
        loop {
            if let Some(budgets) = self.budgets {
                budgets.take(self.world, Endpoint::Look).await.spend();
            }
            let page = match self.world.provider().list(after.as_deref(), LIST_MAX).await {
                Err(ProviderError::Busy { retry_after }) => {
                    self.world.sleep(retry_after).await;
                    continue;
                }
                page => page?,
            };
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            let of_sale = |payment: Payment| {
                let case = Case::of(&payment.reference)?;
                (case.sale == sale).then_some((case, payment))
            };
            payments.extend(page.into_iter().filter_map(of_sale));
        }
        self.ours(sale, payments, orders).await
    }

    /// Those that this server has signed: an account may have others' too, and a sale's number says
    /// nothing of whose it is.
    async fn ours(
        &self,
        sale: u32,
        payments: Vec<(Case, Payment)>,
        orders: &[Order],
    ) -> Result<Vec<(Case, Payment)>, Trouble> {
        let receipts = self.receipts.clone();
        let ours = self.world.look(move |sales| {
            let sale = sales.get(SaleRef::Number(sale));
            let is_ours = |(case, payment): &(Case, Payment)| {
                let hold = sale.and_then(|(sale, clock_ms)| sale.hold_by_key(case.hold, clock_ms));
                let id = hold.map(|hold| hold.receipt.id(&receipts, &hold.buyer));
                id.as_deref() == Some(payment.reference.parts().0)
            };
            payments.into_iter().map(|it| (is_ours(&it), it)).collect::<Vec<_>>()
        });
        // A buyer who was forgotten has another name than the hold's id was signed with: the ledger
        // knows those.
        let ordered: BTreeSet<&str> = orders.iter().map(|it| it.what.payment.as_str()).collect();
        let of_us = |(is_ours, it): (bool, (Case, Payment))| {
            (is_ours || ordered.contains(it.1.reference.as_str())).then_some(it)
        };
        Ok(ours.await?.into_iter().filter_map(of_us).collect())
    }
}
