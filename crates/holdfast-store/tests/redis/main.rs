//! The store in Redis, on real servers.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it saw, and fails")]

#[path = "../suite/mod.rs"]
mod suite;

mod addresses;
mod conformance;
mod large;
mod rig;
mod settings;
mod succession;
