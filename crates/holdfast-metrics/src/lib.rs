//! What is counted while a sale runs.
//!
//! Every part of the server has its counters where it counts, and registers them by name for
//! whoever scrapes. To count costs one or two relaxed additions to memory, takes no lock and makes
//! nothing; all work is done by whoever reads.

mod histogram;

pub use histogram::{Histogram, LATENCY_SECONDS, SIZE};
pub use prometheus_client::encoding::text::encode;
pub use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::family::Family;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::{collector, encoding, registry};
