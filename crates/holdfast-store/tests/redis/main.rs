//! The store in Redis, on real servers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../suite/mod.rs"]
mod suite;

mod conformance;
mod rig;
mod settings;
mod succession;
