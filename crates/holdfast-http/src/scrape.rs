//! Everything that is counted, as text for whoever scrapes.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use holdfast_api::{Code, Problem};
use holdfast_core::{SaleId, SaleView};
use holdfast_engine::{Counts, Handle, Sales};
use http::{Method, Request, Uri, header};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::problem::Refused;

/// Names begin with this.
const PREFIX: &str = "holdfast";

/// Tiers of which the units are shown, at most: those of the sales that are first by id. Each is four
/// series, for the engine to look up, for a thread to write and for Prometheus to keep.
const TIERS_MAX: usize = 2_000;

/// How long the engine may take to say how the sales stand.
const PATIENCE: Duration = Duration::from_secs(1);

/// Texts that there are at a time, until they have been taken. Each may have a megabyte, and one that
/// nobody takes stays for as long as a client has for its answer. Two Prometheus that scrape at the
/// same moment, somebody who looks, and one to spare.
const TEXTS_MAX: usize = 4;

/// The text is in the format of `OpenMetrics`, which Prometheus asks for.
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A registry to which the parts of a server add what they count.
pub fn registry() -> Registry {
    Registry::with_prefix(PREFIX)
}

/// Reads what is counted.
#[derive(Clone)]
pub struct Scrape {
    registry: Arc<Registry>,
    engine: Handle,
    /// One for each text that there may be.
    permits: Arc<Semaphore>,
}

/// What is counted. It counts itself until it is gone.
struct Text {
    text: String,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Units {
    sale: String,
    tier: String,
    state: &'static str,
}

impl Scrape {
    /// Reads from a registry, and asks the engine how the sales stand.
    pub fn new(mut registry: Registry, engine: Handle) -> Self {
        let Counts { requests, entries } = engine.counts().clone();
        registry.register("engine_requests", "Requests that the engine took at a time", requests);
        registry.register("engine_entries", "Entries written with one flush", entries);
        let permits = Arc::new(Semaphore::new(TEXTS_MAX));
        Self { registry: Arc::new(registry), engine, permits }
    }

    pub(crate) async fn show(&self) -> Response {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            let many =
                format!("{TEXTS_MAX} others have asked and have not taken their answers yet");
            return Refused(Problem::new(Code::Overloaded).because(many)).into_response();
        };
        match self.text(permit).await {
            Ok(text) => {
                let text = Bytes::from_owner(text);
                ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response()
            }
            Err(_) => Refused(Problem::new(Code::StoreUnavailable)).into_response(),
        }
    }

    /// What is counted, and the units of each sale. While the engine does not answer, the rest is
    /// still told. Writing it takes long enough to hold up buyers, so that is done on a thread that
    /// serves none; it is written to its end also when who asked has gone.
    async fn text(&self, permit: OwnedSemaphorePermit) -> Result<Text, fmt::Error> {
        let sales = timeout(PATIENCE, self.engine.look(Shown::of)).await;
        let sales = sales.ok().and_then(Result::ok);
        let scrape = self.clone();
        let write = move || {
            let text = scrape.write(sales.as_ref())?;
            Ok(Text { text, _permit: permit })
        };
        tokio::task::spawn_blocking(write).await.unwrap_or(Err(fmt::Error))
    }

    fn write(&self, sales: Option<&Shown>) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &self.now(sales))?;
        encode_eof(&mut text)?;
        Ok(text)
    }

    /// What stands as it does at this moment.
    fn now(&self, sales: Option<&Shown>) -> Registry {
        let mut registry = registry();
        let help = "Requests that wait for the engine's next turn";
        registry.register("requests_waiting", help, gauge(self.engine.waiting()));
        let Some(sales) = sales else { return registry };
        let help = "Units of a tier by their state, which add up to its capacity";
        registry.register("units", help, units(&sales.views));
        let help = "Tiers whose units are not shown, for there are too many";
        registry.register("tiers_left_out", help, gauge(sales.tiers_left_out));
        registry
    }
}

fn gauge(value: usize) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    gauge
}

/// How the sales stand, of as many as are shown.
struct Shown {
    views: Vec<(SaleId, SaleView)>,
    tiers_left_out: usize,
}

impl Shown {
    fn of(sales: &Sales) -> Self {
        let (mut views, mut shown, mut tiers_left_out) = (Vec::new(), 0, 0);
        for (id, sale, clock_ms) in sales.sound() {
            let tiers = sale.units_taken().count();
            // A sale is shown whole or not; and once one is left out, so are all after it.
            if tiers_left_out > 0 || shown + tiers > TIERS_MAX {
                tiers_left_out += tiers;
            } else {
                shown += tiers;
                views.extend(sale.view(clock_ms).map(|view| (id, view)));
            }
        }
        Self { views, tiers_left_out }
    }
}

/// `/metrics` alone, for a listener of its own.
impl holdfast_front::Site for Scrape {
    type Body = Body;

    async fn answer(&self, _: IpAddr, request: Request<holdfast_front::Body>) -> Response {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/metrics") => self.show().await,
            (_, "/metrics") => Refused(Problem::new(Code::MethodNotAllowed)).into_response(),
            _ => Refused(Problem::new(Code::NotFound)).into_response(),
        }
    }

    fn busy(&self) -> Response {
        Refused(Problem::new(Code::Overloaded)).into_response()
    }

    fn busy_bytes(&self) -> &[u8] {
        b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    }

    fn lane(&self, _: &Uri) -> Option<u64> {
        None
    }
}

fn units(sales: &[(SaleId, SaleView)]) -> Family<Units, Gauge> {
    let units = Family::<Units, Gauge>::default();
    for (sale, view) in sales {
        for tier in &view.tiers {
            let states = [
                ("free", tier.free),
                ("held", tier.held),
                ("sold", tier.sold),
                ("withheld", tier.withheld),
            ];
            for (state, count) in states {
                let (sale, tier) = (sale.to_string(), tier.config.id.to_string());
                units.get_or_create(&Units { sale, tier, state }).set(count.into());
            }
        }
    }
    units
}
