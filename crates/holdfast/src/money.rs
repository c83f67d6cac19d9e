//! The server's checkout: the ledger, the provider, and what carries holds from one to the other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::{Context, bail};
use holdfast_checkout::provider::simulated::{self, Bank, Client, ClientOptions, Webhooks, serve};
use holdfast_checkout::{Live, Options, Saga, Service};
use holdfast_core::ReceiptKey;
use holdfast_engine::Handle;
use holdfast_ledger::SqlLedger;
use tokio::net::TcpListener;

use crate::folder::Folder;
use crate::provider;
use crate::settings::{LedgerPlace, Payments, Settings};

/// The ledger's file in the data folder.
const LEDGER: &str = "ledger.sqlite";

/// The folder of the provider in this process, and the file of its secret.
const PROVIDER: &str = "provider";
const PROVIDER_SECRET: &str = "provider.secret";

/// Connections to PostgreSQL: few, for orders are written in batches.
const CONNECTIONS: u32 = 4;

/// A running checkout.
pub(crate) type Checkout = Service<Live<SqlLedger, Client>>;

/// What a checkout is made of.
struct Plan {
    ledger: LedgerPlace,
    ledger_file: PathBuf,
    /// Where the provider is; `None`: it is to be run here.
    provider: Option<String>,
    bank: PathBuf,
    secret: String,
    /// Where this server takes webhooks.
    webhooks: String,
    per_second: NonZeroU32,
}

/// Starts the checkout of a server that listens at `address`. Returns it with the secret that signs
/// the provider's webhooks.
pub(crate) fn start(
    settings: &Settings,
    folder: &Folder,
    address: SocketAddr,
    engine: Handle,
    receipts: ReceiptKey,
) -> anyhow::Result<(Checkout, String)> {
    let provider = match &settings.payments {
        Payments::Simulated => None,
        Payments::SimulatedAt(url) => Some(url.clone()),
    };
    let secret = match (&settings.provider_secret, &provider) {
        (Some(secret), _) => secret.clone(),
        (None, None) => folder.secret(PROVIDER_SECRET)?,
        (None, Some(url)) => bail!(
            "the provider at {url} wants its secret: set HOLDFAST_PROVIDER_SECRET, or \
             --provider-secret-file to the file that `holdfast provider` keeps it in"
        ),
    };
    provider::check_secret(&secret)?;
    let plan = Plan {
        ledger: settings.ledger.clone(),
        ledger_file: folder.file(LEDGER)?,
        provider,
        bank: folder.file(PROVIDER)?,
        secret: secret.clone(),
        webhooks: format!("http://{}/v1/webhooks/simulated", reachable(address)),
        per_second: settings.payments_per_second,
    };
    let make = async move || plan.make(engine, receipts).await;
    let service = Service::start(make, Options::default());
    Ok((service.map_err(|error| anyhow::anyhow!(error.to_string()))?, secret))
}

impl Plan {
    async fn make(
        self,
        engine: Handle,
        receipts: ReceiptKey,
    ) -> anyhow::Result<Saga<Live<SqlLedger, Client>>> {
        let ledger = self.ledger().await?;
        let url = match &self.provider {
            Some(url) => url.clone(),
            None => self.run_bank().await?,
        };
        let client = Client::new(&url, &self.secret, ClientOptions::default())?;
        let world = Live::new(engine, ledger, client);
        Ok(Saga::new(world, receipts, self.per_second.get(), "simulated"))
    }

    async fn ledger(&self) -> anyhow::Result<SqlLedger> {
        match &self.ledger {
            LedgerPlace::Sqlite => SqlLedger::sqlite(&self.ledger_file)
                .await
                .with_context(|| format!("open the ledger {}", self.ledger_file.display())),
            LedgerPlace::Postgres(url) => SqlLedger::postgres(url, CONNECTIONS)
                .await
                .with_context(|| format!("open the ledger at {}", self.ledger)),
        }
    }

    /// Runs the provider in this process, as the peer over HTTP that it is elsewhere. Returns where.
    async fn run_bank(&self) -> anyhow::Result<String> {
        let webhooks = Webhooks { url: self.webhooks.clone(), secret: self.secret.clone() };
        let options = simulated::Options {
            webhooks: Some(webhooks),
            per_second: Some(self.per_second),
            ..simulated::Options::new(&self.secret)
        };
        let bank = Bank::open(&self.bank, options)
            .with_context(|| format!("open the provider {}", self.bank.display()))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        tokio::spawn(async move {
            if let Err(error) = serve(bank, listener, std::future::pending()).await {
                tracing::error!(%error, "the provider has ended");
            }
        });
        Ok(url)
    }
}

/// An address of this machine at which a server that listens there is reached.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
