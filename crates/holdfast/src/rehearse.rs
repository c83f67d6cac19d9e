//! `holdfast rehearse`: a crowd against a server, its own or one that is running.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use holdfast_rehearse::{Options, Phase, Progress, Report, Target};
use indicatif::{ProgressBar, ProgressStyle};

use crate::folder::random_hex;

/// Flags and environment of `rehearse`.
#[derive(clap::Args)]
pub(crate) struct RehearseArgs {
    /// Server to rehearse against; without it, one is started for the rehearsal
    #[arg(long, env = "HOLDFAST_TARGET", value_name = "URL", requires = "merchant_key")]
    target: Option<Target>,

    /// That server's merchant key
    #[arg(long, env = "HOLDFAST_MERCHANT_KEY", hide_env_values = true, value_name = "KEY")]
    merchant_key: Option<String>,

    /// Buyers, each on a connection of their own
    #[arg(long, default_value_t = 50_000)]
    buyers: u32,

    /// Time within which they come, such as 30s or 500ms; 0s: all at once
    #[arg(long, default_value = "30s", value_parser = duration)]
    over: Duration,

    /// Units in the sale
    #[arg(long, default_value_t = 5_000)]
    capacity: u32,

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
    let report = match (&args.target, &args.merchant_key) {
        (Some(target), Some(key)) => rehearse(args, target.clone(), key.clone())?,
        _ => {
            let server = Server::start()?;
            rehearse(args, server.address.parse()?, server.key.clone())?
        }
    };
    if let Some(path) = &args.json {
        let file = File::create(path).with_context(|| format!("write {}", path.display()))?;
        serde_json::to_writer_pretty(file, &report)
            .with_context(|| format!("write {}", path.display()))?;
    }
    println!("{}", report.render());
    Ok(if report.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn rehearse(args: &RehearseArgs, target: Target, key: String) -> anyhow::Result<Report> {
    let options = Options {
        buyers: args.buyers,
        over: args.over,
        capacity: args.capacity,
        seed: args.seed,
        ..Options::new(target, key)
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

/// A server for one rehearsal: a child process on a free port, with a folder that goes with it.
struct Server {
    child: Child,
    address: String,
    key: String,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for the server")?;
        let key = random_hex()?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path())
            .env("HOLDFAST_MERCHANT_KEY", &key)
            .stdout(Stdio::piped())
            .spawn()
            .context("start a server")?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.as_mut() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let Some(address) = line.trim().strip_prefix("listening on ").map(str::to_owned) else {
            let _ = child.kill();
            bail!("the server did not start");
        };
        Ok(Self { child, address, key, _folder: folder })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its folder goes too: there is nothing to drain for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number.parse::<f64>().map_err(|_| "must be as in 30s or 500ms".to_owned())?;
    Duration::try_from_secs_f64(seconds * unit).map_err(|error| error.to_string())
}
