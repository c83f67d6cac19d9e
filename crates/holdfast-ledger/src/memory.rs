//! A ledger in memory, for tests and simulations: nothing in it is durable.
//!
//! It is as naive as can be, so that it can be believed at a glance, and shares with the others only
//! what an order may be and how slots follow each other.

use std::sync::{Arc, Mutex, PoisonError};

use holdfast_core::{BuyerId, HoldKey, SaleId, TierId};

use crate::{
    Control, Fence, Lease, Ledger, LedgerError, Message, MessageKind, Moved, NO_UNIT, NewOrder,
    Order, OrderId, OrderStatus, Recorded, Result, Step, TierTotals, bounds,
};

/// A ledger in memory; its clones are the same ledger.
#[derive(Clone, Debug, Default)]
pub struct MemoryLedger {
    lists: Arc<Mutex<Lists>>,
}

#[derive(Clone, Debug, Default)]
struct Lists {
    reigns: Vec<(SaleId, u32)>,
    capacities: Vec<(SaleId, TierId, u32)>,
    orders: Vec<Order>,
    outbox: Vec<Message>,
    /// How many messages there have been.
    messages: u64,
    budgets: Vec<(String, u64)>,
    owner: Option<String>,
    control: Option<Control>,
}

impl MemoryLedger {
    /// Looks.
    fn look<T>(&self, look: impl FnOnce(&Lists) -> T) -> T {
        look(&self.lists.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes something.
    fn write<T>(&self, change: impl FnOnce(&mut Lists) -> T) -> T {
        change(&mut self.lists.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Lists {
    fn enter(&self, fence: Fence) -> Result<()> {
        let reign = self.reigns.iter().find(|(sale, _)| *sale == fence.sale);
        match reign.ok_or(LedgerError::NoSale)? {
            (_, epoch) if *epoch == fence.epoch => Ok(()),
            (_, epoch) => Err(LedgerError::Fenced { reigning: *epoch }),
        }
    }

    fn reign(&mut self, fence: Fence) -> Result<()> {
        let in_force = self.control.as_ref().map_or(0, |control| control.epoch);
        if in_force > fence.epoch {
            return Err(LedgerError::Fenced { reigning: in_force });
        }
        match self.reigns.iter_mut().find(|(sale, _)| *sale == fence.sale) {
            Some((_, epoch)) if *epoch > fence.epoch => {
                return Err(LedgerError::Fenced { reigning: *epoch });
            }
            Some((_, epoch)) => *epoch = fence.epoch,
            None => self.reigns.push((fence.sale, fence.epoch)),
        }
        Ok(())
    }

    fn set_control(&mut self, expected: u64, epoch: u32, document: &str) -> Result<bool> {
        let before = self.control.as_ref().map(|control| (control.version, control.epoch));
        let (version, reigning) = before.unwrap_or_default();
        if version != expected {
            return Ok(false);
        }
        if before.is_none() || epoch != reigning {
            let epochs = self.reigns.iter().map(|(_, epoch)| *epoch);
            let reigning = epochs.max().unwrap_or_default().max(reigning);
            if epoch < reigning {
                return Err(LedgerError::Fenced { reigning });
            }
            self.reigns.iter_mut().for_each(|(_, fence)| *fence = epoch);
        }
        let (version, document) = (version + 1, document.to_owned());
        self.control = Some(Control { version, epoch, document });
        Ok(true)
    }

    fn sold(&self, of_sale: SaleId, of_tier: TierId) -> u32 {
        let has_units = |order: &&Order| {
            order.sale == of_sale && order.what.tier == of_tier && order.status.has_units()
        };
        self.orders.iter().filter(has_units).map(|order| order.what.quantity).sum()
    }

    fn tell(&mut self, order: &Order, kind: MessageKind, at_ms: u64) {
        self.messages += 1;
        let (number, order) = (self.messages, order.what.id.clone());
        self.outbox.push(Message { number, kind, order, at_ms });
    }

    fn record(&mut self, of_sale: SaleId, what: &NewOrder, now_ms: u64) -> Result<Recorded> {
        let known = |order: &&Order| order.sale == of_sale && order.what.hold == what.hold;
        if let Some(known) = self.orders.iter().find(known) {
            if known.what.id != what.id {
                return Err(LedgerError::NotOurs(what.id.clone()));
            }
            return Ok(Recorded::Known(known.clone()));
        }
        let tier =
            self.capacities.iter().find(|(sale, tier, _)| *sale == of_sale && *tier == what.tier);
        let (_, _, capacity) = *tier.ok_or(LedgerError::NoTier(what.tier))?;
        if self.orders.iter().any(|order| order.what.id == what.id) {
            return Err(LedgerError::IdTaken(what.id.clone()));
        }
        let fits = what.quantity <= capacity - self.sold(of_sale, what.tier);
        let (status, kind) = if fits {
            (OrderStatus::Authorised, MessageKind::Authorised)
        } else {
            (OrderStatus::Void, MessageKind::Void)
        };
        let before = self.orders.iter().filter(|order| order.sale == of_sale).count();
        let order = Order {
            sale: of_sale,
            number: 1 + before as u64,
            what: what.clone(),
            status,
            reason: (!fits).then(|| NO_UNIT.to_owned()),
            created_ms: now_ms,
            changed_ms: now_ms,
            refund_asked_ms: None,
        };
        self.tell(&order, kind, now_ms);
        self.orders.push(order.clone());
        Ok(if fits { Recorded::New(order) } else { Recorded::Refused(order) })
    }

    fn step_on(&mut self, sale: SaleId, id: &OrderId, step: &Step, now_ms: u64) -> Moved {
        let is_it = |order: &Order| order.sale == sale && order.what.id == *id;
        let Some(place) = self.orders.iter().position(is_it) else { return Moved::NoOrder };
        let mut order = self.orders[place].clone();
        let (from, to, kind) = match step {
            Step::AskRefund(why) => return self.ask_refund(place, why, now_ms),
            Step::Paid => (OrderStatus::Authorised, OrderStatus::Paid, MessageKind::Paid),
            Step::Void(_) => (OrderStatus::Authorised, OrderStatus::Void, MessageKind::Void),
            Step::Refunded => (OrderStatus::Paid, OrderStatus::Refunded, MessageKind::Refunded),
        };
        if order.status == to {
            return Moved::Done(order);
        }
        if order.status != from {
            return Moved::Refused(order);
        }
        (order.status, order.changed_ms) = (to, now_ms);
        if let Step::Void(why) = step {
            order.reason = Some(why.clone());
        }
        self.tell(&order, kind, now_ms);
        self.orders[place] = order.clone();
        Moved::Done(order)
    }

    fn ask_refund(&mut self, place: usize, why: &str, now_ms: u64) -> Moved {
        let order = &mut self.orders[place];
        match (order.status, order.refund_asked_ms) {
            (OrderStatus::Paid, None) => {
                order.refund_asked_ms = Some(now_ms);
                order.reason = Some(why.to_owned());
                Moved::Done(order.clone())
            }
            (OrderStatus::Paid | OrderStatus::Refunded, _) => Moved::Done(order.clone()),
            _ => Moved::Refused(order.clone()),
        }
    }

    fn page(&self, sale: SaleId, after: u64, limit: u32) -> Vec<Order> {
        let on_it = |order: &&Order| order.sale == sale && order.number > after;
        self.orders.iter().filter(on_it).take(limit as usize).cloned().collect()
    }
}

impl Ledger for MemoryLedger {
    async fn claim(&self, owner: &str, may_take: bool) -> Result<Option<String>> {
        Ok(self.write(|lists| {
            if may_take {
                lists.owner.get_or_insert_with(|| owner.to_owned());
            }
            lists.owner.clone()
        }))
    }

    async fn close(&self) {}

    async fn control(&self) -> Result<Option<Control>> {
        Ok(self.look(|lists| lists.control.clone()))
    }

    async fn set_control(&self, expected: u64, epoch: u32, document: &str) -> Result<bool> {
        bounds::document(document)?;
        self.write(|lists| lists.set_control(expected, epoch, document))
    }

    async fn reign(&self, fence: Fence) -> Result<()> {
        self.write(|lists| lists.reign(fence))
    }

    async fn reigns(&self) -> Result<Vec<(SaleId, u32)>> {
        let mut reigns = self.look(|lists| lists.reigns.clone());
        reigns.sort_unstable();
        Ok(reigns)
    }

    async fn set_capacity(
        &self,
        fence: Fence,
        tier: TierId,
        capacity: u32,
    ) -> Result<std::result::Result<(), u32>> {
        self.write(|lists| {
            lists.enter(fence)?;
            let sold = lists.sold(fence.sale, tier);
            if capacity < sold {
                return Ok(Err(sold));
            }
            lists.capacities.retain(|(sale, other, _)| (*sale, *other) != (fence.sale, tier));
            lists.capacities.push((fence.sale, tier, capacity));
            Ok(Ok(()))
        })
    }

    async fn record(
        &self,
        fence: Fence,
        orders: &[NewOrder],
        now_ms: u64,
    ) -> Result<Vec<Recorded>> {
        bounds::orders(orders, now_ms)?;
        self.write(|lists| {
            lists.enter(fence)?;
            let (before, told) = (lists.orders.len(), lists.outbox.len());
            let recorded = orders.iter().map(|what| lists.record(fence.sale, what, now_ms));
            recorded.collect::<Result<_>>().inspect_err(|_| {
                lists.orders.truncate(before);
                lists.outbox.truncate(told);
            })
        })
    }

    async fn advance(
        &self,
        fence: Fence,
        steps: &[(OrderId, Step)],
        now_ms: u64,
    ) -> Result<Vec<Moved>> {
        bounds::steps(steps, now_ms)?;
        self.write(|lists| {
            lists.enter(fence)?;
            let moved = steps.iter().map(|(id, step)| lists.step_on(fence.sale, id, step, now_ms));
            Ok(moved.collect())
        })
    }

    async fn order(&self, id: &OrderId) -> Result<Option<Order>> {
        Ok(self.look(|lists| lists.orders.iter().find(|order| order.what.id == *id).cloned()))
    }

    async fn order_of(&self, sale: SaleId, hold: HoldKey) -> Result<Option<Order>> {
        let is_it = |order: &&Order| order.sale == sale && order.what.hold == hold;
        Ok(self.look(|lists| lists.orders.iter().find(is_it).cloned()))
    }

    async fn orders(&self, sale: SaleId, after: u64, limit: u32) -> Result<Vec<Order>> {
        Ok(self.look(|lists| lists.page(sale, after, limit)))
    }

    async fn refunds(
        &self,
        after: Option<(SaleId, u64)>,
        limit: u32,
        refunded_too: bool,
    ) -> Result<Vec<Order>> {
        let mut orders = self.look(|lists| lists.orders.clone());
        orders.sort_by_key(|order| (order.sale, order.number));
        orders.retain(|order| {
            let is_asked = order.refund_asked_ms.is_some();
            let is_wanted = refunded_too || order.status == OrderStatus::Paid;
            is_asked && is_wanted && after.is_none_or(|after| (order.sale, order.number) > after)
        });
        orders.truncate(limit as usize);
        Ok(orders)
    }

    async fn bought(&self, sale: SaleId, buyer: BuyerId) -> Result<Vec<Order>> {
        let mut orders = self.look(|lists| lists.page(sale, 0, u32::MAX));
        orders.retain(|order| order.what.buyer == buyer);
        Ok(orders)
    }

    async fn totals(&self, of_sale: SaleId) -> Result<Vec<TierTotals>> {
        let mut totals: Vec<_> = self.look(|lists| {
            let tiers = lists.capacities.iter().filter(|(sale, ..)| *sale == of_sale);
            let total = |(sale, tier, capacity): &(SaleId, TierId, u32)| {
                let sold = lists.sold(*sale, *tier);
                TierTotals { tier: *tier, capacity: *capacity, sold, ordered: sold }
            };
            tiers.map(total).collect()
        });
        totals.sort_unstable_by_key(|total| total.tier);
        Ok(totals)
    }

    async fn outbox(&self, limit: u32) -> Result<Vec<Message>> {
        Ok(self.look(|lists| lists.outbox.iter().take(limit as usize).cloned().collect()))
    }

    async fn sent(&self, messages: &[u64]) -> Result<()> {
        self.write(|lists| {
            lists.outbox.retain(|message| !messages.contains(&message.number));
            Ok(())
        })
    }

    async fn forget(&self, buyer: BuyerId, alias: BuyerId) -> Result<u64> {
        self.write(|lists| {
            let theirs = lists.orders.iter_mut().filter(|order| order.what.buyer == buyer);
            let forgotten = theirs.map(|order| {
                (order.what.buyer, order.what.metadata) = (alias, None);
            });
            Ok(forgotten.count() as u64)
        })
    }

    async fn lease(&self, budget: &str, per_second: u32, want: u32, now_ms: u64) -> Result<Lease> {
        bounds::budget(budget, per_second, now_ms)?;
        self.write(|lists| {
            let before = lists.budgets.iter().position(|(name, _)| name == budget);
            let given_us = before.map_or(0, |place| lists.budgets.remove(place).1);
            let lease = Lease::after(given_us, per_second, want, now_ms);
            lists.budgets.push((budget.to_owned(), lease.given_us()));
            Ok(lease)
        })
    }
}
