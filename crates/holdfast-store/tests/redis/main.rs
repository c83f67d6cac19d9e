//! The store in Redis, on real servers.

#[path = "../suite/mod.rs"]
mod suite;

mod conformance;
mod rig;
mod succession;
