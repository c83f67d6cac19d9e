//! What connects nodes, servers and the control row, and what can happen to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_store::Clock;
use holdfast_store::redis::{Command, Control, ControlRow, Dial, Link, Reply, Why};

use crate::redis::{Connection, Reply as Said, Servers};

/// What is between nodes, servers and the control row; all clones are one.
#[derive(Clone)]
pub struct Net(Arc<Mutex<Inner>>);

struct Inner {
    servers: Servers,
    count: usize,
    now: Duration,
    wall_ms: u64,
    row: Option<ControlRow>,
    /// The master, as Sentinels say.
    named: usize,
    names: u128,
    nodes: Vec<NodeNet>,
    late: Vec<Late>,
    /// Replicas that get and flush everything at once.
    prompt: Vec<bool>,
    /// What happens while a node is about to change the control row.
    before_replacing: BTreeMap<usize, Meanwhile>,
}

/// What others do while a node stands still in the middle of something.
type Meanwhile = Box<dyn FnOnce() + Send>;

/// How a node is connected.
#[derive(Clone, Debug, Default)]
pub struct NodeNet {
    /// Which server it takes for the master.
    pub master: usize,
    /// It reaches no server.
    pub is_cut: bool,
    /// It does not reach these servers.
    pub hidden: BTreeSet<usize>,
    /// It does not reach the control row.
    pub has_no_control: bool,
    /// Its next calls are done, and the replies are lost.
    pub loses_replies: u32,
    /// Its next calls are lost on their way; a world may still deliver them, late.
    pub delays_calls: u32,
    /// Its next changes of the control row are made, and it does not hear of it.
    pub loses_control: u32,
    /// It stands still.
    pub is_frozen: bool,
}

/// Commands that are still on their way.
pub struct Late {
    connection: Connection,
    commands: Vec<Command>,
}

impl Net {
    pub(super) fn new(count: u32) -> Self {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut servers = Servers::new();
        for server in 0..count {
            servers.start();
            if server > 0 {
                servers.attach(server, 0);
            }
        }
        Self(Arc::new(Mutex::new(Inner {
            servers,
            count,
            now: Duration::from_secs(1),
            wall_ms: 1_700_000_000_000,
            row: None,
            named: 0,
            names: 0,
            nodes: Vec::new(),
            late: Vec::new(),
            prompt: vec![true; count],
            before_replacing: BTreeMap::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the servers.
    pub fn servers<R>(&self, act: impl FnOnce(&mut Servers) -> R) -> R {
        act(&mut self.lock().servers)
    }

    /// How many servers there are.
    pub fn count(&self) -> usize {
        self.lock().count
    }

    /// Does something to a node's connections.
    pub fn node<R>(&self, node: usize, act: impl FnOnce(&mut NodeNet) -> R) -> R {
        act(&mut self.lock().nodes[node])
    }

    /// Whether a node stands still.
    pub fn is_frozen(&self, node: usize) -> bool {
        self.lock().nodes[node].is_frozen
    }

    pub(super) fn admit(&self, node: usize) {
        let mut inner = self.lock();
        let master = inner.nodes.first().map_or(0, |first| first.master);
        while inner.nodes.len() <= node {
            inner.nodes.push(NodeNet { master, ..NodeNet::default() });
        }
    }

    /// Whether a replica gets and flushes everything at once, or only as the world moves it.
    pub fn set_prompt(&self, server: usize, is_prompt: bool) {
        self.lock().prompt[server] = is_prompt;
    }

    /// Every node takes this server for the master from now on.
    pub fn show_master(&self, master: usize) {
        self.name_master(master);
        self.lock().nodes.iter_mut().for_each(|node| node.master = master);
    }

    /// This server is the master, as Sentinels say; no node has heard of it yet.
    pub(super) fn name_master(&self, master: usize) {
        self.lock().named = master;
    }

    /// The server that Sentinels name.
    pub(super) fn named_master(&self) -> usize {
        self.lock().named
    }

    /// Promotes a server and makes all others that live its replicas, as a Sentinel does.
    pub fn fail_over(&self, master: usize, others: &[usize]) {
        let mut inner = self.lock();
        inner.servers.promote(master);
        for &other in others {
            inner.servers.attach(other, master);
        }
        drop(inner);
        self.show_master(master);
    }

    /// A node stands still just before it changes the control row the next time, and this happens.
    pub fn before_replacing(&self, node: usize, meanwhile: impl FnOnce() + Send + 'static) {
        self.lock().before_replacing.insert(node, Box::new(meanwhile));
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        let mut inner = self.lock();
        inner.now += time;
        inner.wall_ms += u64::try_from(time.as_millis()).unwrap_or_default();
    }

    /// The monotonic time.
    pub fn now(&self) -> Duration {
        self.lock().now
    }

    /// The clock that nodes go by.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(Time(self.clone()))
    }

    pub(super) fn name(&self) -> u128 {
        let mut inner = self.lock();
        inner.names += 1;
        inner.names
    }

    pub(super) fn row(&self) -> Option<ControlRow> {
        self.lock().row.clone()
    }

    /// What every server says of itself, and how every node is connected.
    pub fn describe(&self) -> String {
        let mut inner = self.lock();
        let mut said = String::new();
        for server in 0..inner.count {
            let info = match inner.servers.connect(server) {
                Ok(mut connection) => {
                    let info = vec![b"INFO".to_vec(), b"replication".to_vec()];
                    format!("{:?}", inner.servers.call(&mut connection, &info))
                }
                Err(gone) => format!("{gone:?}"),
            };
            said.push_str(&format!("server {server}: {info}; "));
        }
        format!("{said}{:?}", inner.nodes)
    }

    /// Delivers what was late, to processes that are still the same. Says how many calls those were.
    pub fn deliver_late(&self) -> usize {
        let mut inner = self.lock();
        let late = std::mem::take(&mut inner.late);
        let count = late.len();
        for Late { mut connection, commands } in late {
            for command in &commands {
                if inner.servers.call(&mut connection, command).is_err() {
                    break;
                }
            }
        }
        count
    }
}

/// The simulated time.
pub(super) struct Time(pub(super) Net);

impl Clock for Time {
    fn monotonic(&self) -> Duration {
        self.0.now()
    }

    fn wall_ms(&self) -> u64 {
        self.0.lock().wall_ms
    }
}

/// The control row as a node reaches it.
pub(super) struct Row {
    pub(super) net: Net,
    pub(super) node: usize,
}

impl Control for Row {
    fn read(&mut self) -> Result<Option<ControlRow>, String> {
        let inner = self.net.lock();
        if inner.nodes[self.node].has_no_control {
            return Err("the ledger is away".to_owned());
        }
        Ok(inner.row.clone())
    }

    fn replace(&mut self, expected: u64, epoch: u32, document: &str) -> Result<bool, String> {
        let meanwhile = self.net.lock().before_replacing.remove(&self.node);
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        let mut inner = self.net.lock();
        if inner.nodes[self.node].has_no_control {
            return Err("the ledger is away".to_owned());
        }
        if inner.row.as_ref().map_or(0, |row| row.version) != expected {
            return Ok(false);
        }
        assert!(inner.row.as_ref().is_none_or(|row| row.epoch <= epoch), "an epoch fell");
        let document = document.to_owned();
        inner.row = Some(ControlRow { version: expected + 1, epoch, document });
        let net = &mut inner.nodes[self.node];
        if net.loses_control > 0 {
            net.loses_control -= 1;
            return Err("the ledger's answer was lost".to_owned());
        }
        Ok(true)
    }
}

/// The servers as a node reaches them.
pub(super) struct Dialled {
    pub(super) net: Net,
    pub(super) node: usize,
}

impl Dial for Dialled {
    fn master(&self) -> Result<Box<dyn Link>, Why> {
        let mut inner = self.net.lock();
        let NodeNet { master, is_cut, hidden, .. } = &inner.nodes[self.node];
        let master = *master;
        if *is_cut || hidden.contains(&master) {
            return Err("no server can be reached".into());
        }
        let connected = inner.servers.connect(master);
        let mut connection = connected.map_err(|_| "the server is dead".to_owned())?;
        let info = vec![b"INFO".to_vec(), b"replication".to_vec()];
        match inner.servers.call(&mut connection, &info) {
            Ok(Said::Bytes(info)) if String::from_utf8_lossy(&info).contains("role:master") => {
                let net = self.net.clone();
                Ok(Box::new(Wire { net, node: self.node, connection }))
            }
            _ => Err("the server is a replica".into()),
        }
    }

    fn server(&self, _: &str, _: u16) -> Result<Box<dyn Link>, Why> {
        Err("servers have no addresses here".into())
    }
}

struct Wire {
    net: Net,
    node: usize,
    connection: Connection,
}

impl Link for Wire {
    fn call(&mut self, commands: &[Command]) -> Result<Vec<Reply>, String> {
        let mut inner = self.net.lock();
        let net = &mut inner.nodes[self.node];
        if net.is_cut || net.hidden.contains(&self.connection.server()) {
            return Err("the connection is cut".to_owned());
        }
        if net.delays_calls > 0 {
            net.delays_calls -= 1;
            let late = Late { connection: self.connection.clone(), commands: commands.to_vec() };
            inner.late.push(late);
            return Err("no reply came".to_owned());
        }
        let is_lost = net.loses_replies > 0;
        net.loses_replies = net.loses_replies.saturating_sub(1);
        let mut replies = Vec::new();
        for command in commands {
            if command[0] == b"WAIT" {
                inner.settle_prompt();
            }
            let said = inner.servers.call(&mut self.connection, command);
            replies.push(reply(said.map_err(|_| "the connection broke".to_owned())?));
        }
        if is_lost { Err("the reply was lost".to_owned()) } else { Ok(replies) }
    }
}

impl Inner {
    fn settle_prompt(&mut self) {
        for server in 0..self.count {
            if self.prompt[server] {
                self.servers.settle(server);
            }
        }
    }
}

fn reply(said: Said) -> Reply {
    match said {
        Said::Nil => Reply::Nil,
        Said::Number(number) => Reply::Number(number),
        Said::Bytes(bytes) => Reply::Bytes(bytes),
        Said::List(list) => Reply::List(list.into_iter().map(reply).collect()),
        Said::Error(why) => Reply::Error(why),
    }
}
