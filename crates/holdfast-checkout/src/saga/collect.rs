//! From a called payment to a confirmed hold, or back.

use holdfast_core::{Command, Outcome};

use super::{Case, Facts, Money, Next, Payment, Saga, Trip, Trouble};
use crate::budget::Endpoint;
use crate::provider::{Charge, Manner, Provider, Reference};
use crate::world::World;

/// How much later than a payment may take at most a payment of the manner `late` comes, in
/// milliseconds; and how late it can come.
const LATE_MS: u64 = 1_000;
const LATE_MS_MAX: u64 = 86_400_000;

/// When a payment of the manner `late` is authorised.
fn late_ms(facts: &Facts) -> u64 {
    match facts.note.simulate {
        Some(Manner::Late) => (facts.patience_ms + LATE_MS).min(LATE_MS_MAX),
        _ => 0,
    }
}

impl<W: World> Saga<W> {
    /// Asks for the money, and does with the hold as the answer says.
    pub(super) async fn collect(
        &self,
        case: &mut Case,
        facts: &Facts,
        trip: &mut Trip,
    ) -> Result<Next, Trouble> {
        let payment = if !facts.is_paying() || trip.must_look {
            let Some(found) = self.look(facts, trip).await? else { return Ok(trip.again()) };
            found
        } else if trip.slot.is_some() {
            self.authorise(facts, trip).await?
        } else {
            // It was served before. What is known is looked at again after the wait.
            trip.slot = Some(self.budgets.take_first(&self.world, Endpoint::Authorise).await);
            return Ok(Next::On);
        };
        match payment.status {
            Money::Authorised | Money::Captured if payment.total == facts.hold.total => {
                step!("authorised");
                self.confirm(case, facts, trip).await
            }
            Money::Pending => {
                trip.must_look = true;
                Ok(Next::Wait)
            }
            Money::Authorised | Money::Captured => {
                tracing::error!(reference = %facts.reference, "the provider has another amount");
                self.give_up(facts, trip).await
            }
            Money::Declined | Money::Cancelled | Money::Refunded => self.decline(facts, trip).await,
        }
    }

    /// The payment as the provider has it; `None`: it has none, and is to be asked again. An answer
    /// was lost, or the hold has ended: nothing new is begun before this is known.
    async fn look(&self, facts: &Facts, trip: &mut Trip) -> Result<Option<Payment>, Trouble> {
        let found = self.find(&facts.reference, trip).await?;
        if found.is_some() || facts.is_paying() || planted!(ForgetsToCancel) {
            trip.must_look = false;
            return Ok(found);
        }
        // A call may still be on its way: from here on the provider refuses it.
        self.cancel(&facts.reference, trip).await.map(Some)
    }

    pub(super) async fn authorise(
        &self,
        facts: &Facts,
        trip: &mut Trip,
    ) -> Result<Payment, Trouble> {
        if let Some(slot) = trip.slot.take() {
            slot.spend();
        }
        let reference = facts.reference.clone();
        #[cfg(feature = "planted")]
        let reference = crate::planted::another(reference, trip.calls);
        let charge = Charge {
            reference,
            total: facts.hold.total,
            manner: facts.note.simulate,
            late_ms: late_ms(facts),
        };
        let authorised = self.world.provider().authorise(&charge, trip.calls).await;
        #[cfg(feature = "planted")]
        let authorised = crate::planted::guess(authorised, &charge);
        authorised.map_err(|error| trip.failed(error))
    }

    async fn confirm(
        &self,
        case: &mut Case,
        facts: &Facts,
        trip: &mut Trip,
    ) -> Result<Next, Trouble> {
        if planted!(CapturesFirst) {
            self.capture(&facts.reference, trip).await?;
            step!("captured");
        }
        let (hold, attempt) = (facts.hold.key, facts.attempt);
        let answer = self.execute(facts, Command::Confirm { hold, attempt }).await?;
        if let (Outcome::Confirmed(_), Some(hold)) = (answer.outcome, answer.hold) {
            // Late money pays for another hold than its own.
            case.hold = hold.key;
        }
        step!("confirmed");
        Ok(trip.progress())
    }

    async fn decline(&self, facts: &Facts, trip: &mut Trip) -> Result<Next, Trouble> {
        let (hold, attempt) = (facts.hold.key, facts.attempt);
        self.execute(facts, Command::Decline { hold, attempt }).await?;
        Ok(trip.progress())
    }

    /// The money is given back, then the payment has come to nothing.
    pub(super) async fn give_up(&self, facts: &Facts, trip: &mut Trip) -> Result<Next, Trouble> {
        step!("too_late");
        if !planted!(ForgetsToCancel) && !self.give_back(&facts.reference, trip).await? {
            return Ok(trip.again());
        }
        step!("given_back");
        self.decline(facts, trip).await
    }

    /// Whether the provider keeps nothing of a payment any more: cancels it, or refunds what has
    /// been captured.
    pub(super) async fn give_back(
        &self,
        reference: &Reference,
        trip: &mut Trip,
    ) -> Result<bool, Trouble> {
        let mut payment = self.cancel(reference, trip).await?;
        if payment.status == Money::Captured {
            payment = self.refund(reference, trip).await?;
        }
        Ok(matches!(payment.status, Money::Declined | Money::Cancelled | Money::Refunded))
    }

    pub(super) async fn find(
        &self,
        reference: &Reference,
        trip: &mut Trip,
    ) -> Result<Option<Payment>, Trouble> {
        self.budgets.take(&self.world, Endpoint::Look).await.spend();
        self.world.provider().find(reference).await.map_err(|error| trip.failed(error))
    }

    pub(super) async fn cancel(
        &self,
        reference: &Reference,
        trip: &mut Trip,
    ) -> Result<Payment, Trouble> {
        self.budgets.take(&self.world, Endpoint::Cancel).await.spend();
        let cancelled = self.world.provider().cancel(reference, trip.calls).await;
        cancelled.map_err(|error| trip.failed(error))
    }

    pub(super) async fn refund(
        &self,
        reference: &Reference,
        trip: &mut Trip,
    ) -> Result<Payment, Trouble> {
        self.budgets.take(&self.world, Endpoint::Refund).await.spend();
        let refunded = self.world.provider().refund(reference, trip.calls).await;
        refunded.map_err(|error| trip.failed(error))
    }

    pub(super) async fn capture(
        &self,
        reference: &Reference,
        trip: &mut Trip,
    ) -> Result<Payment, Trouble> {
        self.budgets.take(&self.world, Endpoint::Capture).await.spend();
        let captured = self.world.provider().capture(reference, trip.calls).await;
        captured.map_err(|error| trip.failed(error))
    }
}
