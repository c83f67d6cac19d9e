//! A full rehearsal, with payments, over three nodes, and Redis' master killed in the middle.
#![expect(clippy::print_stdout, reason = "a command prints its result")]

use std::path::{Path, PathBuf};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use clap::ValueEnum;
use holdfast_testkit::{RedisOptions, Trio};
use serde::Serialize;
use serde_json::Value;

use super::cluster::{Cluster, Plan};
use super::side::{self, Side};
use crate::progress::{Talk, say};
use crate::rehearsal::{self, Report};

const NODES: usize = 3;
/// How long the crowd may take until it is where something is to happen.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long it has sold again when a node is killed too.
const SETTLED: Duration = Duration::from_millis(500);

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "The rehearsal")]
#[group(id = "rehearsal")]
pub(super) struct Options {
    /// Who is killed.
    #[arg(long, value_enum, default_value_t = Kill::Master)]
    kill: Kill,
    /// When.
    #[arg(long, value_enum, default_value_t = Moment::Stock)]
    when: Moment,
    /// Buyers.
    #[arg(long, default_value_t = 20_000)]
    buyers: u32,
    /// Seconds within which they come.
    #[arg(long, default_value_t = 20)]
    over_seconds: u32,
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Kill {
    /// Redis' master.
    Master,
    /// Redis' master, and one of the three nodes as soon as something is sold again.
    Node,
}

/// When somebody is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Moment {
    /// Half the stock is held.
    Stock,
    /// A tenth of the stock is paid for, and payments are under way.
    Payments,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Outcome {
    experiment: &'static str,
    kill: Kill,
    when: Moment,
    ok: bool,
    /// Why it is not.
    why_not_ok: Vec<String>,
    units: u32,
    won: u64,
    lost: u64,
    refused: u64,
    unanswered: u64,
    paid: u64,
    epochs: [u64; 2],
    /// From the kill on: the longest time in which no node sold anything, and in which each did not.
    seconds_without_sales: f64,
    seconds_without_sales_at_each_node: Vec<f64>,
    /// Units that were sold beside the crowd to measure that, and those of them that are not known
    /// any more.
    sold_beside: usize,
    lost_beside: usize,
}

/// Whether every promise was kept.
pub(super) fn run(
    program: &Path,
    units: u32,
    options: &Options,
    logs: Option<&Path>,
    json: Option<&Path>,
) -> anyhow::Result<bool> {
    let mut trio = Trio::start(&RedisOptions::default(), &super::sentinels())?;
    let logs = logs.map(|folder| folder.join("rehearsal"));
    let mut cluster = Cluster::start(&Plan { program, nodes: NODES, logs }, &trio)?;
    say(format_args!("{NODES} nodes sell; the crowd comes"));
    let begun = cluster.epoch()?;
    let side = Side::start(&cluster)?;
    let crowd = send(program, units, options, &cluster);
    let sale = await_moment(&cluster, units, options, &crowd)?;
    let fault = Instant::now();
    trio.servers[0].kill();
    say("Redis' master is dead");
    trio.await_other_master(0)?;
    side.await_sold_after(fault)?;
    say("something is sold again");
    if options.kill == Kill::Node {
        sleep(SETTLED);
        cluster.kill(NODES - 1)?;
        say(format_args!("node {} is dead", NODES - 1));
    }
    accompany(&cluster, &sale, &crowd);
    let report = crowd.join().map_err(|_| anyhow!("the crowd has panicked"))??;
    let sold = side.end()?;
    let pause = |of: &[side::Sold]| side::longest_pause(of, fault).as_secs_f64();
    let outcome = Outcome {
        experiment: "rehearsal",
        kill: options.kill,
        when: options.when,
        ok: false,
        why_not_ok: Vec::new(),
        units,
        won: report.crowd.won,
        lost: report.crowd.lost,
        refused: report.crowd.refused,
        unanswered: report.crowd.unanswered,
        paid: report.money.as_ref().map_or(0, |money| money.paid),
        epochs: [begun, cluster.epoch()?],
        seconds_without_sales: side::longest_pause(sold.iter().flatten(), fault).as_secs_f64(),
        seconds_without_sales_at_each_node: sold.iter().map(|of| pause(of)).collect(),
        sold_beside: sold.iter().flatten().count(),
        lost_beside: side::lost(&cluster, &sold)?,
    };
    let outcome = judged(outcome, report);
    print(&outcome);
    super::write(json, &outcome)?;
    Ok(outcome.ok)
}

/// Sends the crowd to all nodes.
fn send(
    program: &Path,
    units: u32,
    options: &Options,
    cluster: &Cluster,
) -> JoinHandle<anyhow::Result<Report>> {
    let urls: Vec<_> = cluster.addresses().iter().map(|it| format!("http://{it}")).collect();
    let mut arguments = vec![
        format!("--buyers={}", options.buyers),
        format!("--over={}s", options.over_seconds),
        format!("--capacity={units}"),
    ];
    if options.kill == Kill::Node {
        // Whoever is at a node that dies goes to another and asks again.
        arguments.extend(["--retries=100%", "--tries=6"].map(str::to_owned));
    }
    let (program, target) = (program.to_owned(), urls.join(","));
    let secret: PathBuf = cluster.buyer_secret();
    std::thread::spawn(move || rehearsal::hold_at(&program, &target, &secret, &arguments))
}

/// Waits until the crowd is where something is to happen; the name of its sale.
fn await_moment(
    cluster: &Cluster,
    units: u32,
    options: &Options,
    crowd: &JoinHandle<anyhow::Result<Report>>,
) -> anyhow::Result<String> {
    let (begun, mut talk) = (Instant::now(), Talk::new());
    loop {
        ensure!(!crowd.is_finished(), "the rehearsal was over before anything could happen");
        ensure!(begun.elapsed() < PATIENCE, "the crowd does not get there");
        let sales = cluster.ask("GET", "/v1/sales", &Value::Null)?;
        let sales = sales.body["items"].as_array().context("a list of sales")?.clone();
        let is_it = |sale: &&Value| sale["tiers"][0]["capacity"] == units;
        if let Some(sale) = sales.iter().find(is_it) {
            let name = sale["id"].as_str().context("a sale's name")?;
            let reached = match options.when {
                Moment::Stock => cluster.count(name, "held")? >= units / 2,
                Moment::Payments => cluster.count(name, "sold")? >= units / 10,
            };
            if reached {
                return Ok(name.to_owned());
            }
            talk.say(|| so_far(cluster, name));
        }
        sleep(Duration::from_millis(20));
    }
}

/// Says how far the crowd is, until it has gone.
fn accompany(cluster: &Cluster, sale: &str, crowd: &JoinHandle<anyhow::Result<Report>>) {
    let mut talk = Talk::new();
    while !crowd.is_finished() {
        talk.say(|| so_far(cluster, sale));
        sleep(Duration::from_millis(20));
    }
}

/// How far the sale is.
fn so_far(cluster: &Cluster, sale: &str) -> String {
    let count = |what| cluster.count(sale, what).map_or("?".into(), |count| count.to_string());
    format!("{} units held, {} paid for", count("held"), count("sold"))
}

/// Says whether it is as it should be.
fn judged(outcome: Outcome, report: Report) -> Outcome {
    let mut why = report.why_not_ok;
    if !report.ok && why.is_empty() {
        why.push("the rehearsal was not OK".into());
    }
    if let Some(money) = report.money {
        let told = money.refused_by_answer.into_iter().chain(money.unclear_by_reason);
        why.extend(told.map(|(told, buyers)| format!("{buyers} at the checkout: {told}")));
    }
    if outcome.lost_beside > 0 {
        why.push("units that were sold beside the crowd are not known any more".into());
    }
    // Else nothing was tried.
    if outcome.epochs[1] <= outcome.epochs[0] {
        why.push("no other epoch began: there was no failover".into());
    }
    Outcome { ok: why.is_empty(), why_not_ok: why, ..outcome }
}

fn print(outcome: &Outcome) {
    let Outcome { won, lost, refused, unanswered, paid, units, .. } = outcome;
    println!("won {won} of {units}, lost {lost}, refused {refused}, unanswered {unanswered}");
    println!("paid {paid}");
    println!("epochs {} to {}", outcome.epochs[0], outcome.epochs[1]);
    let each: Vec<_> =
        outcome.seconds_without_sales_at_each_node.iter().map(|it| format!("{it:.2}")).collect();
    println!(
        "without sales {:.2} s; at each node {} s ({} sold beside the crowd, {} of them lost)",
        outcome.seconds_without_sales,
        each.join(", "),
        outcome.sold_beside,
        outcome.lost_beside
    );
    match &*outcome.why_not_ok {
        [] => println!("OK: every promise was kept"),
        why => println!("NOT OK: {}", why.join("; ")),
    }
}
