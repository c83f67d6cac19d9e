//! The design's rush: every buyer on a new connection, all within one second.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use holdfast_testkit::build::program;

use crate::rehearsal::{self, Percentiles, Report};
use crate::server::Server;

/// Connections that may wait at each listener.
const SOMAXCONN: &str = "65535";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Buyers, each on a new connection, within one second.
    #[arg(long, default_value_t = 50_000)]
    buyers: u32,
    /// Units in the sale.
    #[arg(long, default_value_t = 5_000)]
    capacity: u32,
    /// Rounds; in each, Holdfast and a bare handler have the same rush, one after the other.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Set when this runs in a network namespace of its own.
    #[arg(long, hide = true)]
    inside: bool,
}

/// Goal: how much longer than the bare handler's a rush may take.
const GOAL: f64 = 1.25;

/// Runs it in a network namespace of its own, where nobody else's connections are counted.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    if options.inside {
        return inside(options);
    }
    build()?;
    let mut command = Command::new("unshare");
    command.arg("--net").arg(std::env::current_exe()?).args(["rush", "--inside"]);
    command.args(["--buyers", &options.buyers.to_string()]);
    command.args(["--capacity", &options.capacity.to_string()]);
    command.args(["--rounds", &options.rounds.to_string()]);
    let status = command.status().context("run unshare, of util-linux, as root")?;
    Ok(status.success())
}

/// Holdfast, and the bare handler that is the floor beside it.
fn build() -> anyhow::Result<(PathBuf, PathBuf)> {
    Ok((program("holdfast")?, program("holdfast-bench")?))
}

fn inside(options: &Options) -> anyhow::Result<bool> {
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    ensure!(up.context("run ip, of iproute2")?.success(), "loopback could not be set up");
    // As on a machine that is set up for a rush: the whole of it fits into the accept queues.
    std::fs::write("/proc/sys/net/core/somaxconn", SOMAXCONN).context("set net.core.somaxconn")?;
    let (holdfast, bench) = build()?;
    let (mut own, mut bare) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        println!("round {round}: a listener a core, backlog 65535 (net.core.somaxconn)");
        own.push(rush(&holdfast, &Server::start(&holdfast, &[])?, options)?);
        println!("round {round}: the same listener, a bare handler");
        bare.push(rush(&holdfast, &Server::bare(&bench, options.capacity)?, options)?);
    }
    println!("one listener, backlog 128");
    let few = ["--listeners", "1", "--listen-backlog", "128"].map(str::to_owned);
    let naive = rush(&holdfast, &Server::start(&holdfast, &few)?, options)?;
    compare("time to drain", &own, &bare, |report| Some(report.load.drained_ms));
    compare("losers' p99.9", &own, &bare, |report| Some(report.losers_latency_ms.as_ref()?.p999));
    let held = own.iter().all(|own| own.ok && overflows(own) == 0 && own.crowd.shed == 0);
    let naive_overflowed = overflows(&naive) > 0;
    if !held {
        println!("the rush was not held");
    }
    if !naive_overflowed {
        println!("the control proves nothing: its backlog was never full");
    }
    Ok(held && naive_overflowed)
}

/// Says how many times the bare handler's figure ours is, by medians.
fn compare(what: &str, own: &[Report], bare: &[Report], of: impl Fn(&Report) -> Option<f64>) {
    let (own, bare) = (median(own.iter().filter_map(&of)), median(bare.iter().filter_map(&of)));
    if let (Some(own), Some(bare)) = (own, bare) {
        let times = own / bare;
        println!("{what}: {own:.0} ms, bare {bare:.0} ms, {times:.2} of it (goal {GOAL})");
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Sends the crowd, and says what came of it.
fn rush(crowd: &Path, server: &Server, options: &Options) -> anyhow::Result<Report> {
    let arguments = ["--over", "1s", "--buyers", &options.buyers.to_string(), "--capacity"];
    let mut arguments: Vec<_> = arguments.map(str::to_owned).into();
    arguments.push(options.capacity.to_string());
    let report = rehearsal::hold(crowd, server, &arguments)?;
    let Report { crowd, load, .. } = &report;
    println!(
        "  won {}, lost {}, shed {}, unanswered {}, {}",
        crowd.won,
        crowd.lost,
        crowd.shed,
        crowd.unanswered,
        verdict(&report, server)
    );
    println!(
        "  offered {:.0}/s, achieved {:.0}/s, the last answered after {:.2} s, accept-queue overflows {}",
        load.offered_per_second.unwrap_or_default(),
        load.achieved_per_second.unwrap_or_default(),
        load.drained_ms / 1e3,
        overflows(&report)
    );
    say("winners", report.winners_latency_ms.as_ref());
    say("losers", report.losers_latency_ms.as_ref());
    if let Some(words) = &load.bottleneck_words {
        println!("  {words}");
    }
    Ok(report)
}

/// What it broke; a bare handler promises nothing.
fn verdict(report: &Report, server: &Server) -> String {
    if server.is_bare() {
        return "no promises".into();
    }
    format!("promises broken {}", report.verdict.broken.len())
}

fn overflows(report: &Report) -> u64 {
    report.load.turned_away.as_ref().map_or(0, |away| away.listen_overflows)
}

fn say(who: &str, latency: Option<&Percentiles>) {
    if let Some(Percentiles { p50, p99, p999, max }) = latency {
        println!(
            "  {who:8} p50 {p50:7.1} ms  p99 {p99:7.1} ms  p99.9 {p999:7.1} ms  max {max:7.1} ms"
        );
    }
}
