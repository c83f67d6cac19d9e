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
use holdfast_testkit::{Persistence, Postgres, Program, RedisOptions, SentinelOptions, Trio};

use crowd::Crowd;
use design::{Design, Sale, Stage};
use fault::Fault;
use naive::{Naive, Safety};
use ours::Holdfast;
use table::{Left, Outcome, Row};

use crate::progress::say;

/// What `--help` ends with.
pub(crate) const HELP: &str = "\
It starts what it needs by itself: Redis with Sentinels, PostgreSQL, a payment provider, Holdfast (built first).
  apt-get install redis-server postgresql faketime && crates/holdfast-testkit/install-redis
A row is what buyers were told: how many that a unit is theirs, how many of those are too many (oversold) or not known
any more (lost), how many units nobody got (unsold), who heard neither yes nor no, and for how long nobody got a unit.
It exits 0 only if Holdfast has sold no unit twice, lost none and left none unsold. The naive design's rows are there to
be compared with: that it sells too many is what the experiment can see. It says how far it is on standard error.

Examples:
  holdfast-experiments redis empty --quick
      the naive design and Holdfast, on a master that comes back without its files: a quarter of a minute
  holdfast-experiments redis all --json results.json
      everything but the rehearsal, with every setting of the naive design: four minutes
  holdfast-experiments redis rehearsal --kill node --when payments --logs logs
      a sale with payments over three nodes; Redis' master and a node are killed, and what the nodes say is kept
What came of it, and what it means: docs/experiments-redis.md";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What is done to Redis.
    name: Name,
    /// Only one of the naive designs beside ours, the one as shipped.
    #[arg(long)]
    quick: bool,
    /// Units in the sale. The experiments' buyers are 5,000 a second.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    units: u32,
    /// Folder in which the logs of Holdfast's nodes are written.
    #[arg(long)]
    logs: Option<PathBuf>,
    /// File in which the results are written as JSON.
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

/// How long a unit is held, where it shall not end.
const HOLD: Duration = Duration::from_secs(300);

/// How long a server must be silent until Sentinels replace it; everything else of theirs is as
/// it is shipped.
const DOWN_AFTER: Duration = Duration::from_secs(2);

/// What Sentinels are set to.
fn sentinels() -> SentinelOptions {
    SentinelOptions { down_after: DOWN_AFTER, is_hurried: false, ..SentinelOptions::default() }
}

/// Whether ours has sold no unit twice and lost none. What comes of the others is printed.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let names = if options.name == Name::All { EACH.to_vec() } else { vec![options.name] };
    // What is missing, or cannot be written, is said now, and not after minutes.
    names.iter().try_for_each(|name| name.need())?;
    if let Some(logs) = &options.logs {
        let why = || format!("make the folder for logs {}", logs.display());
        std::fs::create_dir_all(logs).with_context(why)?;
    }
    let (logs, json) = (options.logs.as_deref(), options.json.as_deref());
    let (mut rows, mut is_well) = (Vec::<Row>::new(), true);
    write(json, &rows)?;
    say("Holdfast is built, if it has changed");
    let program = holdfast_testkit::build::program("holdfast")?;
    if options.name == Name::Rehearsal {
        return failover::run(&program, options.units, &options.rehearsal, logs, json);
    }
    for name in names {
        for design in designs(name, options, &program) {
            let what = || format!("{} with {}", name.say(), design.name());
            say(what());
            let outcome = name.outcome(&*design, options.units).with_context(what)?;
            is_well &= !design.keeps_its_promises() || outcome.is_well();
            let row = Row { experiment: name.say(), design: design.name(), outcome };
            table::print(&row, rows.is_empty());
            rows.push(row);
            write(json, &rows)?;
        }
    }
    if !is_well {
        println!("Holdfast has broken a promise");
    }
    Ok(is_well)
}

/// Writes what came of it, if that is asked for.
fn write(json: Option<&Path>, what: &impl serde::Serialize) -> anyhow::Result<()> {
    let Some(file) = json else { return Ok(()) };
    let text = serde_json::to_string_pretty(what)?;
    std::fs::write(file, text).with_context(|| format!("write {}", file.display()))
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

    /// Whether everything that is started is there; if not, says how to get it.
    fn need(self) -> anyhow::Result<()> {
        // Sentinels are Debian's in any case.
        Program::Redis7.path()?;
        self.program().path()?;
        if self == Self::Clock {
            holdfast_testkit::libfaketime()?;
        }
        Postgres::programs().map(drop)
    }

    fn program(self) -> Program {
        if self == Self::Clock { Program::Redis8 } else { Program::Redis7 }
    }

    fn outcome(self, design: &dyn Design, units: u32) -> anyhow::Result<Outcome> {
        let persistence = match self {
            Self::Rdb => Persistence::Rdb,
            _ => Persistence::EverySecond,
        };
        let has_own_clock = self == Self::Clock;
        let program = self.program();
        let servers = RedisOptions { program, persistence, has_own_clock, ..Default::default() };
        let mut stage = Stage { trio: Trio::start(&design.servers(servers), &sentinels())? };
        match self.fault() {
            Some(fault) => hurt(design, &mut stage, units, fault),
            None => expiries::outcome(design, &stage, units),
        }
    }
}

/// A sale, and in the middle of it the fault.
fn hurt(
    design: &dyn Design,
    stage: &mut Stage,
    units: u32,
    fault: Fault,
) -> anyhow::Result<Outcome> {
    let sale = Sale { units, hold: HOLD };
    let mut shop = design.start(stage, sale)?;
    if fault == (Fault::Restart { empty: false }) {
        // The last snapshot, as the sale begins.
        stage.trio.servers[0].ask::<()>(&["SAVE"])?;
    }
    let crowd = Crowd::start(&mut *shop)?;
    crowd.await_told(units / 2)?;
    say(format_args!("  {} hold a unit: now", crowd.held()));
    let begun = Instant::now();
    fault.happen(stage, &crowd, units)?;
    shop.after_the_fault()?;
    say(format_args!("  it is over; {} hold a unit", crowd.held()));
    crowd.await_quiet()?;
    let told = crowd.end()?;
    say(format_args!("  nobody gets a unit any more; {} hold one", told.held.len()));
    let left = Left { known: shop.known(&told.buyers())?, free: shop.free()? };
    Ok(Outcome::of_a_fault(sale, &told, begun, left))
}
