//! The saga: one hold's way from the checkout to a paid order, or back.
//!
//! ```text
//! queued ── the provider's turn ──▶ called ── authorised ──▶ confirmed ──▶ in the ledger ──▶ captured ──▶ paid
//!                                     │ declined              │ too late      │ no unit        │ refused for good
//!                                     ▼                       ▼               ▼                ▼
//!                                   held again             cancelled        void: cancelled, units withheld or returned
//! ```
//!
//! It keeps no state of its own. Each step is recorded before it acts, in the engine's log or in the
//! ledger, and looks first at what is known: so whoever comes after a crash begins anywhere, and
//! repeats at most what may be repeated. Where an answer was lost it asks; it never guesses.
//!
//! Invariants, stated as absences: nothing is captured without its order in the ledger; nobody is
//! charged under two references at once; no authorisation is left to itself. After a loss nothing
//! is done about a payment before it is known that no order has been paid with it.

mod case;
mod collect;
mod deliver;
mod loss;
mod reconcile;
mod refund;
mod return_money;
mod share;
mod trip;

use std::time::Duration;

use holdfast_core::{Command, Outcome, PaymentStatus, ReceiptKey};
use holdfast_engine::{Answer, SaleRef};
use holdfast_ledger::LedgerError;
use tokio::sync::Notify;

use crate::budget::{Budgets, Endpoint};
use crate::desk::Desk;
use crate::provider::{Payment, PaymentStatus as Money};
use crate::sales::KnownSales;
use crate::world::World;
use case::Facts;
pub use case::{Case, Way};
pub use deliver::NOBODY;
pub use reconcile::Left;
pub(crate) use share::Share;
pub(crate) use trip::Trouble;
use trip::{Next, Trip};

/// How long to rest while the store is away or another reign begins.
const REIGN_REST: Duration = Duration::from_millis(500);

/// How long whoever carries a payment has to hear what a provider tells another node.
const HELP_AFTER: Duration = Duration::from_millis(500);

/// Carries holds from the checkout to their orders.
pub struct Saga<W> {
    pub(crate) world: W,
    pub(crate) receipts: ReceiptKey,
    pub(crate) budgets: Budgets,
    desk: Desk,
    pub(crate) sales: KnownSales,
    pub(crate) share: Share,
    losses: loss::Losses,
    /// Who takes the money, as orders say it.
    provider_name: &'static str,
}

impl<W: World> Saga<W> {
    /// A saga. `per_second` is how often the provider may be asked at each of its endpoints;
    /// `receipts` signs the ids of holds and orders; orders say who takes the money.
    pub fn new(
        world: W,
        receipts: ReceiptKey,
        per_second: u32,
        provider_name: &'static str,
    ) -> Self {
        Self {
            world,
            receipts,
            budgets: Budgets::new(per_second),
            desk: Desk::default(),
            sales: KnownSales::default(),
            share: Share::default(),
            losses: loss::Losses::default(),
            provider_name,
        }
    }

    /// Carries a case until nothing is to be done about its payment, or its refund. A hint makes it
    /// look again at once, where it would wait.
    ///
    /// It ends early only when this node may not, or need not, do more: the engine has stopped, another
    /// reign over the sale has begun, or the case falls to another node.
    pub async fn carry(&self, mut case: Case, way: Way, hint: &Notify) {
        let mut trip = Trip::default();
        loop {
            if way == Way::There && !self.share.is_ours(case) {
                return;
            }
            let next = match way {
                Way::There => self.step(&mut case, &mut trip).await,
                Way::Back => self.step_back(case, &mut trip).await,
            };
            if !self.goes_on(next, case, &mut trip, hint).await {
                return;
            }
        }
    }

    /// A provider has told this node of a payment that another node carries. That one mostly knows: it
    /// has asked. If it does not after a moment, this node does what can be done at once.
    pub async fn help(&self, mut case: Case) {
        self.world.sleep(HELP_AFTER).await;
        let is_waited_for =
            |facts: Option<Facts>| facts.is_some_and(|it| it.status == PaymentStatus::Processing);
        if !self.facts(case).await.is_ok_and(is_waited_for) {
            return;
        }
        let mut trip = Trip::default();
        trip.must_look = true;
        while let Ok(Next::On) = self.step(&mut case, &mut trip).await {}
    }

    /// Whether there is another step to take. Waits before one that has to wait.
    async fn goes_on(
        &self,
        next: Result<Next, Trouble>,
        case: Case,
        trip: &mut Trip,
        hint: &Notify,
    ) -> bool {
        let rest = match next {
            Ok(Next::Done) | Err(Trouble::Stopped) => return false,
            Ok(Next::On) => return true,
            Err(Trouble::Engine(_) | Trouble::Ledger(LedgerError::Fenced { .. }))
                if self.share.is_shared() =>
            {
                // The store says itself why it is away. Soon this node is under the next reign.
                REIGN_REST
            }
            Err(Trouble::Ledger(error @ LedgerError::Fenced { .. })) => {
                tracing::warn!(%error, "this node may not write for the sale any more");
                return false;
            }
            Ok(Next::Wait) => trip.rest(),
            Err(Trouble::Busy(rest)) => {
                self.budgets.was_refused(self.world.wall_ms());
                rest
            }
            Err(why) => {
                let Case { sale, hold } = case;
                tracing::warn!(sale, hold = hold.number(), %why, "a checkout goes on later");
                trip.rest()
            }
        };
        tokio::select! {
            biased;
            () = hint.notified() => {}
            () = self.world.sleep(rest) => {}
        }
        true
    }

    async fn step(&self, case: &mut Case, trip: &mut Trip) -> Result<Next, Trouble> {
        let Some(facts) = self.facts(*case).await? else { return Ok(Next::Done) };
        if !matches!(facts.status, PaymentStatus::Queued | PaymentStatus::Processing) {
            trip.slot = None;
        }
        if !self.losses.knows(&facts) {
            return Ok(Next::Wait);
        }
        match facts.status {
            PaymentStatus::Queued => self.call(&facts, trip).await,
            PaymentStatus::Processing => self.collect(case, &facts, trip).await,
            PaymentStatus::TooLate => self.give_up(&facts, trip).await,
            PaymentStatus::Authorised => self.deliver(&facts, trip).await,
            PaymentStatus::Moved => {
                // The money's way goes on with the hold that it pays for.
                *case = Case { hold: facts.linked.unwrap_or(case.hold), ..*case };
                Ok(Next::On)
            }
            PaymentStatus::Declined
            | PaymentStatus::Paid
            | PaymentStatus::Void
            | PaymentStatus::Refunded => Ok(Next::Done),
        }
    }

    /// The provider's turn is awaited; then the buyer's time runs again.
    async fn call(&self, facts: &Facts, trip: &mut Trip) -> Result<Next, Trouble> {
        let (hold, attempt) = (facts.hold.key, facts.attempt);
        let case = Case { sale: facts.sale, hold };
        if facts.is_free() {
            self.execute(facts, Command::Confirm { hold, attempt }).await?;
            return Ok(trip.progress());
        }
        if trip.slot.is_none() {
            trip.slot = Some(self.budgets.take(&self.world, Endpoint::Authorise).await);
        }
        if !self.share.is_ours(case) {
            return Ok(Next::Done);
        }
        if planted!(Naive) {
            let payment = self.authorise(facts, trip).await?;
            if payment.status == Money::Authorised {
                self.capture(&facts.reference, trip).await?;
                step!("captured");
            }
        }
        self.execute(facts, Command::Call { hold, attempt }).await?;
        step!("called");
        Ok(trip.progress())
    }

    pub(crate) async fn execute(&self, facts: &Facts, command: Command) -> Result<Answer, Trouble> {
        let answer = self.world.execute(SaleRef::Number(facts.sale), command).await?;
        if let Outcome::Refused(refusal) = answer.outcome {
            // Something else has happened meanwhile: the next look shows it.
            tracing::debug!(sale = facts.sale, ?refusal, "not now");
        }
        Ok(answer)
    }
}
