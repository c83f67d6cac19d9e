//! `holdfast rehearse`: a crowd against a server, its own or one that is running.

mod duration;
mod server;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use holdfast_rehearse::{Options, Phase, Progress, Report, Stop, Target};
use indicatif::{ProgressBar, ProgressStyle};
use server::Server;

use crate::output::say;
use crate::settings::{Told, decide_keys};
use crate::signals;

/// Flags and environment of `rehearse`.
#[derive(clap::Args)]
pub(crate) struct RehearseArgs {
    /// Server to rehearse against; without it, one is started for the rehearsal
    #[arg(long, env = "HOLDFAST_TARGET", value_name = "URL")]
    target: Option<Target>,

    /// That server's merchant key. In the environment: `HOLDFAST_MERCHANT_KEY`
    #[arg(long, value_name = "KEY", requires = "target")]
    merchant_key: Option<String>,

    /// File that has that server's merchant key. In the environment: `HOLDFAST_MERCHANT_KEY_FILE`
    #[arg(long, value_name = "FILE", requires = "target")]
    merchant_key_file: Option<PathBuf>,

    /// File with the HS256 secret that the target was given with --buyer-key: buyers then come
    /// with tokens of their own, and not with the merchant's key. A server that is started for
    /// the rehearsal gets one by itself
    #[arg(long, value_name = "FILE", requires = "target")]
    buyer_secret: Option<PathBuf>,

    /// Buyers, each on a connection of their own
    #[arg(long, default_value_t = 50_000)]
    buyers: u32,

    /// Time within which they come, such as 30s, 500ms or 1m; 0s: all at once
    #[arg(long, default_value = "30s", value_parser = duration::parse)]
    over: Duration,

    /// Units in the sale
    #[arg(long, default_value_t = 5_000)]
    capacity: u32,

    /// How long a hold lasts, in seconds; longer than the rehearsal, so that none runs out in it
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    hold_seconds: u32,

    /// Connections that are open at a time [default: 8000, or what `ulimit -n` allows]
    #[arg(long, value_name = "COUNT")]
    connections: Option<usize>,

    /// Threads that play buyers [default: half the cores]
    #[arg(long, value_name = "COUNT")]
    threads: Option<usize>,

    /// Draws the buyers' moments
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Also write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Holds the rehearsal and prints its report; fails if a promise was broken or a buyer was left
/// without an answer.
pub(crate) fn run(args: &RehearseArgs) -> anyhow::Result<ExitCode> {
    let stop = Stop::new();
    let told = stop.clone();
    signals::on_stop(move || told.stop())?;
    // Opened first: a report that cannot be written should not cost a rehearsal.
    let json = args.json.as_deref().map(create).transpose()?;
    // However this function is left, an own server ends and its folder goes.
    let (own, options) = match &args.target {
        Some(target) => {
            let options = Options::new(target.clone(), args.merchant_key()?);
            (None, Options { buyer_secret: args.buyer_secret()?, ..options })
        }
        None => {
            let server = Server::start()?;
            let options = Options::new(server.address.parse()?, server.merchant_key.clone());
            let buyer_secret = Some(server.buyer_secret.clone());
            (Some(server), Options { buyer_secret, ..options })
        }
    };
    let report = rehearse(args, Options { stop, ..options })?;
    say(&report.render())?;
    if let Some((mut file, path)) = json {
        let written = serde_json::to_writer_pretty(&mut file, &report)
            .map_err(anyhow::Error::from)
            .and_then(|()| Ok(writeln!(file)?));
        written.with_context(|| format!("write {}", path.display()))?;
    }
    own.map_or(Ok(()), Server::end)?;
    Ok(if report.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn create(path: &Path) -> anyhow::Result<(File, &Path)> {
    let file = File::create(path).with_context(|| format!("write {}", path.display()))?;
    Ok((file, path))
}

impl RehearseArgs {
    fn merchant_key(&self) -> anyhow::Result<String> {
        let keys = self.merchant_key.clone().map(|key| vec![key]);
        let by_flag = Told { keys, file: self.merchant_key_file.clone() };
        let keys = decide_keys([by_flag, Told::by_environment()])?;
        let first = keys.into_iter().next();
        first.context("--target needs that server's merchant key: --merchant-key KEY")
    }

    fn buyer_secret(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(path) = &self.buyer_secret else { return Ok(None) };
        let doing = || format!("the buyers' secret {}", path.display());
        let secret = std::fs::read_to_string(path).with_context(doing)?;
        Ok(Some(holdfast_http::hs256_secret(&secret).with_context(doing)?.to_vec()))
    }
}

fn rehearse(args: &RehearseArgs, options: Options) -> anyhow::Result<Report> {
    let options = Options {
        buyers: args.buyers,
        over: args.over,
        capacity: args.capacity,
        hold_seconds: args.hold_seconds,
        seed: args.seed,
        connections: args.connections.unwrap_or(options.connections),
        threads: args.threads.unwrap_or(options.threads),
        ..options
    };
    let bar = ProgressBar::new(u64::from(args.buyers));
    bar.set_style(ProgressStyle::with_template("{msg:9} {wide_bar} {pos}/{len} {elapsed}")?);
    let report = holdfast_rehearse::run(&options, |progress| show(&bar, progress));
    bar.finish_and_clear();
    Ok(report?)
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_message(match progress.phase {
        Phase::Opening => "opening",
        Phase::Rush => "rush",
        Phase::Verdict => "verdict",
        Phase::Closing => "closing",
    });
    let answered = progress.won + progress.lost + progress.refused + progress.unanswered;
    bar.set_position(u64::from(answered));
}
