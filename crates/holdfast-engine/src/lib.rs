//! The engine: one writer that batches commands, appends them to the store, applies what comes
//! back and answers.
//!
//! [`Engine::turn`] is the whole of it, synchronous and deterministic: requests in, replies out. In
//! a rush [`Engine::settle`] and [`Engine::advance`] do the same with one round in flight: while it is
//! being flushed the next one is gathered. [`Service`] runs turns on a thread of its own behind a
//! cheap [`Handle`].
//!
//! Invariants, stated as absences: no reply rests on an entry that is not durable; no rule of a
//! sale is written here; nothing here knows HTTP.

#[macro_use]
pub mod planted;

mod audit;
mod courier;
mod engine;
mod error;
mod inbox;
mod keeper;
mod recovery;
mod request;
mod sales;
mod service;
mod slot;
mod witness;

pub use audit::{Audit, HoldCount, audit};
pub use courier::Waiter;
pub use engine::Engine;
pub use error::{EngineError, OpenError};
pub use holdfast_store::Nodes;
pub use keeper::{Kept, keep};
pub use recovery::read_sales;
pub use request::{Answer, Look, Replies, Reply, Request};
pub use sales::{SaleRef, Sales};
pub use service::{Counts, Handle, Options, Service};
