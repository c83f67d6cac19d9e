//! The design's rush: every buyer on a new connection, all within one second.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

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
    /// Set when this runs in a network namespace of its own.
    #[arg(long, hide = true)]
    inside: bool,
}

/// Runs it in a network namespace of its own, where nobody else's connections are counted.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    if options.inside {
        return inside(options);
    }
    holdfast_testkit::build::server()?;
    let mut command = Command::new("unshare");
    command.arg("--net").arg(std::env::current_exe()?).args(["rush", "--inside"]);
    command.args(["--buyers", &options.buyers.to_string()]);
    command.args(["--capacity", &options.capacity.to_string()]);
    let status = command.status().context("run unshare, of util-linux, as root")?;
    Ok(status.success())
}

fn inside(options: &Options) -> anyhow::Result<bool> {
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    ensure!(up.context("run ip, of iproute2")?.success(), "loopback could not be set up");
    // As on a machine that is set up for a rush: the whole of it fits into the accept queues.
    std::fs::write("/proc/sys/net/core/somaxconn", SOMAXCONN).context("set net.core.somaxconn")?;
    let program = holdfast_testkit::build::server()?;
    let own =
        rush(&program, options, "a listener a core, backlog 65535 (net.core.somaxconn)", &[])?;
    let few = ["--listeners", "1", "--listen-backlog", "128"].map(str::to_owned);
    let naive = rush(&program, options, "one listener, backlog 128", &few)?;
    let held = own.ok && overflows(&own) == 0 && own.crowd.shed == 0;
    let naive_overflowed = overflows(&naive) > 0;
    if !held {
        println!("the rush was not held");
    }
    if !naive_overflowed {
        println!("the control proves nothing: its backlog was never full");
    }
    Ok(held && naive_overflowed)
}

fn rush(program: &Path, options: &Options, name: &str, more: &[String]) -> anyhow::Result<Report> {
    let server = Server::start(program, more)?;
    let arguments = ["--over", "1s", "--buyers", &options.buyers.to_string(), "--capacity"];
    let mut arguments: Vec<_> = arguments.map(str::to_owned).into();
    arguments.push(options.capacity.to_string());
    let report = rehearsal::hold(program, &server, &arguments)?;
    let Report { crowd, load, verdict, .. } = &report;
    println!("{name}");
    println!(
        "  won {}, lost {}, shed {}, unanswered {}, promises broken {}",
        crowd.won,
        crowd.lost,
        crowd.shed,
        crowd.unanswered,
        verdict.broken.len()
    );
    println!(
        "  offered {:.0}/s, achieved {:.0}/s, the last answered after {:.2} s, accept-queue overflows {}",
        load.offered_per_second.unwrap_or_default(),
        load.achieved_per_second,
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
