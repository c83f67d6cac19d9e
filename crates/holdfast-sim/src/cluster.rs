//! Several nodes over the servers of [`crate::redis`]: what connects them, and what a world may do to it.
//!
//! In reading order: [`Cluster`] (nodes, servers and the control row), `net` (connections that are cut,
//! lose replies, or deliver late), [`story`] (a seeded run at the level of the store, and what must be
//! true of it).

mod net;
pub mod story;

use std::sync::Arc;
use std::time::Duration;

use holdfast_store::redis::{ControlRow, Opening, Options, RedisStore};
use holdfast_store::{Batch, Clock, LogId, Result, Store};

use net::{Dialled, Row, Time};
pub use net::{Late, Net, NodeNet};

/// Nodes, servers and the control row.
pub struct Cluster {
    /// What is between them.
    pub net: Net,
    /// The nodes by their numbers; `None`: it is dead.
    pub nodes: Vec<Option<RedisStore>>,
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

    fn open(&mut self, node: usize, patience: Duration) -> Result<RedisStore> {
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
        let clock: Arc<dyn Clock> = Arc::new(Time(self.net.clone()));
        let dial = Arc::new(Dialled { net: self.net.clone(), node });
        let control = Box::new(Row { net: self.net.clone(), node });
        let net = self.net.clone();
        let mut others = std::mem::take(&mut self.nodes);
        let mut rest = |_: &str| {
            net.pass(Duration::from_millis(20));
            // The others live meanwhile.
            for other in others.iter_mut().flatten() {
                let _ = other.news();
            }
        };
        let opened = RedisStore::open(options, dial, control, &clock, patience, &mut rest);
        self.nodes = others;
        opened
    }

    /// A node that is alive.
    ///
    /// # Panics
    /// When it is not.
    pub fn node(&mut self, node: usize) -> &mut RedisStore {
        self.nodes[node].as_mut().expect("the node is alive")
    }

    /// Appends one entry by a node that has read all that it knows.
    ///
    /// # Errors
    /// As the store says.
    pub fn append(
        &mut self,
        node: usize,
        log: LogId,
        entry: &str,
    ) -> Result<holdfast_store::Stamp> {
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

    /// All entries of a log as a node knows them, each with its stamp.
    pub fn entries(&mut self, node: usize, log: LogId) -> Vec<(holdfast_store::Stamp, String)> {
        let mut entries = Vec::new();
        let records = self.node(node).records();
        let read = records.read(log, 0, &mut |stamp, bytes| {
            entries.push((stamp, String::from_utf8_lossy(bytes).into_owned()));
            true
        });
        read.expect("what a node knows can be read");
        entries
    }

    /// Lets time pass, in which every node that lives looks after itself.
    pub fn live(&mut self, time: Duration) {
        let until = self.net.now() + time;
        while self.net.now() < until {
            self.net.pass(Duration::from_millis(20));
            for node in 0..self.nodes.len() {
                if let Some(store) = self.nodes[node].as_mut().filter(|_| !self.net.is_frozen(node))
                {
                    let _ = store.news();
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
