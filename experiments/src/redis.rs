//! What happens to a sale when Redis is hurt: Holdfast and the naive design, on real servers.
//!
//! A [`design::Design`] is opened on three servers and their Sentinels, a crowd buys, a
//! [`fault::Fault`] is done to the servers, and what buyers were told is counted.

mod cluster;
mod crowd;
mod design;
mod expiries;
mod failover;
mod fault;
mod naive;
mod ours;
mod side;
mod table;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueEnum;
use holdfast_testkit::{Persistence, Program, RedisOptions, SentinelOptions, Trio};

use crowd::Crowd;
use design::{Design, Sale, Stage};
use fault::Fault;
use naive::{Naive, Safety};
use ours::Holdfast;
use table::{Left, Outcome, Row};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What is done to Redis.
    name: Name,
    /// Only one of the naive designs beside ours, the one as shipped.
    #[arg(long)]
    quick: bool,
    /// Folder in which the logs of Holdfast's nodes are written.
    #[arg(long)]
    logs: Option<PathBuf>,
    /// Writes the results here as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    #[command(flatten)]
    rehearsal: failover::Options,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Replication is cut at half the stock; the master dies, and Sentinel promotes a replica.
    Cut,
    /// The master stands still, is replaced, and goes on (SIGSTOP, SIGCONT).
    Split,
    /// kill -9 and an immediate restart, with snapshots as Debian's package makes them.
    Rdb,
    /// kill -9 and an immediate restart with its files gone.
    Empty,
    /// 5,000 holds expire among 500,000 other keys with a TTL.
    Expiries,
    /// The master's wall clock steps five minutes ahead (libfaketime; Redis 8.2).
    Clock,
    /// Each of these.
    All,
    /// A full rehearsal with payments over three nodes; the master is killed.
    Rehearsal,
}

const EACH: [Name; 6] =
    [Name::Cut, Name::Split, Name::Rdb, Name::Empty, Name::Expiries, Name::Clock];

/// Units in the sale, and how long one is held.
const SALE: Sale = Sale { units: 5_000, hold: Duration::from_secs(300) };

/// How long a server must be silent until Sentinels replace it; everything else of theirs is as
/// it is shipped.
const DOWN_AFTER: Duration = Duration::from_secs(2);

/// What Sentinels are set to.
fn sentinels() -> SentinelOptions {
    SentinelOptions { down_after: DOWN_AFTER, is_hurried: false, ..SentinelOptions::default() }
}

/// Whether ours has sold no unit twice and lost none. What comes of the others is printed.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let program = holdfast_testkit::build::program("holdfast")?;
    if let Some(logs) = &options.logs {
        std::fs::create_dir_all(logs)?;
    }
    let (logs, json) = (options.logs.as_deref(), options.json.as_deref());
    if options.name == Name::Rehearsal {
        return failover::run(&program, &options.rehearsal, logs, json);
    }
    let names = if options.name == Name::All { EACH.to_vec() } else { vec![options.name] };
    let (mut rows, mut is_well) = (Vec::new(), true);
    for name in names {
        for design in designs(name, options, &program) {
            let what = || format!("{} with {}", name.say(), design.name());
            let outcome = name.outcome(&*design).with_context(what)?;
            is_well &= !design.keeps_its_promises() || outcome.is_well();
            let row = Row { experiment: name.say(), design: design.name(), outcome };
            table::print(&row, rows.is_empty());
            rows.push(row);
        }
    }
    if let Some(file) = json {
        std::fs::write(file, serde_json::to_string_pretty(&rows)?)?;
    }
    if !is_well {
        println!("Holdfast has broken a promise");
    }
    Ok(is_well)
}

/// Who is put through it. Expiry has nothing to do with replication: one naive design is enough.
fn designs(name: Name, options: &Options, program: &Path) -> Vec<Box<dyn Design>> {
    let is_one_enough = options.quick || name == Name::Expiries;
    let safeties = &Safety::ALL[..if is_one_enough { 1 } else { Safety::ALL.len() }];
    let naive = safeties.iter().map(|&safety| Box::new(Naive(safety)) as Box<dyn Design>);
    let logs = options.logs.as_ref().map(|folder| folder.join(name.say()));
    let ours = Holdfast { program: program.to_owned(), logs };
    naive.chain([Box::new(ours) as Box<dyn Design>]).collect()
}

impl Name {
    fn say(self) -> String {
        self.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default()
    }

    fn fault(self) -> Option<Fault> {
        match self {
            Self::Cut => Some(Fault::Cut),
            Self::Split => Some(Fault::Split),
            Self::Rdb => Some(Fault::Restart { empty: false }),
            Self::Empty => Some(Fault::Restart { empty: true }),
            Self::Clock => Some(Fault::Clock),
            Self::Expiries | Self::All | Self::Rehearsal => None,
        }
    }

    fn outcome(self, design: &dyn Design) -> anyhow::Result<Outcome> {
        let persistence = match self {
            Self::Rdb => Persistence::Rdb,
            _ => Persistence::EverySecond,
        };
        let has_own_clock = self == Self::Clock;
        let program = if has_own_clock { Program::Redis8 } else { Program::Redis7 };
        let servers = RedisOptions { program, persistence, has_own_clock, ..Default::default() };
        let mut stage = Stage { trio: Trio::start(&design.servers(servers), &sentinels())? };
        match self.fault() {
            Some(fault) => hurt(design, &mut stage, fault),
            None => expiries::outcome(design, &stage),
        }
    }
}

/// A sale, and in the middle of it the fault.
fn hurt(design: &dyn Design, stage: &mut Stage, fault: Fault) -> anyhow::Result<Outcome> {
    let mut shop = design.start(stage, SALE)?;
    if fault == (Fault::Restart { empty: false }) {
        // The last snapshot, as the sale begins.
        stage.trio.servers[0].ask::<()>(&["SAVE"])?;
    }
    let crowd = Crowd::start(&mut *shop)?;
    crowd.await_told(SALE.units / 2)?;
    let begun = Instant::now();
    fault.happen(stage, &crowd, SALE.units)?;
    shop.after_the_fault()?;
    crowd.await_quiet()?;
    let told = crowd.end()?;
    let left = Left { known: shop.known(&told.buyers())?, free: shop.free()? };
    Ok(Outcome::of_a_fault(SALE, &told, begun, left))
}
