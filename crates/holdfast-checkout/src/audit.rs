//! The audit of the money: engine, ledger and provider held against each other.
//!
//! Things go on while they are looked at. What is under way is counted and not judged: a case about
//! which something is still to be done, or with which something was done between the first look and
//! the last.

mod judge;

use std::collections::BTreeMap;

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
    /// Whether the sale is in doubt: then somebody may have a hold that nobody knows of.
    is_in_doubt: bool,
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
        let Some(mut audit) = self.auditor().audit(sale).await? else { return Ok(None) };
        // A stopped server tells the ledger when it starts: there it may differ.
        let unequal = self.unequal_capacities(sale).await?.into_iter();
        audit.differences.extend(unequal.map(|what| Difference { promise: 1, what }));
        Ok(Some(audit))
    }

    pub(crate) fn auditor(&self) -> Auditor<'_, W> {
        let Self { world, receipts, budgets, .. } = self;
        Auditor { world, receipts, budgets: Some(budgets) }
    }
}

pub(crate) struct Auditor<'a, W> {
    world: &'a W,
    receipts: &'a ReceiptKey,
    /// What the provider may be asked within; `None`: as often as we like.
    budgets: Option<&'a Budgets>,
}

impl<W: World> Auditor<'_, W> {
    async fn audit(&self, sale: SaleId) -> Result<Option<MoneyAudit>, Trouble> {
        let number = self.world.look(move |sales| {
            let (sale, _) = sales.get(SaleRef::Id(sale))?;
            Some((sale.number(), sale.doubt_until_ms().is_some()))
        });
        let Some((number, is_in_doubt)) = number.await? else { return Ok(None) };
        let before = self.checked_out(number).await?;
        let orders = self.all_orders(sale).await?;
        let totals = self.world.ledger().totals(sale).await?;
        let payments = self.all_payments(number).await?;
        let after = self.checked_out(number).await?;
        let later = self.all_orders(sale).await?;
        let books = Books { before, after, orders, later, payments, totals, is_in_doubt };
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

    pub(crate) async fn all_orders(&self, sale: SaleId) -> Result<Vec<Order>, Trouble> {
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

    /// The payments of a sale that were marked with our key.
    pub(crate) async fn all_payments(&self, sale: u32) -> Result<Vec<(Case, Payment)>, Trouble> {
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
            // An account may have others' payments too, and a sale's number says nothing of whose it is.
            let of_sale = |payment: Payment| {
                let case = Case::of(&payment.reference)?;
                let is_ours = payment.reference.is_marked(self.receipts);
                (is_ours && case.sale == sale).then_some((case, payment))
            };
            payments.extend(page.into_iter().filter_map(of_sale));
        }
        Ok(payments)
    }
}
