//! The contract through the router: a real engine on a real journal, no sockets.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod answers;
mod checker;
mod credentials;
mod description;
mod holds;
mod limits;
mod refusals;
mod requests;
mod scrape;
mod support;
