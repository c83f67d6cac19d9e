//! The front door: listeners, connections, deadlines, a graceful stop.
//!
//! One listener and one single-threaded runtime per core, on the same address: the kernel spreads
//! the connections. Invariant: this crate knows no sale and no JSON; it serves any service.

mod accept;
mod body;
mod connection;
mod first;
mod host;
mod lanes;
mod line;
mod linger;
mod listen;
mod metrics;
mod patience;
mod refuse;
mod seat;
mod seats;
mod serve;
mod site;
mod standing;
mod wire;

pub use body::Body;
pub use metrics::Metrics;
pub use patience::Patience;
pub use serve::{Front, Options, Stop};
pub use site::Site;
