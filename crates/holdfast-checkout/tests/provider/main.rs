//! The simulated provider as a peer: over real sockets, ill-mannered, killed.
#![expect(clippy::unwrap_used, reason = "a test fails so")]

mod files;
mod keys;
mod limits;
mod manners;
mod refusals;
mod steps;
mod stop;
mod support;
mod webhooks;
