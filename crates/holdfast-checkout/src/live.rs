//! The world as it is, while a server runs and when it has stopped.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_core::Command;
use holdfast_engine::{EngineError, Handle, Reply, SaleRef, Sales};
use holdfast_ledger::Ledger;

use crate::provider::Provider;
use crate::world::World;

/// A running engine, a ledger and a provider, on a tokio runtime.
#[derive(Clone)]
pub struct Live<L, P> {
    engine: Handle,
    ledger: L,
    provider: P,
}

impl<L, P> Live<L, P> {
    /// Puts them together.
    pub fn new(engine: Handle, ledger: L, provider: P) -> Self {
        Self { engine, ledger, provider }
    }
}

impl<L: Ledger, P: Provider> World for Live<L, P> {
    type Ledger = L;
    type Provider = P;

    async fn execute(&self, sale: SaleRef, command: Command) -> Reply {
        self.engine.execute(sale, command).await
    }

    async fn look<R, F>(&self, look: F) -> Result<R, EngineError>
    where
        R: Send + 'static,
        F: FnOnce(&Sales) -> R + Send + 'static,
    {
        self.engine.look(look).await
    }

    fn ledger(&self) -> &L {
        &self.ledger
    }

    fn provider(&self) -> &P {
        &self.provider
    }

    fn wall_ms(&self) -> u64 {
        wall_ms()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// A stopped server's sales, its ledger and its provider: to be looked at, and nothing more.
pub struct Stopped<L, P> {
    sales: Sales,
    ledger: L,
    provider: P,
}

impl<L, P> Stopped<L, P> {
    /// Puts them together.
    pub fn new(sales: Sales, ledger: L, provider: P) -> Self {
        Self { sales, ledger, provider }
    }
}

impl<L: Ledger, P: Provider> World for Stopped<L, P> {
    type Ledger = L;
    type Provider = P;

    async fn execute(&self, _: SaleRef, _: Command) -> Reply {
        Err(EngineError::Stopped)
    }

    async fn look<R, F>(&self, look: F) -> Result<R, EngineError>
    where
        R: Send + 'static,
        F: FnOnce(&Sales) -> R + Send + 'static,
    {
        self.sales.look(look)
    }

    fn ledger(&self) -> &L {
        &self.ledger
    }

    fn provider(&self) -> &P {
        &self.provider
    }

    fn wall_ms(&self) -> u64 {
        wall_ms()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
