//! A seeded story at the level of the store: nodes append and read, everything fails, and what was
//! confirmed must be there in the end, once, where it was confirmed.

mod checks;

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_store::redis::RedisStore;
use holdfast_store::{Batch, LogId, LogInfo, Store, StoreError};

use super::clock::{Clocks, Sample};
use super::world::World;
use super::{Cluster, Fault, pack};
use crate::rng::Rng;
use checks::Book;

/// What a story has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries that were confirmed.
    pub confirmed: usize,
    /// Entries of which nobody could say.
    pub unknown: usize,
    /// Calls that were refused.
    pub refused: usize,
    /// Faults by their names.
    pub faults: BTreeMap<&'static str, usize>,
    /// Epochs that there were.
    pub epochs: u32,
    /// Logs that were opened with a doubt.
    pub doubts: usize,
    /// Confirmed entries that were lost within a doubt.
    pub lost: usize,
    /// Snapshots that were made.
    pub snapshots: usize,
    /// Bytes that nodes dropped for them.
    pub trimmed: u64,
    /// Nobody was left who knew the sales, and Redis did not: nothing is sold until a person helps.
    pub lost_for_good: bool,
}

impl Report {
    /// Adds what another story has shown; in any order the sum is the same.
    pub fn add(&mut self, other: &Self) {
        self.confirmed += other.confirmed;
        self.unknown += other.unknown;
        self.refused += other.refused;
        self.epochs += other.epochs;
        self.doubts += other.doubts;
        self.lost += other.lost;
        self.snapshots += other.snapshots;
        self.trimmed += other.trimmed;
        self.lost_for_good |= other.lost_for_good;
        for (name, count) in &other.faults {
            *self.faults.entry(name).or_default() += count;
        }
    }
}

/// A promise that was broken, in words.
pub type Breach = String;

/// How a node says so.
const LOST_FOR_GOOD: &str = "Redis has lost what it had";

/// How long everything has to come to rest, once nothing fails any more.
const REST: Duration = Duration::from_secs(60);

/// A story under way.
struct Story {
    world: World<RedisStore>,
    book: Book,
    clocks: Clocks,
    /// When they were last looked at.
    watched_at: Duration,
    /// In how many of a hundred steps a snapshot is made.
    keeps: u64,
    report: Report,
}

/// Tells the story of a seed, with these faults; in so many steps.
///
/// # Errors
/// The first promise that was broken.
pub fn tell(seed: u64, faults: &[Fault], steps: usize) -> Result<Report, Breach> {
    let mut rng = Rng::new(seed);
    let servers = draw_servers(&mut rng);
    let nodes = rng.index(4) + 1;
    let keeps = if rng.percent(50) { rng.between(1, 15) } else { 0 };
    let world = World::new(rng, Cluster::new(servers), faults);
    let (book, clocks, report) = (Book::default(), Clocks::default(), Report::default());
    let mut story = Story { world, book, clocks, watched_at: Duration::ZERO, keeps, report };
    story.begin(nodes)?;
    for _ in 0..steps {
        story.step()?;
    }
    story.rest()?;
    Ok(Report { faults: story.world.struck, ..story.report })
}

/// How many data nodes there are.
pub(super) fn draw_servers(rng: &mut Rng) -> u32 {
    match rng.below(100) {
        0..25 => 1,
        25..85 => 3,
        _ => 5,
    }
}

impl Story {
    fn begin(&mut self, nodes: usize) -> Result<(), Breach> {
        for _ in 0..nodes {
            let joined = self.world.cluster.join(Duration::from_secs(30));
            joined.map_err(|error| format!("a node cannot join where nothing fails: {error}"))?;
        }
        for name in ["first", "second"] {
            let created = self.world.cluster.node(0).create(name);
            let log = created.map_err(|error| format!("no log can be made: {error}"))?;
            self.book.logs.push(log);
        }
        self.world.cluster.live(Duration::from_millis(300));
        Ok(())
    }

    fn step(&mut self) -> Result<(), Breach> {
        self.world.pass();
        let Some(node) = self.world.some_node() else { return Ok(()) };
        if self.world.rng.percent(30) {
            let _ = self.world.cluster.node(node).news();
        }
        let logs = self.book.logs.clone();
        let log = *self.world.rng.pick(&logs).ok_or("there are no logs")?;
        if self.world.rng.percent(self.keeps) {
            self.keep(node, log);
        }
        self.call(node, log)
    }

    /// A node makes a snapshot of a log, and mostly drops what two of them stand for.
    fn keep(&mut self, node: usize, log: LogId) {
        let entries = self.world.cluster.entries(node, log);
        let Some(&(at, _)) = entries.last() else { return };
        let records = self.world.cluster.node(node).records();
        self.report.snapshots +=
            usize::from(records.save_snapshot(log, at, &pack(&entries)).is_ok());
        if self.world.rng.percent(70) {
            self.report.trimmed += records.trim().unwrap_or_default();
        }
    }

    /// One node appends a few entries, or reads.
    fn call(&mut self, node: usize, log: LogId) -> Result<(), Breach> {
        if !self.world.cluster.node(node).logs().iter().any(|info| info.id == log) {
            return Ok(());
        }
        let count = if self.world.rng.percent(25) { 0 } else { self.world.rng.index(4) + 1 };
        let names: Vec<String> = (0..count).map(|_| self.book.name()).collect();
        let mut batch = Batch::default();
        for name in &names {
            batch.push(|bytes| bytes.extend_from_slice(name.as_bytes()));
        }
        let least = self.book.highest(log);
        match self.world.cluster.write(node, log, &batch) {
            Ok(appended) => {
                self.report.confirmed += names.len();
                let first = appended.first;
                if first.sequence <= least {
                    return Err(format!(
                        "node {node} was told entry {} of log {}, and {least} is confirmed",
                        first.sequence, log.0
                    ));
                }
                if appended.is_written {
                    self.book.confirm(log, first, names);
                }
                self.book.saw(log, &appended.others);
            }
            Err(StoreError::Unconfirmed(_)) => {
                self.report.unknown += names.len();
            }
            Err(StoreError::Fenced { .. }) => self.book.refuse(names),
            Err(StoreError::Away(_)) => {
                self.report.refused += 1;
                self.book.refuse(names);
            }
            Err(error) => return Err(format!("node {node}: {error}")),
        }
        self.watch()
    }

    /// Looks at how far the clocks have come, as every node knows them.
    fn watch(&mut self) -> Result<(), Breach> {
        let at = self.world.cluster.net.now();
        let logs = self.world.cluster.nodes.iter().flatten().flat_map(RedisStore::logs);
        let sample = |log: LogInfo| Sample { at, log: log.id.0, clock_ms: log.last.clock_ms };
        let samples = logs.map(sample).collect();
        let unseen = at - std::mem::replace(&mut self.watched_at, at);
        self.clocks.note(samples, unseen).map_err(|breach| breach.to_string())
    }

    /// Nothing fails any more: every node comes back, and all know the same.
    fn rest(&mut self) -> Result<(), Breach> {
        self.world.mend();
        let logs = self.book.logs.clone();
        let until = self.world.cluster.net.now() + REST;
        if let Err(why) = self.world.bring_back(REST) {
            return self.must_be_lost(&why);
        }
        let mut last = String::new();
        while self.world.cluster.net.now() < until {
            self.world.cluster.live(Duration::from_millis(200));
            let mut is_done = true;
            for node in 0..self.world.cluster.nodes.len() {
                for &log in &logs {
                    let name = self.book.name();
                    match self.world.cluster.append(node, log, &name) {
                        Ok(first) => self.book.confirm(log, first, vec![name]),
                        Err(error) => {
                            is_done = false;
                            last = format!("node {node}: {error}");
                        }
                    }
                }
            }
            if is_done {
                return self.check();
            }
        }
        self.must_be_lost(&format!("it does not come to rest: {last}"))
    }

    /// A store stands still for ever only where nobody is left who knows what it had.
    fn must_be_lost(&mut self, why: &str) -> Result<(), Breach> {
        let mut said = Vec::new();
        for node in self.world.living() {
            let error = self.world.cluster.node(node).news().err().map(|error| error.to_string());
            said.extend(error);
        }
        if why.contains(LOST_FOR_GOOD) || said.iter().any(|error| error.contains(LOST_FOR_GOOD)) {
            self.report.lost_for_good = true;
            return Ok(());
        }
        let row = self.world.cluster.row();
        Err(format!("{why}; {said:?}; {row:?}; {}", self.world.cluster.net.describe()))
    }

    fn check(&mut self) -> Result<(), Breach> {
        self.report.epochs = self.world.cluster.row().map_or(0, |row| row.epoch);
        for log in self.book.logs.clone() {
            let mut known = Vec::new();
            for node in 0..self.world.cluster.nodes.len() {
                let read = self.world.cluster.write(node, log, &Batch::default());
                read.map_err(|error| format!("node {node} cannot read: {error}"))?;
                known.push(self.world.cluster.entries(node, log));
            }
            if let Some(node) = (1..known.len()).find(|&node| known[node] != known[0]) {
                return Err(format!("nodes 0 and {node} know different logs {}", log.0));
            }
            let all = known.swap_remove(0);
            let (doubts, lost) = self.book.check(log, &all)?;
            self.report.doubts += doubts;
            self.report.lost += lost;
        }
        Ok(())
    }
}
