//! What the front counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The front's counters; cheap to clone, all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(crate) accepted: Counter,
    pub(crate) open: Gauge,
    pub(crate) evicted: Counter,
    pub(crate) not_accepted: Counter,
    pub(crate) shed: Counter,
    pub(crate) given_up: Counter,
}

impl Metrics {
    /// Registers them for whoever scrapes.
    pub fn register(&self, registry: &mut Registry) {
        let Self { accepted, open, evicted, not_accepted, shed, given_up } = self.clone();
        registry.register("connections_accepted", "Connections taken from the kernel", accepted);
        registry.register("connections_open", "Connections that are open", open);
        registry.register(
            "connections_evicted",
            "Connections told to go, so that others had room, because they kept the server waiting longest",
            evicted,
        );
        registry.register(
            "accept_failures",
            "Times the system had a connection and gave none, mostly for lack of descriptors",
            not_accepted,
        );
        registry.register(
            "requests_shed",
            "Requests refused because they had waited too long",
            shed,
        );
        registry.register(
            "connections_given_up",
            "Connections dropped because their clients had gone before it was their turn",
            given_up,
        );
    }
}
