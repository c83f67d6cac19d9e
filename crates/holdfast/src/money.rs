//! The checkout of a server: the ledger, the provider, and what carries holds from one to the other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use holdfast_checkout::provider::simulated::{self, Bank, Client, ClientOptions, Webhooks, serve};
use holdfast_checkout::provider::{Provider, ProviderError};
use holdfast_checkout::{
    Live, MoneyAudit, Options, Saga, Service, StartError, Stopped, audit_money,
};
use holdfast_core::{ReceiptKey, SaleId};
use holdfast_engine::{Handle, Sales};
use holdfast_http::ProviderName;
use holdfast_ledger::{Ledger, SqlLedger};
use tokio::net::TcpListener;

use crate::folder::{Folder, random_hex};
use crate::settings::{LedgerPlace, Money, Payments, Settings, Store};
use crate::{ledger, provider};

/// The folder of the provider in this process, and the file of its secret.
const PROVIDER: &str = "provider";
const PROVIDER_SECRET: &str = "provider.secret";

/// A running checkout.
pub(crate) type Checkout = Service<Live<SqlLedger, Client>>;

/// Starts the checkout of a server that listens at `address`. Returns it with the secret that signs
/// the provider's webhooks.
pub(crate) fn start(
    settings: &Settings,
    folder: &Folder,
    address: SocketAddr,
    engine: Handle,
    receipts: ReceiptKey,
) -> anyhow::Result<(Checkout, String)> {
    let money = settings.money.clone();
    let secret = secret(&money, || folder.secret(PROVIDER_SECRET))?;
    let per_second = settings.payments_per_second;
    let url = format!("http://{}/v1/webhooks/simulated", reachable(address));
    let webhooks = Webhooks { url, secret: secret.clone() };
    let bank = simulated::Options {
        webhooks: Some(webhooks),
        // We keep to our budget; its own limit is for whoever does not.
        per_second: per_second.checked_add(per_second.get() / 4 + 1),
        ..simulated::Options::new(&secret)
    };
    let data_dir = folder.path()?;
    let is_embedded = matches!(settings.store, Store::Embedded);
    let make = async move || {
        let has_sold = engine.look(have_payments).await?;
        let ledger = ledger::open(&money.ledger, &data_dir, ledger::PATIENCE).await?;
        claim(&ledger, &money.ledger, &receipts.fingerprint(), has_sold).await?;
        if is_embedded && ledger.control().await?.is_some() {
            bail!(
                "the ledger ({}) has the orders of servers that share their sales over Redis: say \
                 --store redis://… as they do, or name another ledger",
                money.ledger
            );
        }
        if has_sold && money.payments == Payments::Simulated && !data_dir.join(PROVIDER).exists() {
            bail!(
                "{} is missing: the payments of this folder's orders are in it. Put it back from a \
                 backup, or name the provider that has them: --payments simulated=URL",
                data_dir.join(PROVIDER).display()
            );
        }
        let client = reach_provider(&money.payments, &data_dir, bank).await?;
        probe(&client, &money.payments).await?;
        let world = Live::new(engine, ledger, client);
        anyhow::Ok(Saga::new(world, receipts, per_second.get(), ProviderName::Simulated.as_str()))
    };
    let service = Service::start(make, Options::default()).map_err(|error| match error {
        StartError::Io(error) => anyhow!(error).context("start the checkout"),
        StartError::World(error) => error,
    });
    Ok((service?, secret))
}

/// Whether anybody has ever been at the checkout.
fn have_payments(sales: &Sales) -> bool {
    sales.after(None).any(|(_, sale, _)| sale.has_payments())
}

/// A ledger has the orders of one data folder: those of another would be taken for its own, and with
/// an empty one what was sold would be sold again.
async fn claim(
    ledger: &SqlLedger,
    place: &LedgerPlace,
    owner: &str,
    has_sold: bool,
) -> anyhow::Result<()> {
    match ledger.claim(owner, !has_sold).await?.as_deref() {
        Some(known) if known == owner => Ok(()),
        Some(_) => bail!(
            "the ledger ({place}) has the orders of another data folder, whose receipt.key is \
             another: give this one a ledger of its own (--ledger)"
        ),
        None => bail!(
            "the ledger ({place}) is empty, and this folder's sales have had payments: name the one \
             that has their orders (--ledger), or put it back from a backup"
        ),
    }
}

/// Whether the provider can be worked with. One that does not answer may come yet.
async fn probe(client: &Client, payments: &Payments) -> anyhow::Result<()> {
    match (client.list(None, 1).await, payments) {
        (Err(ProviderError::Broken(why)), Payments::SimulatedAt(url)) => {
            bail!("the provider at {url} cannot be worked with: {why}")
        }
        (Err(error), Payments::SimulatedAt(url)) => {
            tracing::warn!(%url, %error, "the provider does not answer: until it does, checkouts wait");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Holds the orders of a stopped server against its sales and its provider. Empty: it has never had
/// an order to take.
pub(crate) fn audit(
    money: &Money,
    data_dir: &Path,
    sales: Sales,
    receipts: &ReceiptKey,
) -> anyhow::Result<Vec<(SaleId, MoneyAudit)>> {
    let is_here = money.payments == Payments::Simulated;
    let has_file = |name: &str| data_dir.join(name).exists();
    let has_ledger = money.ledger != LedgerPlace::Sqlite || has_file(ledger::FILE);
    let has_provider = !is_here || (has_file(PROVIDER) && has_file(PROVIDER_SECRET));
    if !has_ledger || !has_provider {
        let missing = if has_ledger { PROVIDER } else { ledger::FILE };
        if have_payments(&sales) {
            let flag =
                if has_ledger { "--payments simulated=URL" } else { "--ledger postgres://…" };
            bail!(
                "{} has sold, and its {missing} is missing: put it back from a backup, or say where \
                 it is ({flag})",
                data_dir.display()
            );
        }
        return Ok(Vec::new());
    }
    let ids: Vec<SaleId> = sales.after(None).map(|(id, ..)| id).collect();
    let secret = secret(money, || {
        let path = data_dir.join(PROVIDER_SECRET);
        let text = std::fs::read_to_string(&path);
        Ok(text.with_context(|| format!("read {}", path.display()))?.trim().to_owned())
    })?;
    // A stopped server's provider may be asked as fast as it answers.
    let bank = simulated::Options { per_second: None, ..simulated::Options::new(&secret) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ledger = ledger::open(&money.ledger, data_dir, Duration::ZERO).await?;
        let client = reach_provider(&money.payments, data_dir, bank).await?;
        let world = Stopped::new(sales, ledger, client);
        let mut audits = Vec::new();
        for id in ids {
            let audit = audit_money(&world, receipts, id).await;
            let audit = audit.with_context(|| format!("audit the money of {id}"))?;
            audits.extend(audit.map(|audit| (id, audit)));
        }
        Ok(audits)
    })
}

/// The provider's secret: given, or made for the provider in this process.
fn secret(money: &Money, made: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
    let secret = match (&money.secret, &money.payments) {
        (Some(secret), _) => secret.clone(),
        (None, Payments::Simulated) => made()?,
        (None, Payments::SimulatedAt(url)) => bail!(
            "the provider at {url} wants its secret: set HOLDFAST_PROVIDER_SECRET, or \
             --provider-secret-file to the file that `holdfast provider` keeps it in"
        ),
    };
    provider::check_secret(&secret)?;
    Ok(secret)
}

/// Refuses what lacks the provider's secret, before anything is touched.
pub(crate) fn check(money: &Money) -> anyhow::Result<()> {
    secret(money, random_hex).map(drop)
}

/// A client of the provider. One in this process is run first, as the peer over HTTP that it is
/// elsewhere.
async fn reach_provider(
    payments: &Payments,
    data_dir: &Path,
    bank: simulated::Options,
) -> anyhow::Result<Client> {
    let secret = bank.secret.clone();
    let url = match payments {
        Payments::SimulatedAt(url) => url.clone(),
        Payments::Simulated => run_bank(&data_dir.join(PROVIDER), bank).await?,
    };
    Ok(Client::new(&url, &secret, ClientOptions::default())?)
}

/// Runs a bank on this runtime for as long as that lives. Returns where.
async fn run_bank(folder: &Path, options: simulated::Options) -> anyhow::Result<String> {
    let bank = Bank::open(folder, options)
        .with_context(|| format!("open the provider {}", folder.display()))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        if let Err(error) = serve(bank, listener, std::future::pending()).await {
            tracing::error!(%error, "the provider has ended");
        }
    });
    Ok(url)
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
