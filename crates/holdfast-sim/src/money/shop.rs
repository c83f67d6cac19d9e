//! What the saga stands on in a run, and how the outside reaches it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_checkout::{Case, Saga, Way, World};
use holdfast_core::{Command, SaleId};
use holdfast_engine::{EngineError, Reply, Request, SaleRef, Sales};
use tokio::sync::oneshot;

use super::bank::Bank;
use super::ledger::IllLedger;
use super::tasks::{Timer, lock};

/// A request to the engine, and where its reply goes.
pub(super) type Asked = Request<oneshot::Sender<Reply>>;

/// The world of a run; all clones are one.
#[derive(Clone)]
pub(super) struct Shop {
    pub(super) sale: SaleId,
    pub(super) bank: Bank,
    pub(super) ledger: IllLedger,
    pub(super) timer: Timer,
    desk: Arc<Mutex<Desk>>,
    /// The saga of the process that is up.
    pub(super) saga: Arc<Mutex<Option<Arc<Saga<Shop>>>>>,
}

/// What lies there for the process.
#[derive(Default)]
struct Desk {
    is_up: bool,
    asked: Vec<Asked>,
    /// Cases that are to be carried.
    begun: Vec<(Case, Way)>,
    carried: BTreeSet<(Case, Way)>,
}

impl Shop {
    pub(super) fn new(sale: SaleId, bank: Bank, ledger: IllLedger, timer: Timer) -> Self {
        Self { sale, bank, ledger, timer, desk: Arc::default(), saga: Arc::default() }
    }

    pub(super) fn open(&self) {
        lock(&self.desk).is_up = true;
    }

    /// The process is dead, and with it whatever it had taken.
    pub(super) fn shut(&self) {
        *lock(&self.desk) = Desk::default();
        *lock(&self.saga) = None;
    }

    pub(super) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut lock(&self.desk).asked)
    }

    pub(super) fn is_asked(&self) -> bool {
        !lock(&self.desk).asked.is_empty()
    }

    /// Somebody should look after a case.
    pub(super) fn begin(&self, case: Case, way: Way) {
        let mut desk = lock(&self.desk);
        if desk.is_up && desk.carried.insert((case, way)) {
            desk.begun.push((case, way));
        }
    }

    pub(super) fn take_begun(&self) -> Vec<(Case, Way)> {
        std::mem::take(&mut lock(&self.desk).begun)
    }

    pub(super) fn leave(&self, case: Case, way: Way) {
        lock(&self.desk).carried.remove(&(case, way));
    }

    fn put(&self, asked: Asked) -> Result<(), EngineError> {
        let mut desk = lock(&self.desk);
        if !desk.is_up {
            return Err(EngineError::Stopped);
        }
        desk.asked.push(asked);
        Ok(())
    }
}

impl World for Shop {
    type Ledger = IllLedger;
    type Provider = Bank;

    async fn execute(&self, sale: SaleRef, command: Command) -> Reply {
        let (reply, answer) = oneshot::channel();
        self.put(Request::Do { sale, command, reply })?;
        answer.await.unwrap_or(Err(EngineError::Stopped))
    }

    async fn look<R, F>(&self, look: F) -> Result<R, EngineError>
    where
        R: Send + 'static,
        F: FnOnce(&Sales) -> R + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.put(Request::Look(Box::new(move |sales| {
            let _ = reply.send(sales.and_then(|sales| sales.look(look)));
        })))?;
        answer.await.unwrap_or(Err(EngineError::Stopped))
    }

    fn ledger(&self) -> &IllLedger {
        &self.ledger
    }

    fn provider(&self) -> &Bank {
        &self.bank
    }

    fn wall_ms(&self) -> u64 {
        self.timer.wall_ms()
    }

    async fn sleep(&self, time: Duration) {
        self.timer.sleep_us(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)).await;
    }
}
