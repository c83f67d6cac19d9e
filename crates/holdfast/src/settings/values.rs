//! What can be set: one list for flags, environment and file.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use holdfast_front::Patience;
use holdfast_http::LimitOptions;
use serde::Deserialize;

use super::Told;
use super::kinds::{
    Address, Bytes, Connections, Count, DataNodes, Limit, Milliseconds, Network, PerSecond,
    SegmentBytes, read, read_list, read_some,
};
use super::money::{LedgerPlace, Payments};
use super::store::StorePlace;
use crate::files;

/// Headings in the help.
pub(super) const DATA: &str = "Data";
const ADDRESSES: &str = "Addresses";
const KEYS: &str = "Keys";
const LIMITS: &str = "Limits";
const CONNECTIONS: &str = "Connections";
const STORE: &str = "Store";
const OVERLOAD: &str = "Overload";
pub(super) const PAYMENTS: &str = "Orders and payments";

/// What a new account at Stripe may ask each endpoint in a second (docs.stripe.com/rate-limits).
const PAYMENTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(25).unwrap();

/// Everything that can be set about a server. What is not there is not set.
#[derive(clap::Args, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Values {
    /// Where the data are. Only the settings file says it here: as a flag and in the environment it
    /// is there for every command.
    #[arg(skip)]
    pub(super) data_dir: Option<PathBuf>,

    /// Where to listen, an IP address and a port: 127.0.0.1:8080 is reached from this machine alone,
    /// 0.0.0.0:8080 or [::]:8080 from everywhere; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "HOLDFAST_LISTEN", value_name = "IP:PORT", help_heading = ADDRESSES)]
    #[serde(deserialize_with = "read")]
    pub(super) listen: Option<Address>,

    /// Where /metrics has a listener of its own, without a key; keep it from the public [default:
    /// none: /metrics is at the other address, for merchants]
    #[arg(long, env = "HOLDFAST_METRICS_LISTEN", value_name = "IP:PORT", help_heading = ADDRESSES)]
    #[serde(deserialize_with = "read")]
    pub(super) metrics_listen: Option<Address>,

    #[arg(
        long,
        value_delimiter = ',',
        value_name = "KEY",
        help_heading = KEYS,
        help = "With it a merchant may do everything: at least 16 visible characters, or sha256: \
                and the key's hash in 64 hexadecimal digits; several with commas [default: one is \
                made and printed] [env: HOLDFAST_MERCHANT_KEY=]"
    )]
    #[serde(deserialize_with = "read_some")]
    pub(super) merchant_key: Vec<String>,

    #[arg(
        long,
        value_name = "FILE",
        help_heading = KEYS,
        help = "Merchant keys, one a line; a line that begins with # is a comment \
                [env: HOLDFAST_MERCHANT_KEY_FILE=]"
    )]
    pub(super) merchant_key_file: Option<PathBuf>,

    /// What signs buyers' tokens: an Ed25519 public key in PEM, or an HS256 secret, one line of at
    /// least 32 bytes. Twice, or with a comma, while keys are being changed [default: none: only
    /// merchants can buy, in a buyer's name]
    #[arg(
        long,
        env = "HOLDFAST_BUYER_KEY",
        value_delimiter = ',',
        value_name = "FILE",
        help_heading = KEYS
    )]
    #[serde(deserialize_with = "read_some")]
    pub(super) buyer_key: Vec<PathBuf>,

    /// How often one buyer may ask with a token of their own: 1 to 1000000 in a second, a minute or
    /// an hour, such as 10/s, 60/m or 1000/h, and twice as many at once after a rest; or off
    /// [default: 10/s]
    #[arg(long, env = "HOLDFAST_LIMIT_BUYER", value_name = "RATE", help_heading = LIMITS)]
    #[serde(deserialize_with = "read")]
    pub(super) limit_buyer: Option<Limit>,

    /// How often one merchant key may be used, in the same form [default: off]
    #[arg(long, env = "HOLDFAST_LIMIT_KEY", value_name = "RATE", help_heading = LIMITS)]
    #[serde(deserialize_with = "read")]
    pub(super) limit_key: Option<Limit>,

    /// How often one network may ask, an address of IPv4 or a /64 of IPv6, in the same form
    /// [default: off]
    #[arg(long, env = "HOLDFAST_LIMIT_NETWORK", value_name = "RATE", help_heading = LIMITS)]
    #[serde(deserialize_with = "read")]
    pub(super) limit_network: Option<Limit>,

    /// Proxies whose X-Forwarded-For is believed: a network such as 10.0.0.0/8, or an address;
    /// several with commas [default: none]
    #[arg(
        long,
        env = "HOLDFAST_TRUSTED_PROXY",
        value_delimiter = ',',
        value_name = "NETWORK",
        help_heading = LIMITS
    )]
    #[serde(deserialize_with = "read_list")]
    pub(super) trusted_proxy: Vec<Network>,

    /// Connections that may be open, 1 for each listener to 10000000; when they all are, those go
    /// that keep the server waiting longest [default: what the limit on open files leaves]
    #[arg(long, env = "HOLDFAST_CONNECTIONS", value_name = "COUNT", help_heading = CONNECTIONS)]
    #[serde(deserialize_with = "read")]
    pub(super) connections: Option<Connections>,

    /// Listeners, each with a thread of its own, 1 to 65535 [default: one a core]
    #[arg(long, env = "HOLDFAST_LISTENERS", value_name = "COUNT", help_heading = CONNECTIONS)]
    #[serde(deserialize_with = "read")]
    pub(super) listeners: Option<Count>,

    /// Connections that may wait to be accepted at each listener, 1 to 65535 [default: what the
    /// system allows, net.core.somaxconn]
    #[arg(long, env = "HOLDFAST_LISTEN_BACKLOG", value_name = "COUNT", help_heading = CONNECTIONS)]
    #[serde(deserialize_with = "read")]
    pub(super) listen_backlog: Option<Count>,

    /// Milliseconds that a request may wait in a rush until the server looks at it, up to 3600000;
    /// one that has waited longer is refused (503 overloaded). 0: none is refused [default: 5000]
    #[arg(
        long,
        env = "HOLDFAST_SHED_RUSH_MS",
        value_name = "MILLISECONDS",
        help_heading = OVERLOAD
    )]
    #[serde(deserialize_with = "read")]
    pub(super) shed_rush_ms: Option<Milliseconds>,

    /// Milliseconds that a request may wait once the queue has stood for longer than
    /// --shed-rush-ms, or most in it have given up; 1 to --shed-rush-ms [default: 250]
    #[arg(
        long,
        env = "HOLDFAST_SHED_STANDING_MS",
        value_name = "MILLISECONDS",
        help_heading = OVERLOAD
    )]
    #[serde(deserialize_with = "read")]
    pub(super) shed_standing_ms: Option<Milliseconds>,

    /// Bytes of one file of the journal, 4096 to 1073741824: the step in which disk space is taken
    /// and given back [default: 33554432, 32 MiB]
    #[arg(
        long,
        env = "HOLDFAST_JOURNAL_SEGMENT_BYTES",
        value_name = "BYTES",
        help_heading = DATA
    )]
    #[serde(deserialize_with = "read")]
    pub(super) journal_segment_bytes: Option<SegmentBytes>,

    /// Bytes that are written before the sales are saved whole, 1 to 1099511627776: fewer keep a
    /// restart short and the journal small [default: 67108864, 64 MiB]
    #[arg(long, env = "HOLDFAST_SNAPSHOT_BYTES", value_name = "BYTES", help_heading = DATA)]
    #[serde(deserialize_with = "read")]
    pub(super) snapshot_bytes: Option<Bytes>,

    #[arg(
        long,
        env = "HOLDFAST_STORE",
        hide_env = true,
        value_name = "STORE",
        help_heading = STORE,
        help = "Where sales are kept: embedded, in the data folder of this one server; or Redis, for \
                several: redis://[user:password@]host:port[,host:port…], rediss:// over TLS, \
                redis+sentinel://[user:password@]host:port[,…]/service\
                [?sentinel_username=…&sentinel_password=…] [default: embedded] \
                [env: HOLDFAST_STORE=]"
    )]
    #[serde(deserialize_with = "read")]
    pub(super) store: Option<StorePlace>,

    /// File with the store's address in it, for its password's sake
    #[arg(long, env = "HOLDFAST_STORE_FILE", value_name = "FILE", help_heading = STORE)]
    pub(super) store_file: Option<PathBuf>,

    /// Data nodes that Redis has, the master with them, 1 to 15, connected or not: an entry counts
    /// once more than half of them have it on disk. To be said with --store redis://
    #[arg(long, env = "HOLDFAST_REDIS_DATA_NODES", value_name = "COUNT", help_heading = STORE)]
    #[serde(deserialize_with = "read")]
    pub(super) redis_data_nodes: Option<DataNodes>,

    /// Take data nodes of Redis that are not set to keep everything (appendonly yes, appendfsync
    /// always, maxmemory-policy noeviction). For demos: what they lose was promised to buyers
    #[arg(long, env = "HOLDFAST_ALLOW_VOLATILE", help_heading = STORE)]
    pub(super) allow_volatile: bool,

    /// Where orders are and who takes the money. Only the settings file says it here: as flags and in
    /// the environment it is there for every command that reads them.
    #[arg(skip)]
    #[serde(deserialize_with = "read")]
    pub(super) ledger: Option<LedgerPlace>,
    #[arg(skip)]
    pub(super) ledger_file: Option<PathBuf>,
    #[arg(skip)]
    #[serde(deserialize_with = "read")]
    pub(super) payments: Option<Payments>,
    #[arg(skip)]
    pub(super) provider_secret_file: Option<PathBuf>,

    /// How often the provider lets each of its endpoints be asked in a second, 1 to 10000, all nodes
    /// together; whoever comes meanwhile waits, and their time stands still [default: 25]
    #[arg(
        long,
        env = "HOLDFAST_PAYMENTS_PER_SECOND",
        value_name = "COUNT",
        help_heading = PAYMENTS
    )]
    #[serde(deserialize_with = "read")]
    pub(super) payments_per_second: Option<PerSecond>,
}

impl Values {
    /// What is set here, and where nothing is, what is set below.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(below.data_dir),
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
            store: self.store.or(below.store),
            store_file: self.store_file.or(below.store_file),
            redis_data_nodes: self.redis_data_nodes.or(below.redis_data_nodes),
            allow_volatile: self.allow_volatile || below.allow_volatile,
            ledger: below.ledger,
            ledger_file: below.ledger_file,
            payments: below.payments,
            provider_secret_file: below.provider_secret_file,
            payments_per_second: self.payments_per_second.or(below.payments_per_second),
        }
    }

    /// Takes out what is said of the merchant's keys.
    pub(super) fn take_keys(&mut self) -> Told {
        let keys = std::mem::take(&mut self.merchant_key);
        Told { keys: (!keys.is_empty()).then_some(keys), file: self.merchant_key_file.take() }
    }

    /// Where to listen, if that is set.
    pub(super) fn listen(&self) -> Option<SocketAddr> {
        self.listen.map(|Address(address)| address)
    }

    /// Where the metrics are at an address of their own, if that is set.
    pub(super) fn metrics_listen(&self) -> Option<SocketAddr> {
        self.metrics_listen.map(|Address(address)| address)
    }

    /// How connections are treated; and how many there may be, and why. Raises the limit on open
    /// files.
    pub(super) fn front(&self) -> anyhow::Result<(holdfast_front::Options, files::Connections)> {
        let mut options = holdfast_front::Options::default();
        if let Some(Count(listeners)) = self.listeners {
            options.listeners = usize::try_from(listeners)?;
        }
        if let Some(Count(backlog)) = self.listen_backlog {
            options.backlog = u16::try_from(backlog)?;
        }
        let wanted = self.connections.map(|Connections(wanted)| usize::try_from(wanted));
        let wanted = wanted.transpose()?;
        if let Some(wanted) = wanted {
            let least = options.listeners;
            ensure!(
                wanted >= least,
                "connections = {wanted} is too few: each of the {least} listeners needs one"
            );
        }
        let connections = files::connections(wanted);
        options.connections = connections.most();
        options.patience = self.patience()?;
        Ok((options, connections))
    }

    fn patience(&self) -> anyhow::Result<Option<Patience>> {
        let Patience { rush, standing } = Patience::default();
        let set = |value: Option<Milliseconds>, default| {
            value.map_or(default, |Milliseconds(ms)| Duration::from_millis(ms))
        };
        let (rush, standing) = (set(self.shed_rush_ms, rush), set(self.shed_standing_ms, standing));
        let is_in_order = !standing.is_zero() && standing <= rush || rush.is_zero();
        ensure!(
            is_in_order,
            "shed_standing_ms = {} must be at least 1, and no more than shed_rush_ms = {}",
            standing.as_millis(),
            rush.as_millis()
        );
        Ok((!rush.is_zero()).then_some(Patience { rush, standing }))
    }

    /// Who may ask how often.
    pub(super) fn limits(&self) -> LimitOptions {
        let default = LimitOptions::default();
        LimitOptions {
            buyer: self.limit_buyer.map_or(default.buyer, |Limit(rate)| rate),
            key: self.limit_key.map_or(default.key, |Limit(rate)| rate),
            network: self.limit_network.map_or(default.network, |Limit(rate)| rate),
            proxies: self.trusted_proxy.iter().map(|Network(network)| *network).collect(),
        }
    }

    /// How often the provider may be asked at each endpoint in a second.
    pub(super) fn payments_per_second(&self) -> NonZeroU32 {
        let set = self.payments_per_second.and_then(|PerSecond(set)| u32::try_from(set).ok());
        set.and_then(NonZeroU32::new).unwrap_or(PAYMENTS_PER_SECOND)
    }

    /// How many data nodes Redis has, if that is said.
    pub(super) fn redis_data_nodes(&self) -> anyhow::Result<Option<u32>> {
        let nodes = self.redis_data_nodes.map(|DataNodes(nodes)| u32::try_from(nodes));
        Ok(nodes.transpose()?)
    }

    /// How the journal is kept.
    pub(super) fn journal(&self) -> holdfast_store::journal::Options {
        let mut options = holdfast_store::journal::Options::default();
        if let Some(SegmentBytes(bytes)) = self.journal_segment_bytes {
            options.segment_bytes = bytes;
        }
        options
    }

    /// How the engine works.
    pub(super) fn engine(&self) -> holdfast_engine::Options {
        let mut options = holdfast_engine::Options::default();
        if let Some(Bytes(bytes)) = self.snapshot_bytes {
            options.snapshot_bytes = bytes;
        }
        options
    }
}

/// The first list that says anything.
fn first<T>(above: Vec<T>, below: Vec<T>) -> Vec<T> {
    if above.is_empty() { below } else { above }
}
