//! The checkout as a service: carries every hold that goes to it, and what a crash left.

mod cases;
mod loss;
mod reconcile;

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use holdfast_core::{BuyerId, OrderName, PAY_QUEUE_MAX_MS, SaleId, TierId};
use holdfast_engine::Answer;
use holdfast_ledger::{Ledger, Moved, Order, OrderId, Step};
use tokio::runtime::{Builder, Handle as Runtime};
use tokio::sync::watch;

use crate::audit::MoneyAudit;
use crate::budget::Endpoint;
use crate::error::CheckoutError;
use crate::forget::Forgotten;
use crate::provider::Reference;
use crate::saga::{Case, Saga, Way};
use crate::world::World;
use cases::Cases;

/// How long the ledger has to write down what it has at a stop.
const GOODBYE: Duration = Duration::from_secs(2);

/// How long an audit of a sale's money may take: nobody waits longer.
const AUDIT_DEADLINE: Duration = Duration::from_secs(60);

/// What can be set about a service.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How often it looks for what nobody carries.
    pub reconcile_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { reconcile_every: Duration::from_secs(10) }
    }
}

/// A running checkout.
pub struct Service<W> {
    checkout: Checkout<W>,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// Asks the checkout; cheap to clone.
pub struct Checkout<W> {
    saga: Arc<Saga<W>>,
    cases: Arc<Cases>,
    /// Where everything runs that it does: connections belong to a runtime.
    runtime: Runtime,
}

impl<W> Clone for Checkout<W> {
    fn clone(&self) -> Self {
        let (saga, cases) = (Arc::clone(&self.saga), Arc::clone(&self.cases));
        Self { saga, cases, runtime: self.runtime.clone() }
    }
}

impl<W: World + 'static> Service<W> {
    /// Starts a thread with a runtime of its own, makes the world there, and goes on with what a
    /// crash left.
    ///
    /// # Errors
    /// When the system has no thread to give, or the world cannot be made.
    pub fn start<E>(
        make: impl AsyncFnOnce() -> Result<Saga<W>, E> + Send + 'static,
        options: Options,
    ) -> Result<Self, StartError<E>>
    where
        E: Send + 'static,
    {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(StartError::Io)?;
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let (stop, mut stopped) = watch::channel(false);
        let handle = runtime.handle().clone();
        #[cfg(feature = "planted")]
        let bug = crate::planted::get();
        let work = move || {
            #[cfg(feature = "planted")]
            crate::planted::set(bug);
            runtime.block_on(async move {
                let saga = match make().await {
                    Ok(saga) => Arc::new(saga),
                    Err(error) => return drop(ready.send(Err(error))),
                };
                let cases = Arc::default();
                let checkout = Checkout { saga, cases, runtime: handle };
                // Before anybody asks it knows whether others carry. Where it cannot, it tries again.
                let _ = checkout.saga.open().await;
                let _ = ready.send(Ok(checkout.clone()));
                let mind = checkout.mind(options.reconcile_every);
                let mend = checkout.mend(options.reconcile_every);
                tokio::select! {
                    () = mind => {}
                    () = mend => {}
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                }
                // What is under way has its connection and ends with it.
                let ledger = checkout.saga.world.ledger();
                let _ = tokio::time::timeout(GOODBYE, ledger.close()).await;
            });
        };
        let thread = thread::Builder::new().name("checkout".into()).spawn(work);
        let thread = thread.map_err(StartError::Io)?;
        let gone = |_| StartError::Io(io::Error::other("the checkout's thread ended"));
        let checkout = is_ready.recv().map_err(gone)?.map_err(StartError::World)?;
        Ok(Self { checkout, stop, thread })
    }

    /// What to ask with.
    pub fn checkout(&self) -> Checkout<W> {
        self.checkout.clone()
    }

    /// Stops where it stands: whatever is under way goes on after the next start.
    pub fn stop(self) {
        let _ = self.stop.send(true);
        drop(self.checkout);
        if self.thread.join().is_err() {
            tracing::error!("the checkout's thread ended by a panic");
        }
    }
}

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError<E> {
    /// The system has no thread or no runtime to give.
    #[error(transparent)]
    Io(io::Error),
    /// The world could not be made.
    #[error("{0}")]
    World(E),
}

impl<W: World + 'static> Checkout<W> {
    /// How long a payment that begins now would wait for the provider's budget.
    pub fn queue_time(&self) -> Duration {
        self.saga.budgets.wait(Endpoint::Authorise)
    }

    /// Whether a payment that begins now would wait longer than a hold's clock can stand still.
    pub fn is_full(&self) -> bool {
        self.queue_time() > Duration::from_millis(PAY_QUEUE_MAX_MS.into())
    }

    /// A hold has gone to the checkout. To say so again costs nothing: whoever carries it goes on
    /// as they would, so that a buyer who asks often does not have the provider asked often. If it falls
    /// to another node, that one finds it.
    pub fn begin(&self, case: Case) {
        if self.saga.share.may_begin(case) {
            self.carry(case, Way::There);
        }
    }

    /// A provider has told that something has happened to a payment. A hint and no more: the
    /// provider is asked, at once. If another node carries it, only if that one does not hear of it.
    pub fn hint(&self, reference: &Reference) {
        let Some(case) = Case::of(reference) else { return };
        if self.cases.wake(case, Way::There) {
            return;
        }
        if self.saga.share.is_ours(case) {
            return self.begin(case);
        }
        let Some(hint) = self.cases.enter(case, Way::There) else { return };
        let this = self.clone();
        self.runtime.spawn(async move {
            this.saga.help(case).await;
            while !this.cases.leave(case, Way::There, &hint) {}
        });
    }

    fn carry(&self, case: Case, way: Way) {
        let Some(hint) = self.cases.enter(case, way) else { return };
        let this = self.clone();
        self.runtime.spawn(async move {
            loop {
                this.saga.carry(case, way, hint.notify()).await;
                if this.cases.leave(case, way, &hint) {
                    return;
                }
            }
        });
    }

    /// An order.
    ///
    /// # Errors
    /// As [`CheckoutError`] says.
    pub async fn order(&self, id: OrderId) -> Result<Option<Order>, CheckoutError> {
        self.here(move |saga| async move { Ok(saga.world.ledger().order(&id).await?) }).await
    }

    /// At most `limit` of a sale's orders after the one with this number, in their order.
    ///
    /// # Errors
    /// As [`CheckoutError`] says.
    pub async fn orders(
        &self,
        sale: SaleId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Order>, CheckoutError> {
        self.here(
            move |saga| async move { Ok(saga.world.ledger().orders(sale, after, limit).await?) },
        )
        .await
    }

    /// Asks for an order's money and units to be given back. That goes on by itself.
    ///
    /// # Errors
    /// As [`CheckoutError`] says.
    pub async fn refund(
        &self,
        name: OrderName,
        id: OrderId,
        why: String,
    ) -> Result<Moved, CheckoutError> {
        let case = Case { sale: name.sale, hold: name.hold };
        let asked = self.here(move |saga| async move {
            let Some(facts) = saga.facts(case).await? else { return Ok(Moved::NoOrder) };
            saga.know_sale(facts.sale, facts.fence.epoch).await?;
            let (ledger, now_ms) = (saga.world.ledger(), saga.world.wall_ms());
            let steps = [(id, Step::AskRefund(why))];
            let moved = ledger.advance(facts.fence, &steps, now_ms).await?;
            Ok(moved.into_iter().next().unwrap_or(Moved::NoOrder))
        });
        let moved = asked.await?;
        if let Moved::Done(_) = moved {
            self.carry(case, Way::Back);
        }
        Ok(moved)
    }

    /// Holds engine, ledger and provider against each other. `None`: there is no such sale.
    ///
    /// # Errors
    /// As [`CheckoutError`] says.
    pub async fn audit(&self, sale: SaleId) -> Result<Option<MoneyAudit>, CheckoutError> {
        self.here(move |saga| async move {
            let counted = tokio::time::timeout(AUDIT_DEADLINE, saga.audit(sale)).await;
            let late = |_| CheckoutError::Provider("the audit took more than a minute".to_owned());
            Ok(counted.map_err(late)??)
        })
        .await
    }

    /// What a buyer has ordered in a sale, in the orders' order.
    ///
    /// # Errors
    /// As [`CheckoutError`] says.
    pub async fn bought(&self, sale: SaleId, buyer: BuyerId) -> Result<Vec<Order>, CheckoutError> {
        self.here(move |saga| async move { Ok(saga.world.ledger().bought(sale, buyer).await?) })
            .await
    }

    /// Changes how many units a tier has, in the engine and in the ledger.
    ///
    /// # Errors
    /// As [`CheckoutError`] says. A refusal by the rules is an answer.
    pub async fn resize(
        &self,
        sale: SaleId,
        tier: TierId,
        capacity: u32,
    ) -> Result<Answer, CheckoutError> {
        self.here(move |saga| async move { Ok(saga.resize(sale, tier, capacity).await?) }).await
    }

    /// Puts an alias in a buyer's place, in every sale and in the ledger.
    ///
    /// # Errors
    /// As [`CheckoutError`] says: it may be done in part, and is to be repeated.
    pub async fn forget(&self, buyer: BuyerId) -> Result<Forgotten, CheckoutError> {
        self.here(move |saga| async move { Ok(saga.forget(buyer).await?) }).await
    }

    /// Does something where the connections are.
    pub(crate) async fn here<R, F>(
        &self,
        work: impl FnOnce(Arc<Saga<W>>) -> F,
    ) -> Result<R, CheckoutError>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, CheckoutError>> + Send + 'static,
    {
        let done = self.runtime.spawn(work(Arc::clone(&self.saga))).await;
        done.unwrap_or(Err(CheckoutError::Stopped))
    }
}
