//! From a hold to a paid order: the saga that carries it there whatever crashes in between, payment
//! providers, one of them to test against, and the webhooks that providers send.

#[macro_use]
pub mod planted;

mod audit;
mod budget;
mod desk;
mod error;
mod forget;
mod live;
mod note;
pub mod provider;
mod saga;
mod sales;
mod service;
pub mod webhook;
mod world;

pub use audit::{MoneyAudit, audit_money};
pub use error::CheckoutError;
pub use forget::Forgotten;
pub use live::{Live, Stopped};
pub use note::Note;
pub use saga::{Case, Left, NOBODY, Saga, Way};
pub use service::{Checkout, Options, Service, StartError};
pub use world::World;

/// The checkout as it runs in the product.
pub type LiveCheckout = Checkout<Live<holdfast_ledger::SqlLedger, provider::simulated::Client>>;
