//! The contract through the router: a real engine on a real journal, a real ledger and a provider
//! behind them, no sockets in front.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod answers;
mod buying;
mod checker;
mod checkout;
mod credentials;
mod description;
mod exports;
mod holds;
mod limits;
mod orders;
mod refusals;
mod requests;
mod scrape;
mod support;
mod till;
mod webhooks;
