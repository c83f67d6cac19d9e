//! The embedded store, tested from outside: what it promises, and what its disk may do to it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../suite/mod.rs"]
mod suite;
#[path = "../support/mod.rs"]
mod support;

mod conformance;
mod damage;
mod faults;
mod files;
mod model;
mod mutation;
#[cfg(feature = "planted")]
mod planted;
mod rig;
mod threads;
mod torn;
