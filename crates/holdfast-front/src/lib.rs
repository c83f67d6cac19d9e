//! The front door: listeners, connections, deadlines, a graceful stop.
//!
//! One listener and one single-threaded runtime per core, on the same address: the kernel spreads
//! the connections. Invariant: this crate knows no sale and no JSON; it serves any service.

mod accept;
mod connection;
mod listen;
mod serve;
mod wire;

pub use serve::{Front, Options, Stop};
