//! What a server says of itself when it starts.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use holdfast_http::{LimitOptions, Rate};

use crate::settings::{Payments, Settings, Store};

/// What is true of a server that listens.
pub(crate) struct Announcement<'a> {
    pub(crate) address: SocketAddr,
    /// Where the metrics are, if they have an address of their own.
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) settings: &'a Settings,
    /// Whether the merchant's key was made just now, for nobody knows it then.
    pub(crate) made_key: bool,
}

impl fmt::Display for Announcement<'_> {
    /// The first line is the address: whoever started the server may wait for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { data_dir, file, connections, limits, merchant_keys, .. } = self.settings;
        writeln!(f, "listening on http://{}", self.address)?;
        let version = env!("CARGO_PKG_VERSION");
        writeln!(f, "holdfast {version}, plain HTTP: what others reach needs a proxy with TLS")?;
        writeln!(f, "  data         {}", whole(data_dir))?;
        if let Store::Redis(redis) = &self.settings.store {
            let (place, nodes) = (&redis.place, redis.data_nodes);
            let volatile = if redis.allow_volatile { ", which may forget" } else { "" };
            writeln!(f, "  store        {place}, {nodes} data nodes{volatile}")?;
        }
        match file {
            Some(file) => writeln!(f, "  settings     {}", whole(file))?,
            None => writeln!(f, "  settings     no file")?,
        }
        match self.metrics {
            Some(address) => writeln!(f, "  metrics      http://{address}/metrics, for anyone")?,
            None => writeln!(f, "  metrics      /metrics, for merchants")?,
        }
        writeln!(f, "  orders       {}", self.settings.money.ledger)?;
        let per_second = self.settings.payments_per_second;
        let whose = match &self.settings.money.payments {
            Payments::Simulated => String::new(),
            Payments::SimulatedAt(url) => format!(" by {url}"),
        };
        let rate = format!("{per_second}/s at each endpoint");
        writeln!(f, "  payments     SIMULATED{whose}: no money moves; {rate}")?;
        writeln!(f, "  connections  {connections}")?;
        writeln!(f, "  limits       {}", Limits(limits))?;
        if self.made_key {
            let key = &merchant_keys[0];
            writeln!(f, "merchant key, good until this server stops: {key}")?;
        }
        Ok(())
    }
}

/// A path that is good in every working directory, if there is one.
fn whole(path: &Path) -> String {
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string()
}

struct Limits<'a>(&'a LimitOptions);

impl fmt::Display for Limits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LimitOptions { buyer, key, network, proxies } = self.0;
        let rate =
            |rate: &Option<Rate>| rate.map_or_else(|| "off".to_owned(), |rate| rate.to_string());
        let (buyer, key, network) = (rate(buyer), rate(key), rate(network));
        write!(f, "a buyer {buyer}, a merchant key {key}, a network {network}")?;
        if !proxies.is_empty() {
            let proxies: Vec<_> = proxies.iter().map(ToString::to_string).collect();
            write!(f, "; behind {}", proxies.join(", "))?;
        }
        Ok(())
    }
}
