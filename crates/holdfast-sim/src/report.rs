//! What a run, or many of them, came to.

use std::collections::BTreeMap;

use crate::auditor::{Breach, Checks};

/// What one run came to.
#[derive(Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// The promise that was broken, if one was.
    pub breach: Option<Breach>,
    /// What happened.
    pub stats: Stats,
    /// A hash of everything that happened: two runs of one seed have the same.
    pub hash: u64,
}

/// What happened, counted.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Runs.
    pub runs: u64,
    /// Sales.
    pub sales: u64,
    /// Commands asked for.
    pub commands: u64,
    /// Replies that arrived.
    pub replies: u64,
    /// Answers that arrived, by kind.
    pub answers: BTreeMap<&'static str, u64>,
    /// Turns of the engine.
    pub turns: u64,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Ways in which a process came up again, by kind.
    pub recoveries: BTreeMap<&'static str, u64>,
    /// Snapshots made.
    pub snapshots: u64,
    /// Work in the background that fell into an append.
    pub within: u64,
    /// Rounds that were in flight while the engine settled what came after them.
    pub flights: u64,
    /// Bytes that trimming freed.
    pub freed: u64,
    /// Simulated time, in microseconds.
    pub simulated_us: u64,
    /// Checks made, by promise.
    pub checks: Checks,
    /// The hashes of all runs, mixed.
    pub hash: u64,
}

impl Stats {
    /// Counts one more answer.
    pub fn answer(&mut self, what: &'static str) {
        *self.answers.entry(what).or_default() += 1;
    }

    /// Counts one more fault.
    pub fn fault(&mut self, what: &'static str) {
        *self.faults.entry(what).or_default() += 1;
    }

    /// Counts one more recovery.
    pub fn recovery(&mut self, what: &'static str) {
        *self.recoveries.entry(what).or_default() += 1;
    }

    /// Adds what others counted; in any order the sum is the same.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.sales += other.sales;
        self.commands += other.commands;
        self.replies += other.replies;
        self.turns += other.turns;
        self.snapshots += other.snapshots;
        self.within += other.within;
        self.flights += other.flights;
        self.freed += other.freed;
        self.simulated_us += other.simulated_us;
        self.hash = self.hash.wrapping_add(other.hash);
        add(&mut self.answers, &other.answers);
        add(&mut self.faults, &other.faults);
        add(&mut self.recoveries, &other.recoveries);
        for (sum, count) in self.checks.iter_mut().zip(other.checks) {
            *sum += count;
        }
    }
}

fn add(sum: &mut BTreeMap<&'static str, u64>, other: &BTreeMap<&'static str, u64>) {
    for (what, count) in other {
        *sum.entry(what).or_default() += count;
    }
}
