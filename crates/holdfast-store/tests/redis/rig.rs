//! Servers, a control row in memory, and nodes that stand on both.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_store::redis::{Control, ControlRow, Dial, Options, Place, RedisStore, Servers};
use holdfast_store::{Batch, Clock, LogId, Store, SystemClock};

/// The control row, in memory.
#[derive(Clone, Default)]
pub(crate) struct Row {
    row: Arc<Mutex<Option<ControlRow>>>,
    is_away: Arc<AtomicBool>,
}

impl Row {
    /// Nobody can read it from now on.
    pub(crate) fn go_away(&self) {
        self.is_away.store(true, Ordering::Relaxed);
    }

    /// A text of its document.
    pub(crate) fn says(&self, field: &str) -> String {
        let row = self.row.lock().unwrap().clone().unwrap();
        let (_, after) = row.document.split_once(&format!("\"{field}\":\"")).unwrap();
        after.split('"').next().unwrap().to_owned()
    }

    fn check(&self) -> Result<(), String> {
        let is_away = self.is_away.load(Ordering::Relaxed);
        if is_away { Err("the database is away".to_owned()) } else { Ok(()) }
    }
}

impl Control for Row {
    fn read(&mut self) -> Result<Option<ControlRow>, String> {
        self.check()?;
        Ok(self.row.lock().unwrap().clone())
    }

    fn replace(&mut self, expected: u64, epoch: u32, document: &str) -> Result<bool, String> {
        self.check()?;
        let mut row = self.row.lock().unwrap();
        if row.as_ref().map_or(0, |row| row.version) != expected {
            return Ok(false);
        }
        assert!(row.as_ref().is_none_or(|row| row.epoch <= epoch), "epochs never fall");
        *row = Some(ControlRow { version: expected + 1, epoch, document: document.to_owned() });
        Ok(true)
    }
}

static DRAWN: AtomicU64 = AtomicU64::new(1);

pub(crate) fn options(data_nodes: u32) -> Options {
    Options {
        owner: "owner".to_owned(),
        rules: 3,
        data_nodes,
        allow_volatile: false,
        opening: Box::new(|_, first| format!("doubt from {first}").into_bytes()),
        random: Box::new(|| u128::from(DRAWN.fetch_add(1, Ordering::Relaxed))),
        replaces: None,
    }
}

/// Where the master is looked for: all data nodes.
pub(crate) fn at(ports: &[u16]) -> Arc<dyn Dial> {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let data_nodes = u32::try_from(ports.len()).unwrap();
    Arc::new(dial(&format!("redis://{}", hosts.join(",")), data_nodes))
}

/// The servers at an address.
pub(crate) fn dial(address: &str, data_nodes: u32) -> Servers {
    Servers::new(Place::read(address).unwrap(), data_nodes)
}

/// A node that has joined.
pub(crate) fn node(dial: &Arc<dyn Dial>, row: &Row, data_nodes: u32) -> RedisStore {
    open(dial, row, options(data_nodes), &mut [])
}

/// A node that has joined, while others live.
pub(crate) fn open(
    dial: &Arc<dyn Dial>,
    row: &Row,
    options: Options,
    others: &mut [&mut RedisStore],
) -> RedisStore {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let control = Box::new(row.clone());
    let patience = Duration::from_secs(20);
    let rest = &mut |_: &str| {
        for other in others.iter_mut() {
            let _ = other.news();
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    RedisStore::open(options, Arc::clone(dial), control, &clock, patience, rest).unwrap()
}

/// Tries until it is done, and lets the nodes live meanwhile.
pub(crate) fn until<R>(
    nodes: &mut [&mut RedisStore],
    mut done: impl FnMut(&mut [&mut RedisStore]) -> Option<R>,
) -> R {
    let begun = std::time::Instant::now();
    loop {
        for node in nodes.iter_mut() {
            let _ = node.news();
        }
        if let Some(result) = done(nodes) {
            return result;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not come to that");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Appends one entry as a node that knows all that it can know.
pub(crate) fn append(
    node: &mut RedisStore,
    log: LogId,
    entry: &str,
) -> holdfast_store::Result<u64> {
    let mut batch = Batch::default();
    batch.push(|bytes| bytes.extend_from_slice(entry.as_bytes()));
    Ok(crate::suite::append(node, log, &batch)?.first.sequence)
}

/// All entries of a log, as the node knows them after a current read.
pub(crate) fn entries(node: &mut RedisStore, log: LogId) -> Vec<String> {
    crate::suite::append(node, log, &Batch::default()).unwrap();
    let mut entries = Vec::new();
    let read = node.records().read(log, 0, &mut |_, bytes| {
        entries.push(String::from_utf8(bytes.to_vec()).unwrap());
        true
    });
    read.unwrap();
    entries
}
