//! From a confirmed hold to a paid order, or a void one.

use holdfast_core::Command;
use holdfast_ledger::{LedgerError, Moved, NewOrder, Order, OrderStatus, Recorded, Step};

use super::{Facts, Money, Next, Saga, Trip, Trouble};
use crate::world::World;

/// Who takes the money where there is nothing to pay, as orders say it.
pub const NOBODY: &str = "none";

impl<W: World> Saga<W> {
    /// Takes a confirmed hold's order one step further.
    pub(super) async fn deliver(&self, facts: &Facts, trip: &mut Trip) -> Result<Next, Trouble> {
        let order = self.record(facts).await?;
        match order.status {
            OrderStatus::Authorised => {
                step!("recorded");
                self.take_money(facts, &order, trip).await
            }
            OrderStatus::Paid | OrderStatus::Refunded => {
                step!("ledger_paid");
                self.execute(facts, Command::Pay { hold: facts.hold.key }).await?;
                step!("paid");
                Ok(trip.progress())
            }
            OrderStatus::Void if planted!(IgnoresTheGuard) => {
                self.capture(&facts.reference, trip).await?;
                self.execute(facts, Command::Pay { hold: facts.hold.key }).await?;
                Ok(trip.progress())
            }
            OrderStatus::Void => self.undo(facts, &order, trip).await,
        }
    }

    /// The order as the ledger has it: recorded now, or before.
    async fn record(&self, facts: &Facts) -> Result<Order, Trouble> {
        self.know_sale(facts.sale, facts.fence.epoch).await?;
        let (ledger, now_ms) = (self.world.ledger(), self.world.wall_ms());
        let recorded = self.desk.record(ledger, facts.fence, self.new_order(facts), now_ms).await?;
        let (Recorded::New(order) | Recorded::Known(order) | Recorded::Refused(order)) = recorded;
        Ok(order)
    }

    fn new_order(&self, facts: &Facts) -> NewOrder {
        let provider = if facts.is_free() { NOBODY } else { self.provider_name };
        NewOrder {
            id: facts.order.clone(),
            hold: facts.hold.key,
            buyer: facts.hold.buyer,
            tier: facts.hold.tier,
            quantity: facts.hold.quantity,
            total: facts.hold.total,
            provider: provider.to_owned(),
            payment: facts.reference.as_str().to_owned(),
            metadata: facts.note.metadata.as_ref().map(|json| json.get().to_owned()),
        }
    }

    /// The order is in the ledger: the money may be taken.
    async fn take_money(
        &self,
        facts: &Facts,
        order: &Order,
        trip: &mut Trip,
    ) -> Result<Next, Trouble> {
        if facts.is_free() {
            self.advance(facts, order, Step::Paid).await?;
            return Ok(trip.progress());
        }
        let payment = self.capture(&facts.reference, trip).await?;
        match payment.status {
            Money::Captured => {
                step!("captured");
                self.advance(facts, order, Step::Paid).await?;
                Ok(trip.progress())
            }
            Money::Authorised | Money::Pending => Ok(trip.again()),
            Money::Declined | Money::Cancelled | Money::Refunded => {
                let why = payment.reason.unwrap_or_else(|| payment.status.as_str().to_owned());
                let why = format!("the provider does not give the money: {why}");
                self.advance(facts, order, Step::Void(why)).await?;
                step!("voided");
                Ok(trip.progress())
            }
        }
    }

    /// The order came to nothing: the money is given back, then the units.
    async fn undo(&self, facts: &Facts, order: &Order, trip: &mut Trip) -> Result<Next, Trouble> {
        if !facts.is_free() && !self.give_back(&facts.reference, trip).await? {
            return Ok(trip.again());
        }
        step!("cancelled");
        let withheld = order.was_refused();
        self.execute(facts, Command::Void { hold: facts.hold.key, withheld }).await?;
        Ok(trip.progress())
    }

    pub(super) async fn advance(
        &self,
        facts: &Facts,
        order: &Order,
        step: Step,
    ) -> Result<Order, Trouble> {
        let (ledger, now_ms) = (self.world.ledger(), self.world.wall_ms());
        let step = (order.what.id.clone(), step);
        match self.desk.advance(ledger, facts.fence, step, now_ms).await? {
            Moved::Done(order) | Moved::Refused(order) => Ok(order),
            Moved::NoOrder => Err(LedgerError::Broken("it has lost an order".to_owned()).into()),
        }
    }
}
