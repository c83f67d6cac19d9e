//! `holdfast token`: signs a buyer's token, as the merchant's shop would.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use holdfast_core::BuyerId;

use crate::output::say;
use crate::secret_file;

/// Flags and environment of `token`.
#[derive(clap::Args)]
pub(crate) struct TokenArgs {
    /// Who the buyer is; 1 to 64 bytes
    #[arg(long, value_name = "ID")]
    buyer: String,

    /// File with the HS256 secret that the server was given with --buyer-key; of several, the
    /// first signs
    #[arg(
        long,
        env = "HOLDFAST_BUYER_KEY",
        value_delimiter = ',',
        value_name = "FILE",
        required = true
    )]
    buyer_key: Vec<PathBuf>,

    /// How long the token is good for
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    seconds: u64,
}

/// Prints the token.
pub(crate) fn run(args: &TokenArgs) -> anyhow::Result<ExitCode> {
    let file = args.buyer_key.first().context("--buyer-key names no file")?;
    let buyer = BuyerId::new(&args.buyer).context("--buyer")?;
    let lifetime = Duration::from_secs(args.seconds);
    let sign = |secret: &str| holdfast_http::sign_token(secret, &buyer, lifetime);
    let token = secret_file::take(file, "--buyer-key", sign)?;
    say(&token)?;
    Ok(ExitCode::SUCCESS)
}
