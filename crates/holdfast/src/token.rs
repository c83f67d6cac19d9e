//! `holdfast token`: signs a buyer's token, as the merchant's shop would.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use holdfast_core::BuyerId;

/// Flags and environment of `token`.
#[derive(clap::Args)]
pub(crate) struct TokenArgs {
    /// Who the buyer is; 1 to 64 bytes
    #[arg(long, value_name = "ID")]
    buyer: String,

    /// File with the HS256 secret that the server was given with --buyer-key
    #[arg(long, env = "HOLDFAST_BUYER_KEY", value_name = "FILE")]
    buyer_key: PathBuf,

    /// How long the token is good for
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    seconds: u64,
}

/// Prints the token.
pub(crate) fn run(args: &TokenArgs) -> anyhow::Result<ExitCode> {
    let path = args.buyer_key.display();
    let secret = std::fs::read_to_string(&args.buyer_key)
        .with_context(|| format!("read the buyers' key {path}"))?;
    anyhow::ensure!(
        !secret.trim_start().starts_with("-----BEGIN"),
        "{path} is a public key: only the shop that has its private key can sign"
    );
    let buyer = BuyerId::new(&args.buyer).context("--buyer")?;
    let lifetime = Duration::from_secs(args.seconds);
    let token = holdfast_http::sign_token(&secret, &buyer, lifetime).context("sign the token")?;
    println!("{token}");
    Ok(ExitCode::SUCCESS)
}
