//! After a loss: the ledger's orders come back into the sales that do not know of them.
//!
//! A sale that may have lost entries says so for ever. Its orders are looked through once for each such
//! loss, by each process: to do it again changes nothing. Whatever became of an order, the sale gets it
//! as sold first; then the saga takes it where the ledger has it. Until then the money that has paid for
//! it is left alone: what the sale still knows of its hold may be that its time is up.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use holdfast_core::{
    Command, HoldKey, HoldStatus, OrderName, Outcome, PaymentStatus, Receipt, Refusal, Restore,
    SaleId,
};
use holdfast_engine::{SaleRef, Sales};
use holdfast_ledger::{Ledger, Order, OrderStatus};
use tokio::sync::Notify;

use super::{Case, Facts, Saga, Trouble};
use crate::error::CheckoutError;
use crate::provider::Reference;
use crate::world::World;

/// Orders that are read at a time.
const PAGE: u32 = 1_000;

/// Orders that are brought back at once.
const AT_ONCE: usize = 100;

/// How long a call may be on its way to the provider whose sender is gone, in milliseconds.
const LATE_MS: u64 = 60_000;

/// What has been done, by the sale's number.
#[derive(Debug, Default)]
pub(super) struct Losses {
    done: Mutex<BTreeMap<u32, Done>>,
    /// Somebody waits for a loss to be looked at.
    is_awaited: Notify,
}

/// What has been done about a sale's last loss.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Done {
    /// The entry that says so.
    doubt: u64,
    /// Whether all orders that are missing have been seen.
    seen: bool,
    /// Holds of orders that are not back, and those whose money has paid for them.
    missing: BTreeSet<HoldKey>,
    /// Whether all orders are back that can be.
    orders: bool,
    /// When no lost money was left for the first time, on the wall.
    clean_ms: Option<u64>,
    /// Whether none was left later either.
    money: bool,
    /// How often money was to go back.
    tries: u32,
}

impl Losses {
    fn of(&self, sale: &LostSale) -> Done {
        let all = self.all();
        let done = all.get(&sale.number).filter(|done| done.doubt == sale.doubt);
        done.cloned().unwrap_or(Done { doubt: sale.doubt, ..Done::default() })
    }

    /// Whether it is known that no order which the sale has lost was paid with a payment that is open.
    pub(super) fn knows(&self, facts: &Facts) -> bool {
        let is_settled = matches!(facts.status, PaymentStatus::Authorised | PaymentStatus::Moved);
        let Some(doubt) = facts.doubt.filter(|_| !is_settled && !planted!(HurriesOn)) else {
            return true;
        };
        let all = self.all();
        let Some(done) = all.get(&facts.sale).filter(|done| done.doubt == doubt && done.seen)
        else {
            self.is_awaited.notify_one();
            return false;
        };
        !done.missing.contains(&facts.hold.key)
    }

    fn note(&self, sale: &LostSale, done: Done) {
        self.all().insert(sale.number, done);
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u32, Done>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Done {
    /// Whether it is time to look for lost money.
    fn is_money_due(&self, now_ms: u64) -> bool {
        let is_late = |at_ms: u64| now_ms.saturating_sub(at_ms) >= LATE_MS;
        !self.money && self.clean_ms.is_none_or(is_late)
    }

    /// What a look for lost money found.
    fn note_money(&mut self, is_clean: bool, now_ms: u64) {
        self.money = is_clean && self.clean_ms.is_some();
        self.clean_ms = is_clean.then_some(now_ms);
    }
}

/// A sale that may have lost entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct LostSale {
    pub(super) number: u32,
    pub(super) id: SaleId,
    /// The last entry that says so.
    pub(super) doubt: u64,
    /// Whether holds may still live that nobody knows of.
    is_in_doubt: bool,
}

/// What came of an order that was to be brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    /// The sale has it.
    There,
    /// Too few units are left: again when some are.
    Later,
    /// It cannot be: a human has to look.
    Never,
}

impl<W: World> Saga<W> {
    /// Brings orders back into the sales that have lost them; and once none of the holds can live that
    /// nobody knows of, gives the money back that was authorised for them. Returns the holds
    /// whose orders have been refunded, of which their sales are still to hear.
    ///
    /// # Errors
    /// When the engine or the ledger cannot be read, or the engine does not do it: try again.
    pub async fn mend(&self) -> Result<Vec<Case>, CheckoutError> {
        let mut cases = Vec::new();
        for sale in self.world.look(lost_sales).await? {
            let mut done = self.losses.of(&sale);
            if !done.orders && !planted!(ForgetsOrders) {
                (done.missing, done.orders) = self.bring_back_orders(&sale, &mut cases).await?;
            }
            done.seen = true;
            let now_ms = self.world.wall_ms();
            if !sale.is_in_doubt && done.is_money_due(now_ms) && !planted!(ForgetsMoney) {
                match self.return_lost_money(&sale, done.tries).await {
                    Ok(is_clean) => done.note_money(is_clean, now_ms),
                    Err(why) => tracing::warn!(sale = %sale.id, %why, "lost money goes back later"),
                }
                done.tries += 1;
            }
            self.losses.note(&sale, done);
        }
        Ok(cases)
    }

    /// Waits until a payment waits for a loss to be looked at.
    pub async fn is_mending_awaited(&self) {
        self.losses.is_awaited.notified().await;
    }

    /// Returns the holds of those that are not back, and whether all are that can be.
    async fn bring_back_orders(
        &self,
        sale: &LostSale,
        cases: &mut Vec<Case>,
    ) -> Result<(BTreeSet<HoldKey>, bool), Trouble> {
        let (mut after, mut is_done, mut count) = (0, true, 0_u64);
        let mut missing = BTreeSet::new();
        loop {
            let page = self.world.ledger().orders(sale.id, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.number;
            for batch in self.missing(sale.number, page, cases).await?.chunks(AT_ONCE) {
                let asked = batch.iter().map(|order| self.bring_back(sale.number, order)).collect();
                for (order, back) in batch.iter().zip(all(asked).await) {
                    let back = back?;
                    is_done &= back != Back::Later;
                    count += u64::from(back == Back::There);
                    if back != Back::There {
                        missing
                            .extend([Some(order.what.hold), source(order)].into_iter().flatten());
                    }
                    if back == Back::There && order.status == OrderStatus::Refunded {
                        cases.push(Case { sale: sale.number, hold: order.what.hold });
                    }
                }
            }
        }
        if count > 0 {
            tracing::warn!(sale = %sale.id, orders = count, "brought back from the ledger");
        }
        Ok((missing, is_done))
    }

    /// The orders whose holds the sale does not have as sold. Those that it knows, and whose refund it
    /// does not, are cases.
    async fn missing(
        &self,
        number: u32,
        orders: Vec<Order>,
        cases: &mut Vec<Case>,
    ) -> Result<Vec<Order>, Trouble> {
        let looked = self.world.look(move |sales| {
            let sale = sales.get(SaleRef::Number(number));
            let status = |hold: HoldKey| {
                let hold = sale.and_then(|(sale, clock_ms)| sale.hold_by_key(hold, clock_ms))?;
                hold.payment.filter(|_| hold.status == HoldStatus::Sold).map(|it| it.status)
            };
            orders.into_iter().map(|order| (status(order.what.hold), order)).collect::<Vec<_>>()
        });
        let mut missing = Vec::new();
        for (status, order) in looked.await? {
            let is_refunded = order.status == OrderStatus::Refunded;
            match status {
                None => missing.push(order),
                Some(status) if is_refunded && status != PaymentStatus::Refunded => {
                    cases.push(Case { sale: number, hold: order.what.hold });
                }
                Some(_) => {}
            }
        }
        Ok(missing)
    }

    async fn bring_back(&self, sale: u32, order: &Order) -> Result<Back, Trouble> {
        let id = &order.what.id;
        let Some(restore) = self.restore(sale, order) else {
            tracing::error!(order = %id, "it was not signed with this receipt.key");
            return Ok(Back::Never);
        };
        let command = Command::Restore(Box::new(restore));
        let answer = self.world.execute(SaleRef::Number(sale), command).await?;
        Ok(match answer.outcome {
            Outcome::Refused(Refusal::AllHeld { .. } | Refusal::SoldOut) => {
                tracing::warn!(order = %id, "no unit is left for it now");
                Back::Later
            }
            Outcome::Refused(refusal) => {
                tracing::error!(order = %id, ?refusal, "it cannot be brought back");
                Back::Never
            }
            _ => Back::There,
        })
    }

    /// What the sale must know of an order; `None`: it is not one of ours.
    fn restore(&self, sale: u32, order: &Order) -> Option<Restore> {
        let what = &order.what;
        let reference = Reference::new(&what.payment).ok()?;
        let (hold, attempt) = reference.parts();
        let signed = Receipt::read(hold)?;
        // A buyer who was forgotten has another name than the receipt was signed for. The order's id
        // does not depend on the name.
        let is_ours = signed.is_genuine(&self.receipts, &what.buyer)
            || OrderName { sale, hold: what.hold }.id(&self.receipts) == what.id.as_str();
        is_ours.then_some(Restore {
            hold: what.hold,
            buyer: what.buyer,
            source: signed.receipt,
            attempt: attempt.try_into().ok()?,
            paid: matches!(order.status, OrderStatus::Paid | OrderStatus::Refunded),
        })
    }
}

/// The hold whose money has paid for an order.
fn source(order: &Order) -> Option<HoldKey> {
    Case::of(&Reference::new(&order.what.payment).ok()?).map(|case| case.hold)
}

fn lost_sales(sales: &Sales) -> Vec<LostSale> {
    let lost = |(id, sale, _): (SaleId, &holdfast_core::Sale, u64)| {
        let doubt = sale.last_doubt()?;
        let is_in_doubt = sale.doubt_until_ms().is_some();
        Some(LostSale { number: sale.number(), id, doubt, is_in_doubt })
    };
    sales.sound().filter_map(lost).collect()
}

/// Waits for all of them at once.
async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_money_is_looked_for_until_there_is_none_and_once_more_for_what_was_on_its_way() {
        let mut done = Done::default();
        let mut look = |is_clean, now_ms| {
            assert!(done.is_money_due(now_ms));
            done.note_money(is_clean, now_ms);
            (done.is_money_due(now_ms + LATE_MS - 1), done.is_money_due(now_ms + LATE_MS))
        };
        assert_eq!(look(false, 1_000), (true, true));
        assert_eq!(look(true, 2_000), (false, true));
        // Something has come meanwhile.
        assert_eq!(look(false, 2_000 + LATE_MS), (true, true));
        assert_eq!(look(true, 3_000 + LATE_MS), (false, true));
        assert_eq!(look(true, 3_000 + 2 * LATE_MS), (false, false));
    }
}
