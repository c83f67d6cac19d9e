//! Several nodes over the servers of [`crate::redis`]: what connects them, and what a world may do to it.
//!
//! In reading order: [`Cluster`] (nodes, servers and the control row), `net` (connections that are cut,
//! lose replies, or deliver late), `world` and `faults` (what happens to them), `clock` (how fast
//! a sale's time may run), [`story`] (a seeded run at
//! the level of the store, and what must be true of it), [`whole`] (the same with engines and clients),
//! [`schedules`] (scripts in which everything happens at its moment).

mod clock;
mod faults;
mod net;
pub mod schedules;
pub mod story;
pub mod whole;
mod world;

use std::sync::Arc;
use std::time::Duration;

use holdfast_store::redis::{ControlRow, Opening, Options, RedisStore};
use holdfast_store::{Batch, Epoch, LogId, Result, Stamp, Store};

pub use faults::{Fault, Faults};
use net::{Dialled, Row};
pub use net::{Late, Net, NodeNet};

/// A node: its store, or what stands on that.
pub trait Node: Sized {
    /// A node over this store, which has joined.
    ///
    /// # Errors
    /// When it cannot begin.
    fn begin(store: RedisStore, net: &Net) -> Result<Self>;

    /// What it does without being asked.
    fn live(&mut self);

    /// It goes in order.
    fn leave(&mut self);
}

impl Node for RedisStore {
    fn begin(store: Self, _: &Net) -> Result<Self> {
        Ok(store)
    }

    fn live(&mut self) {
        let _ = self.news();
    }

    fn leave(&mut self) {
        Store::leave(self);
    }
}

/// Nodes, servers and the control row.
pub struct Cluster<N = RedisStore> {
    /// What is between them.
    pub net: Net,
    /// The nodes by their numbers; `None`: it is dead.
    pub nodes: Vec<Option<N>>,
    /// The version of the rules that nodes have which start from now on.
    pub rules: u32,
    data_nodes: u32,
    opening: fn(Duration, u64) -> Vec<u8>,
}

/// What the store's own stories write where entries may be lost.
fn say_doubt(_: Duration, first_lost: u64) -> Vec<u8> {
    format!("doubt {first_lost}").into_bytes()
}

impl Cluster {
    /// So many servers, the first of them the master of the others, and no node yet.
    pub fn new(servers: u32) -> Self {
        Self::opened_with(servers, say_doubt)
    }
}

impl<N: Node> Cluster<N> {
    /// The same, with what opens a log of which something may be lost.
    pub fn opened_with(servers: u32, opening: fn(Duration, u64) -> Vec<u8>) -> Self {
        let net = Net::new(servers);
        Self { net, nodes: Vec::new(), rules: 3, data_nodes: servers, opening }
    }

    /// A new node, which has not joined yet; says its number.
    ///
    /// # Errors
    /// When it could not join within the patience, in simulated time.
    pub fn join(&mut self, patience: Duration) -> Result<usize> {
        let number = self.nodes.len();
        let opened = self.open(number, patience)?;
        self.nodes.push(Some(opened));
        Ok(number)
    }

    /// Starts a dead node again, as a new process.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub fn restart(&mut self, node: usize, patience: Duration) -> Result<()> {
        self.nodes[node] = None;
        self.nodes[node] = Some(self.open(node, patience)?);
        Ok(())
    }

    fn open(&mut self, node: usize, patience: Duration) -> Result<N> {
        self.net.admit(node);
        let opening = self.opening;
        let opening: Opening = Box::new(opening);
        let names = self.net.clone();
        let options = Options {
            owner: "owner".to_owned(),
            rules: self.rules,
            data_nodes: self.data_nodes,
            allow_volatile: true,
            opening,
            random: Box::new(move || names.name()),
            replaces: None,
        };
        let clock = self.net.clock();
        let dial = Arc::new(Dialled { net: self.net.clone(), node });
        let control = Box::new(Row { net: self.net.clone(), node });
        let net = self.net.clone();
        let mut others = std::mem::take(&mut self.nodes);
        let mut rest = |_: &str| {
            net.pass(Duration::from_millis(20));
            // The others live meanwhile.
            for (number, other) in others.iter_mut().enumerate() {
                if let Some(other) = other.as_mut().filter(|_| !net.is_frozen(number)) {
                    other.live();
                }
            }
        };
        let opened = RedisStore::open(options, dial, control, &clock, patience, &mut rest);
        self.nodes = others;
        N::begin(opened?, &self.net)
    }

    /// A node that is alive.
    ///
    /// # Panics
    /// When it is not.
    pub fn node(&mut self, node: usize) -> &mut N {
        self.nodes[node].as_mut().expect("the node is alive")
    }

    /// Lets time pass, in which every node that lives looks after itself.
    pub fn live(&mut self, time: Duration) {
        let until = self.net.now() + time;
        while self.net.now() < until {
            self.net.pass(Duration::from_millis(20));
            for node in 0..self.nodes.len() {
                let is_frozen = self.net.is_frozen(node);
                if let Some(node) = self.nodes[node].as_mut().filter(|_| !is_frozen) {
                    node.live();
                }
            }
        }
    }

    /// Kills a node as `kill -9` does.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node] = None;
    }

    /// What is in the control row.
    pub fn row(&self) -> Option<ControlRow> {
        self.net.row()
    }
}

impl Cluster {
    /// Appends one entry by a node that has read all that it knows.
    ///
    /// # Errors
    /// As the store says.
    pub fn append(&mut self, node: usize, log: LogId, entry: &str) -> Result<Stamp> {
        let mut batch = Batch::default();
        batch.push(|bytes| bytes.extend_from_slice(entry.as_bytes()));
        self.write(node, log, &batch).map(|appended| appended.first)
    }

    /// Appends a batch by a node that has read all that it knows; an empty one is a current read.
    ///
    /// # Errors
    /// As the store says.
    pub fn write(
        &mut self,
        node: usize,
        log: LogId,
        batch: &Batch,
    ) -> Result<holdfast_store::Appended> {
        let store = self.node(node);
        let info = store.logs().into_iter().find(|info| info.id == log);
        let info = info.ok_or(holdfast_store::StoreError::NoSuchLog(log))?;
        let (epoch, seen) = (info.epoch, info.last.sequence);
        let part = holdfast_store::Append {
            log,
            epoch,
            seen,
            cursor: seen,
            batch,
            only_if_current: false,
        };
        let mut results = Vec::new();
        store.append(&[part], &mut results);
        results.pop().unwrap_or(Err(holdfast_store::StoreError::NoSuchLog(log)))
    }

    /// All entries of a log as a node knows them, each with its stamp. A snapshot that the log begins with
    /// must be one of [`pack`].
    pub fn entries(&mut self, node: usize, log: LogId) -> Vec<(Stamp, String)> {
        let records = self.node(node).records();
        let kept = records.snapshot(log).expect("what a node knows can be read");
        let begins_with = |(at, bytes): &(Stamp, Vec<u8>)| Some((at.sequence, unpack(bytes)?));
        let (after, mut entries) = kept.as_ref().and_then(begins_with).unwrap_or_default();
        let read = records.read(log, after, &mut |stamp, bytes| {
            entries.push((stamp, String::from_utf8_lossy(bytes).into_owned()));
            true
        });
        read.expect("what a node knows can be read");
        entries
    }
}

/// A snapshot: the entries themselves, one a line.
pub fn pack(entries: &[(Stamp, String)]) -> Vec<u8> {
    let line = |(stamp, text): &(Stamp, String)| {
        format!("{} {} {} {text}\n", stamp.epoch.0, stamp.sequence, stamp.clock_ms)
    };
    entries.iter().map(line).collect::<String>().into_bytes()
}

/// The entries of a snapshot; `None`: it is none of [`pack`].
fn unpack(bytes: &[u8]) -> Option<Vec<(Stamp, String)>> {
    let line = |line: &str| {
        let mut words = line.splitn(4, ' ');
        let epoch = Epoch(words.next()?.parse().ok()?);
        let (sequence, clock_ms) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some((Stamp { epoch, sequence, clock_ms }, words.next()?.to_owned()))
    };
    std::str::from_utf8(bytes).ok()?.lines().map(line).collect()
}
