//! What the saga stands on: real in the product, simulated where faults are.

use std::future::Future;
use std::time::Duration;

use holdfast_core::Command;
use holdfast_engine::{EngineError, Reply, SaleRef, Sales};
use holdfast_ledger::Ledger;

use crate::provider::Provider;

/// The engine, the ledger, the provider and the time.
pub trait World: Send + Sync {
    /// Where orders are recorded.
    type Ledger: Ledger;
    /// Who is asked for money.
    type Provider: Provider;

    /// Applies a command to a sale; the reply rests on durable state only.
    fn execute(&self, sale: SaleRef, command: Command) -> impl Future<Output = Reply> + Send;

    /// Looks at the sales, on current and durable state.
    fn look<R, F>(&self, look: F) -> impl Future<Output = Result<R, EngineError>> + Send
    where
        R: Send + 'static,
        F: FnOnce(&Sales) -> R + Send + 'static;

    /// Where orders are recorded.
    fn ledger(&self) -> &Self::Ledger;

    /// Who is asked for money.
    fn provider(&self) -> &Self::Provider;

    /// The wall clock, in milliseconds since 1970 UTC.
    fn wall_ms(&self) -> u64;

    /// Waits.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;
}
