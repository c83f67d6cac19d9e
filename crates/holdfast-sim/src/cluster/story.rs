//! A seeded story at the level of the store: nodes append and read, everything fails, and what was
//! confirmed must be there in the end, once, where it was confirmed.

mod checks;
mod faults;

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_store::{Batch, LogId, Store, StoreError};

use super::Cluster;
use crate::rng::Rng;
use checks::Book;
pub use faults::Fault;

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
    /// Nobody was left who knew the sales, and Redis did not: nothing is sold until a person helps.
    pub lost_for_good: bool,
}

/// A promise that was broken, in words.
pub type Breach = String;

/// How a node says so.
const LOST_FOR_GOOD: &str = "Redis has lost what it had";

/// How long everything has to come to rest, once nothing fails any more.
const REST: Duration = Duration::from_secs(60);

/// A story under way.
pub(super) struct Story {
    pub(super) rng: Rng,
    pub(super) cluster: Cluster,
    pub(super) book: Book,
    pub(super) report: Report,
    pub(super) frozen_until: BTreeMap<usize, Duration>,
    pub(super) nodes_max: usize,
    /// Which faults are drawn, and one in how many steps.
    pub(super) faults: Vec<Fault>,
    pub(super) one_in: u64,
    /// What a process of Redis was at an earlier moment.
    pub(super) images: Vec<(usize, crate::redis::Image)>,
}

/// Tells the story of a seed, with these faults; in so many steps.
///
/// # Errors
/// The first promise that was broken.
pub fn tell(seed: u64, faults: &[Fault], steps: usize) -> Result<Report, Breach> {
    let mut rng = Rng::new(seed);
    let servers = if rng.percent(70) { 3 } else { 1 };
    let nodes_max = rng.index(3) + 1;
    let one_in = rng.between(4, 40);
    let mut story = Story {
        cluster: Cluster::new(servers),
        rng,
        book: Book::default(),
        report: Report::default(),
        frozen_until: BTreeMap::new(),
        nodes_max,
        faults: faults.to_vec(),
        one_in,
        images: Vec::new(),
    };
    story.begin()?;
    for _ in 0..steps {
        story.step()?;
    }
    story.rest()?;
    Ok(story.report)
}

impl Story {
    fn begin(&mut self) -> Result<(), Breach> {
        for _ in 0..self.nodes_max {
            let joined = self.cluster.join(Duration::from_secs(30));
            joined.map_err(|error| format!("a node cannot join where nothing fails: {error}"))?;
        }
        for name in ["first", "second"] {
            let created = self.cluster.node(0).create(name);
            let log = created.map_err(|error| format!("no log can be made: {error}"))?;
            self.book.logs.push(log);
        }
        self.cluster.live(Duration::from_millis(300));
        Ok(())
    }

    fn step(&mut self) -> Result<(), Breach> {
        if !self.faults.is_empty() && self.rng.below(self.one_in) == 0 {
            self.strike();
        }
        self.thaw();
        let time = Duration::from_millis(self.rng.between(1, 60));
        match self.rng.below(10) {
            0 => self.cluster.live(time * 4),
            _ => self.cluster.net.pass(time),
        }
        let alive: Vec<usize> = self.living();
        let Some(&node) = self.rng.pick(&alive) else { return Ok(()) };
        if self.rng.percent(30) {
            let _ = self.cluster.node(node).news();
        }
        let logs = self.book.logs.clone();
        let log = *self.rng.pick(&logs).ok_or("there are no logs")?;
        self.call(node, log)
    }

    /// Nodes that run.
    pub(super) fn living(&self) -> Vec<usize> {
        let nodes = self.cluster.nodes.iter().enumerate();
        let living = nodes.filter(|(node, it)| it.is_some() && !self.cluster.net.is_frozen(*node));
        living.map(|(node, _)| node).collect()
    }

    /// One node appends a few entries, or reads.
    fn call(&mut self, node: usize, log: LogId) -> Result<(), Breach> {
        if !self.cluster.node(node).logs().iter().any(|info| info.id == log) {
            return Ok(());
        }
        let count = if self.rng.percent(25) { 0 } else { self.rng.index(4) + 1 };
        let names: Vec<String> = (0..count).map(|_| self.book.name()).collect();
        let mut batch = Batch::default();
        for name in &names {
            batch.push(|bytes| bytes.extend_from_slice(name.as_bytes()));
        }
        let least = self.book.highest(log);
        match self.cluster.write(node, log, &batch) {
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
        Ok(())
    }

    /// Nothing fails any more: every node comes back, and all know the same.
    fn rest(&mut self) -> Result<(), Breach> {
        self.mend();
        let logs = self.book.logs.clone();
        let until = self.cluster.net.now() + REST;
        for node in 0..self.cluster.nodes.len() {
            if self.cluster.nodes[node].is_none()
                && let Err(error) = self.cluster.restart(node, REST)
            {
                return self.must_be_lost(&format!("node {node} cannot come back: {error}"));
            }
        }
        let mut last = String::new();
        while self.cluster.net.now() < until {
            self.cluster.live(Duration::from_millis(200));
            let mut is_done = true;
            for node in 0..self.cluster.nodes.len() {
                for &log in &logs {
                    let name = self.book.name();
                    match self.cluster.append(node, log, &name) {
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
        for node in self.living() {
            let error = self.cluster.node(node).news().err().map(|error| error.to_string());
            said.extend(error);
        }
        if why.contains(LOST_FOR_GOOD) || said.iter().any(|error| error.contains(LOST_FOR_GOOD)) {
            self.report.lost_for_good = true;
            return Ok(());
        }
        let row = self.cluster.row();
        Err(format!("{why}; {said:?}; {row:?}; {}", self.cluster.net.describe()))
    }

    fn check(&mut self) -> Result<(), Breach> {
        self.report.epochs = self.cluster.row().map_or(0, |row| row.epoch);
        for log in self.book.logs.clone() {
            let mut known = Vec::new();
            for node in 0..self.cluster.nodes.len() {
                let read = self.cluster.write(node, log, &Batch::default());
                read.map_err(|error| format!("node {node} cannot read: {error}"))?;
                known.push(self.cluster.entries(node, log));
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
