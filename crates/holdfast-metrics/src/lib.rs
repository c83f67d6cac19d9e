//! What is counted while a sale runs.
//!
//! Every part of the server has its counters where it counts, and registers them by name for
//! whoever scrapes. To count costs one or two relaxed additions to memory, takes no lock and makes
//! nothing; all work is done by whoever reads. Counters and gauges of prometheus-client are like
//! that; its histogram is not, so here is another.

mod histogram;

pub use histogram::{Histogram, LATENCY_SECONDS, SIZE, Scale};
