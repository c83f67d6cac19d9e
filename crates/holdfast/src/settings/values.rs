//! What can be set: one list for flags, environment and file.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use holdfast_front::Patience;
use holdfast_http::{LimitOptions, Rate, RateError};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use super::Told;
use crate::files;

const SEGMENT_BYTES_MIN: u64 = 4 << 10;
const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// Everything that can be set about a server but where its data are. What is not there is not
/// set.
#[derive(clap::Args, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Values {
    /// Address to listen on, an IP address and a port; port 0 takes a free one
    /// [default: 127.0.0.1:8080]
    #[arg(long, env = "HOLDFAST_LISTEN", value_name = "IP:PORT", value_parser = address)]
    #[serde(deserialize_with = "read_address")]
    pub(super) listen: Option<SocketAddr>,

    /// Key with which a merchant may do everything, or sha256: and the key's hash in hexadecimal;
    /// several with commas. Made and printed when none is given. In the environment:
    /// `HOLDFAST_MERCHANT_KEY`
    #[arg(long, value_delimiter = ',', value_name = "KEY")]
    #[serde(deserialize_with = "read_list")]
    pub(super) merchant_key: Vec<String>,

    /// File that has merchant keys, one a line; # begins a comment. In the environment:
    /// `HOLDFAST_MERCHANT_KEY_FILE`
    #[arg(long, value_name = "FILE")]
    pub(super) merchant_key_file: Option<PathBuf>,

    /// File with a key that signs buyers' tokens: an Ed25519 public key (PEM), or an HS256 secret.
    /// Twice, or with a comma, while keys are being changed
    #[arg(long, env = "HOLDFAST_BUYER_KEY", value_delimiter = ',', value_name = "FILE")]
    #[serde(deserialize_with = "read_list")]
    pub(super) buyer_key: Vec<PathBuf>,

    /// How often one buyer may ask, such as 10/s, 60/m or 1000/h, twice as many at once after a
    /// rest; or off [default: 10/s]
    #[arg(long, env = "HOLDFAST_LIMIT_BUYER", value_name = "RATE", value_parser = limit)]
    #[serde(deserialize_with = "read_limit")]
    pub(super) limit_buyer: Option<Limit>,

    /// How often one merchant key may be used [default: off]
    #[arg(long, env = "HOLDFAST_LIMIT_KEY", value_name = "RATE", value_parser = limit)]
    #[serde(deserialize_with = "read_limit")]
    pub(super) limit_key: Option<Limit>,

    /// How often one network may ask: an address of IPv4, a /64 of IPv6 [default: off]
    #[arg(long, env = "HOLDFAST_LIMIT_NETWORK", value_name = "RATE", value_parser = limit)]
    #[serde(deserialize_with = "read_limit")]
    pub(super) limit_network: Option<Limit>,

    /// Network of proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8; several with
    /// commas
    #[arg(long, env = "HOLDFAST_TRUSTED_PROXY", value_delimiter = ',', value_name = "NETWORK")]
    pub(super) trusted_proxy: Vec<IpNet>,

    /// Address of a listener of its own for /metrics, without a key; else they are at the other
    /// address, for merchants
    #[arg(long, env = "HOLDFAST_METRICS_LISTEN", value_name = "IP:PORT", value_parser = address)]
    #[serde(deserialize_with = "read_address")]
    pub(super) metrics_listen: Option<SocketAddr>,

    /// Listeners, each with a thread of its own [default: one a core]
    #[arg(long, env = "HOLDFAST_LISTENERS", value_name = "COUNT")]
    pub(super) listeners: Option<NonZeroU16>,

    /// Connections that may wait to be accepted at each listener [default: what the system allows,
    /// net.core.somaxconn]
    #[arg(long, env = "HOLDFAST_LISTEN_BACKLOG", value_name = "COUNT")]
    pub(super) listen_backlog: Option<NonZeroU16>,

    /// Connections that may be open; when they all are, those go that keep the server waiting
    /// longest [default: what the limit on open files leaves]
    #[arg(long, env = "HOLDFAST_CONNECTIONS", value_name = "COUNT")]
    pub(super) connections: Option<usize>,

    /// How long a request may wait in a rush until the server looks at it; one that has waited
    /// longer is refused (503 overloaded). 0: none is refused [default: 5000]
    #[arg(long, env = "HOLDFAST_SHED_RUSH_MS", value_name = "MILLISECONDS")]
    pub(super) shed_rush_ms: Option<u64>,

    /// How long a request may wait once the queue has stood for longer than --shed-rush-ms, or most
    /// in it have given up [default: 250]
    #[arg(long, env = "HOLDFAST_SHED_STANDING_MS", value_name = "MILLISECONDS")]
    pub(super) shed_standing_ms: Option<u64>,

    /// Length of one file of the journal, 4096 to 1073741824: the step in which disk space is
    /// taken and given back [default: 33554432]
    #[arg(long, env = "HOLDFAST_JOURNAL_SEGMENT_BYTES", value_name = "BYTES")]
    pub(super) journal_segment_bytes: Option<u64>,

    /// How much is written before the sales are saved whole, which keeps a restart short and the
    /// journal small [default: 67108864]
    #[arg(long, env = "HOLDFAST_SNAPSHOT_BYTES", value_name = "BYTES")]
    pub(super) snapshot_bytes: Option<u64>,
}

/// A limit that is set, also to none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit(Option<Rate>);

impl Values {
    /// What is set here, and where nothing is, what is set below.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            listen: self.listen.or(below.listen),
            merchant_key: first(self.merchant_key, below.merchant_key),
            merchant_key_file: self.merchant_key_file.or(below.merchant_key_file),
            buyer_key: first(self.buyer_key, below.buyer_key),
            limit_buyer: self.limit_buyer.or(below.limit_buyer),
            limit_key: self.limit_key.or(below.limit_key),
            limit_network: self.limit_network.or(below.limit_network),
            trusted_proxy: first(self.trusted_proxy, below.trusted_proxy),
            metrics_listen: self.metrics_listen.or(below.metrics_listen),
            listeners: self.listeners.or(below.listeners),
            listen_backlog: self.listen_backlog.or(below.listen_backlog),
            connections: self.connections.or(below.connections),
            shed_rush_ms: self.shed_rush_ms.or(below.shed_rush_ms),
            shed_standing_ms: self.shed_standing_ms.or(below.shed_standing_ms),
            journal_segment_bytes: self.journal_segment_bytes.or(below.journal_segment_bytes),
            snapshot_bytes: self.snapshot_bytes.or(below.snapshot_bytes),
        }
    }

    /// Takes out what is said of the merchant's keys.
    pub(super) fn take_keys(&mut self) -> Told {
        let keys = std::mem::take(&mut self.merchant_key);
        Told { keys: (!keys.is_empty()).then_some(keys), file: self.merchant_key_file.take() }
    }

    /// How connections are treated. Raises the limit on open files.
    pub(super) fn front(&self) -> anyhow::Result<holdfast_front::Options> {
        let mut options = holdfast_front::Options::default();
        if let Some(listeners) = self.listeners {
            options.listeners = listeners.get().into();
        }
        if let Some(backlog) = self.listen_backlog {
            options.backlog = backlog.get();
        }
        if let Some(connections) = self.connections {
            let least = options.listeners;
            ensure!(connections >= least, "connections must be at least one a listener, {least}");
        }
        options.connections = files::connections(self.connections);
        let Patience { rush, standing } = Patience::default();
        let rush = self.shed_rush_ms.map_or(rush, Duration::from_millis);
        let standing = self.shed_standing_ms.map_or(standing, Duration::from_millis);
        let is_in_order = !standing.is_zero() && standing <= rush || rush.is_zero();
        ensure!(is_in_order, "shed_standing_ms must be at least 1, and no more than shed_rush_ms");
        options.patience = (!rush.is_zero()).then_some(Patience { rush, standing });
        Ok(options)
    }

    /// Who may ask how often.
    pub(super) fn limits(&self) -> LimitOptions {
        let default = LimitOptions::default();
        LimitOptions {
            buyer: self.limit_buyer.map_or(default.buyer, |Limit(rate)| rate),
            key: self.limit_key.map_or(default.key, |Limit(rate)| rate),
            network: self.limit_network.map_or(default.network, |Limit(rate)| rate),
            proxies: self.trusted_proxy.clone(),
        }
    }

    /// How the journal is kept.
    pub(super) fn journal(&self) -> anyhow::Result<holdfast_store::journal::Options> {
        let mut options = holdfast_store::journal::Options::default();
        if let Some(bytes) = self.journal_segment_bytes {
            let range = SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX;
            let (least, most) = (range.start(), range.end());
            ensure!(range.contains(&bytes), "journal_segment_bytes is not {least} to {most}");
            options.segment_bytes = bytes;
        }
        Ok(options)
    }

    /// How the engine works.
    pub(super) fn engine(&self) -> holdfast_engine::Options {
        let mut options = holdfast_engine::Options::default();
        if let Some(bytes) = self.snapshot_bytes {
            options.snapshot_bytes = bytes;
        }
        options
    }
}

/// The first list that says anything.
fn first<T>(above: Vec<T>, below: Vec<T>) -> Vec<T> {
    if above.is_empty() { below } else { above }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let form = "it must be an IP address and a port, such as 127.0.0.1:8080 or [::]:8080";
    text.parse().map_err(|_| form.to_owned())
}

fn limit(text: &str) -> Result<Limit, RateError> {
    Rate::parse_or_off(text).map(Limit)
}

fn read_address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    address(&text).map(Some).map_err(serde::de::Error::custom)
}

/// One, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

fn read_list<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(match OneOrMore::deserialize(from)? {
        OneOrMore::One(one) => vec![one],
        OneOrMore::More(more) => more,
    })
}

fn read_limit<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Limit>, D::Error> {
    let text = String::deserialize(from)?;
    limit(&text).map(Some).map_err(serde::de::Error::custom)
}
