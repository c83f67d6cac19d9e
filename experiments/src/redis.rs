//! What happens to a sale when Redis is hurt: the naive design, on real servers.
//!
//! A [`design::Design`] is opened on three servers and their Sentinels, a crowd buys, a
//! [`fault::Fault`] is done to the servers, and what buyers were told is counted.

mod crowd;
mod design;
mod expiries;
mod fault;
mod naive;
mod table;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueEnum;
use holdfast_testkit::{Persistence, Program, RedisOptions, SentinelOptions, Trio};

use crowd::Crowd;
use design::{Design, Sale, Stage};
use fault::Fault;
use naive::{Naive, Safety};
use table::{Outcome, Row};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What is done to Redis.
    name: Name,
    /// Writes the results here as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
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
}

const EACH: [Name; 6] =
    [Name::Cut, Name::Split, Name::Rdb, Name::Empty, Name::Expiries, Name::Clock];

/// Units in the sale, and how long one is held.
const SALE: Sale = Sale { units: 5_000, hold: Duration::from_secs(300) };

/// How long a server must be silent until Sentinels replace it; everything else of theirs is as
/// it is shipped.
const DOWN_AFTER: Duration = Duration::from_secs(2);

/// Fails only if an experiment could not be made: what comes of it is printed.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let names = if options.name == Name::All { EACH.to_vec() } else { vec![options.name] };
    let mut rows = Vec::new();
    for name in names {
        for design in designs(name) {
            let what = || format!("{} with {}", name.say(), design.name());
            let outcome = name.outcome(&*design).with_context(what)?;
            let row = Row { experiment: name.say(), design: design.name(), outcome };
            table::print(&row, rows.is_empty());
            rows.push(row);
        }
    }
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}

/// Who is put through it. Expiry has nothing to do with replication: one is enough.
fn designs(name: Name) -> Vec<Box<dyn Design>> {
    let safeties = match name {
        Name::Expiries => &Safety::ALL[..1],
        _ => &Safety::ALL[..],
    };
    safeties.iter().map(|&safety| Box::new(Naive(safety)) as Box<dyn Design>).collect()
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
            Self::Expiries | Self::All => None,
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
        let sentinels = SentinelOptions {
            down_after: DOWN_AFTER,
            is_hurried: false,
            ..SentinelOptions::default()
        };
        let mut stage = Stage { trio: Trio::start(&design.servers(servers), &sentinels)? };
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
    let known = shop.known(&told.buyers())?;
    Ok(Outcome::of_a_fault(SALE, &told, begun, known))
}
