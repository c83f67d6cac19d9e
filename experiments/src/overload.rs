//! More load than the server can do, from clients that try again, and what is left afterwards.

use std::path::Path;

use anyhow::{Context, ensure};

use crate::rehearsal::{self, Bin, Report, Wave};
use crate::server::Server;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What the server may use of one core, in percent.
    #[arg(long, default_value_t = 20)]
    quota_percent: u32,
    /// How long the overload lasts, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// What the server can do, in buys a second; measured if it is not said.
    #[arg(long)]
    capacity: Option<f64>,
    /// How much of that is asked for.
    #[arg(long, value_delimiter = ',', default_value = "2,3")]
    times: Vec<f64>,
}

/// After the overload: what is asked for, of what the server can do.
const NORMAL: f64 = 0.5;
/// How soon after the overload all must be well again, and how long it is then watched.
const RECOVERY_SECONDS: u32 = 2;
const WATCHED_SECONDS: u32 = 8;
/// How soon an overload must have been found out, and what share of what the server can do must be
/// answered from then on.
const FOUND_OUT_SECONDS: u32 = 3;
const IN_OVERLOAD: f64 = 1.0 / 3.0;
/// Full goodput: so much of what is asked for is answered yes or no.
const FULL: f64 = 0.95;
/// Units: more than will be asked for, so that every answer is a decision.
const UNITS: u32 = 5_000_000;

/// Each multiple with shedding, and once without.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let program = holdfast_testkit::build::program("holdfast")?;
    let can = match options.capacity {
        Some(can) => can,
        None => measure(&program, options)?,
    };
    println!(
        "held to {} % of a core the server can do {can:.0} buys a second",
        options.quota_percent
    );
    let mut all_well = true;
    for &times in &options.times {
        let rehearsal = overload(&program, options, can, times, &[])?;
        let answered = from_found_out_on(&rehearsal, options.seconds);
        all_well &= show("sheds", times, &rehearsal)? && answered >= IN_OVERLOAD * can;
        println!(
            "  from {FOUND_OUT_SECONDS} s on {answered:.0}/s answered, {:.0} % of what it can do",
            answered / can * 100.0
        );
    }
    let most = options.times.iter().copied().fold(1.0, f64::max);
    let never = ["--shed-rush-ms", "0"].map(str::to_owned);
    let control = overload(&program, options, can, most, &never)?;
    let control_well = show("sheds nothing", most, &control)?;
    if control_well {
        println!("the control proves nothing: it recovered");
    }
    Ok(all_well && !control_well)
}

/// What it can do: as many as come out when there is always somebody who waits.
fn measure(program: &Path, options: &Options) -> anyhow::Result<f64> {
    let server = Server::start(program, &[])?.hold_to(options.quota_percent)?;
    let arguments = ["--arrivals", "20000 at once", "--connections", "128", "--patience", "60s"];
    let report = held(program, &server, &arguments.map(str::to_owned))?;
    Ok(report.crowd.won as f64 / (report.load.drained_ms / 1e3))
}

fn overload(
    program: &Path,
    options: &Options,
    can: f64,
    times: f64,
    more: &[String],
) -> anyhow::Result<Report> {
    let server = Server::start(program, more)?.hold_to(options.quota_percent)?;
    let (much, normal) = (can * times, can * NORMAL);
    let waves = format!(
        "poisson {much:.0}/s for {}s, poisson {normal:.0}/s for {RECOVERY_SECONDS}s, \
         poisson {normal:.0}/s for {WATCHED_SECONDS}s",
        options.seconds
    );
    let arguments = [
        "--arrivals",
        &waves,
        "--retries",
        "100%",
        "--tries",
        "3",
        "--answer-within",
        "2s",
        "--patience",
        "4s",
        "--allow-shed",
    ];
    held(program, &server, &arguments.map(str::to_owned))
}

fn held(program: &Path, server: &Server, arguments: &[String]) -> anyhow::Result<Report> {
    let units = ["--capacity".to_owned(), UNITS.to_string()];
    let report = rehearsal::hold(program, server, &[arguments, &units].concat())?;
    ensure!(report.verdict.broken.is_empty(), "a promise was broken: {:?}", report.verdict.broken);
    Ok(report)
}

/// Says how it went; whether all was well again in time.
fn show(name: &str, times: f64, report: &Report) -> anyhow::Result<bool> {
    println!(
        "{times} x, {name}: won {}, shed {}, unanswered {}",
        report.crowd.won, report.crowd.shed, report.crowd.unanswered
    );
    for (when, wave) in ["during", "the 2 s after", "then"].iter().zip(&report.waves) {
        let Wave { offered_per_second, answered_per_second, shed_per_second, latency_ms } = wave;
        let rate = |rate: &Option<f64>| rate.unwrap_or_default();
        let latency = latency_ms.as_ref();
        println!(
            "  {when:14} offered {:6.0}/s  answered {:6.0}/s  shed {:6.0}/s  p50 {:7.1} ms  p99 {:7.1} ms",
            rate(offered_per_second),
            rate(answered_per_second),
            rate(shed_per_second),
            latency.map_or(0.0, |it| it.p50),
            latency.map_or(0.0, |it| it.p99)
        );
    }
    say_when(report);
    if let Some(words) = &report.load.bottleneck_words {
        println!("  {words}");
    }
    let last = report.waves.last().context("a rehearsal has waves")?;
    let (asked, answered) = (last.offered_per_second, last.answered_per_second);
    Ok(answered.unwrap_or_default() >= FULL * asked.unwrap_or_default())
}

/// Answers a second from when the overload must have been found out until it ends.
fn from_found_out_on(report: &Report, seconds: u32) -> f64 {
    let from = f64::from(FOUND_OUT_SECONDS) * 1e3..f64::from(seconds) * 1e3;
    let bins = report.timeline.bins.iter().filter(|bin| from.contains(&bin.at_ms));
    let (bins, answered) = bins.fold((0, 0), |(bins, sum), bin| (bins + 1, sum + bin.won));
    answered as f64 / (f64::from(bins) * report.timeline.bin_ms / 1e3)
}

/// What happened, stretch by stretch.
fn say_when(report: &Report) {
    type Count = fn(&Bin) -> u64;
    let counts: [(&str, Count); 4] = [
        ("tries", |bin| bin.tries),
        ("answered", |bin| bin.won),
        ("shed", |bin| bin.shed),
        ("given up", |bin| bin.unanswered),
    ];
    println!("  per {:.0} ms:", report.timeline.bin_ms);
    for (name, count) in counts {
        let line: Vec<_> =
            report.timeline.bins.iter().map(|bin| format!("{:6}", count(bin))).collect();
        println!("  {name:9}{}", line.concat());
    }
}
