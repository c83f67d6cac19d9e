//! `holdfast provider`: a payment provider to test against, by itself.

mod secret;

pub(crate) use secret::check as check_secret;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use holdfast_checkout::provider::simulated::{Bank, FILE, Options, Webhooks, serve};
use holdfast_front::Stop;

use crate::folder::Folder;
use crate::listen;
use crate::output::say;
use crate::settings::Address;
use crate::signals;

/// What `--help` ends with.
pub(crate) const EXAMPLES: &str = r#"Examples:
  holdfast provider
      behaves well; in another terminal:
  export AUTH="Authorization: Bearer $(cat holdfast-provider/provider.secret)"
  curl -H "$AUTH" http://127.0.0.1:8090/payments \
      -d '{"reference":"mine-1","amount":4500,"currency":"EUR"}'
      authorises 45.00 EUR; then: POST /payments/mine-1/capture, cancel, refund
  curl -H "$AUTH" 'http://127.0.0.1:8090/payments?reference=mine-1'
      looks at it; without a reference: all payments, a hundred at a time
  curl -H "$AUTH" -X PUT http://127.0.0.1:8090/manners -d '{"decline":0.1,"lost":0.05}'
      from now on one in ten is declined, and one answer in twenty is lost
  holdfast provider --webhooks http://127.0.0.1:8080/v1/webhooks/simulated
      tells of each change there, signed with the secret

It keeps its payments in the data folder and forgets none when it is killed. SIGTERM stops it.
All of this is described in docs/provider.md."#;

/// The file in the data folder that has the secret, if none was given.
const SECRET_FILE: &str = "provider.secret";

/// Flags and environment of `provider`.
#[derive(clap::Args)]
pub(crate) struct ProviderArgs {
    /// Where to listen, an IP address and a port; port 0 takes a free one [default: 127.0.0.1:8090]
    #[arg(long, env = "HOLDFAST_PROVIDER_LISTEN", value_name = "IP:PORT")]
    listen: Option<Address>,

    /// Folder for its payments; no other provider can have it meanwhile
    #[arg(
        long,
        env = "HOLDFAST_PROVIDER_DATA_DIR",
        value_name = "FOLDER",
        default_value = "holdfast-provider"
    )]
    data_dir: PathBuf,

    #[arg(
        long,
        value_name = "KEY",
        conflicts_with = "secret_file",
        help = "What whoever asks must bring, and what webhooks are signed with: at least 16 visible \
                characters [default: one is made, and kept in the data folder as provider.secret] \
                [env: HOLDFAST_PROVIDER_SECRET=]"
    )]
    secret: Option<String>,

    #[arg(
        long,
        value_name = "FILE",
        help = "File with the secret in it [env: HOLDFAST_PROVIDER_SECRET_FILE=]"
    )]
    secret_file: Option<PathBuf>,

    /// Who is told of each change, an http address [default: nobody]
    #[arg(long, env = "HOLDFAST_PROVIDER_WEBHOOKS", value_name = "URL")]
    webhooks: Option<String>,

    #[arg(
        long,
        env = "HOLDFAST_PROVIDER_PER_SECOND",
        value_name = "CALLS",
        default_value = "25",
        help = "How often each of its endpoints may be asked, per second, by all servers together; \
                they ask as often as their --payments-per-second says"
    )]
    per_second: NonZeroU32,
}

/// The provider's secret, if the environment or a file has it.
pub(crate) fn given_secret(file: Option<PathBuf>) -> anyhow::Result<Option<String>> {
    secret::given(None, file, "--provider-secret-file")
}

/// Runs a provider until it is told to stop.
pub(crate) fn run(args: ProviderArgs) -> anyhow::Result<ExitCode> {
    let ProviderArgs { listen, data_dir, secret, secret_file, webhooks, per_second } = args;
    let given = secret::given(secret, secret_file, "--secret-file")?;
    let address = listen.map_or((Ipv4Addr::LOCALHOST, 8090).into(), |Address(address)| address);
    // First what can fail without a trace.
    let listener = TcpListener::bind(address);
    let listener = listener.map_err(|error| listen::refused(error, "--listen", address))?;
    let folder = Folder::open(&data_dir)?;
    let is_made = given.is_none();
    let secret = given.map_or_else(|| folder.secret(SECRET_FILE), Ok)?;
    secret::check(&secret).with_context(|| format!("{SECRET_FILE} in {}", data_dir.display()))?;
    let told = webhooks.clone();
    let webhooks = webhooks.map(|url| Webhooks { url, secret: secret.clone() });
    let options = Options { webhooks, per_second: Some(per_second), ..Options::new(secret) };
    let bank = Bank::open(&data_dir, options)?;
    let announcement = Announcement {
        address: listener.local_addr()?,
        payments: folder.file(FILE)?,
        secret: is_made.then(|| folder.file(SECRET_FILE)).transpose()?,
        webhooks: told,
        per_second,
    };
    say(&announcement.to_string())?;
    let stop = Stop::new();
    let told = stop.clone();
    signals::on_stop(move || told.stop())?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        serve(bank, listener, stop.given()).await?;
        anyhow::Ok(())
    })?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// What a provider says of itself when it starts.
struct Announcement {
    address: SocketAddr,
    payments: PathBuf,
    /// Which file has the secret; `None`: whoever gave it knows it.
    secret: Option<PathBuf>,
    webhooks: Option<String>,
    per_second: NonZeroU32,
}

impl fmt::Display for Announcement {
    /// The first line is the address: whoever started the provider may wait for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "listening on http://{}", self.address)?;
        let version = env!("CARGO_PKG_VERSION");
        writeln!(f, "holdfast {version}, a payment provider to test against: no money moves")?;
        writeln!(f, "  payments  {}", self.payments.display())?;
        match &self.secret {
            Some(file) => writeln!(f, "  secret    in {}", file.display())?,
            None => writeln!(f, "  secret    as was given")?,
        }
        writeln!(f, "  budget    {} calls a second at each endpoint", self.per_second)?;
        match &self.webhooks {
            Some(url) => writeln!(f, "  webhooks  to {url}, signed with the secret"),
            None => writeln!(f, "  webhooks  to nobody (--webhooks URL)"),
        }
    }
}
