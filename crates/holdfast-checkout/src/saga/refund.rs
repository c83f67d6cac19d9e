//! Refunds: the provider first, then the ledger, then the units.

use holdfast_core::Command;
use holdfast_ledger::{Ledger, Order, OrderStatus, Step};

use super::{Case, Facts, Money, Next, Saga, Trip, Trouble};
use crate::provider::Reference;
use crate::world::World;

impl<W: World> Saga<W> {
    /// Takes an order whose refund has been asked for one step nearer to its units being back.
    pub(super) async fn step_back(&self, case: Case, trip: &mut Trip) -> Result<Next, Trouble> {
        let Some(facts) = self.facts(case).await? else { return Ok(Next::Done) };
        let order = self.world.ledger().order_of(facts.fence.sale, case.hold).await?;
        let Some(order) = order else { return Ok(Next::Done) };
        self.know_sale(facts.sale, facts.fence.epoch).await?;
        match order.status {
            OrderStatus::Paid if order.refund_asked_ms.is_some() => {
                self.return_money(&facts, &order, trip).await
            }
            OrderStatus::Refunded => self.return_units(&facts, trip).await,
            OrderStatus::Authorised | OrderStatus::Paid | OrderStatus::Void => Ok(Next::Done),
        }
    }

    async fn return_money(
        &self,
        facts: &Facts,
        order: &Order,
        trip: &mut Trip,
    ) -> Result<Next, Trouble> {
        step!("refund_asked");
        if planted!(UnitsFirst) {
            self.return_units(facts, trip).await?;
        }
        if order.what.total.amount > 0 {
            // As the ledger has it: the hold's own id may have changed with its buyer's name.
            let reference = Reference::new(&order.what.payment)
                .map_err(|error| Trouble::Provider(error.to_string()))?;
            let payment = self.refund(&reference, trip).await?;
            if payment.status != Money::Refunded {
                tracing::warn!(%reference, status = payment.status.as_str(), "not refunded yet");
                return Ok(trip.again());
            }
        }
        step!("refunded");
        self.advance(facts, order, Step::Refunded).await?;
        Ok(trip.progress())
    }

    async fn return_units(&self, facts: &Facts, trip: &mut Trip) -> Result<Next, Trouble> {
        step!("ledger_refunded");
        let hold = facts.hold.key;
        // A crash may have come between the ledger and this.
        self.execute(facts, Command::Pay { hold }).await?;
        self.execute(facts, Command::Refund { hold }).await?;
        trip.progress();
        Ok(Next::Done)
    }
}
