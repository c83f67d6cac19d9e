//! This node's part in the reign: connected, on the roll, and under the epoch in force; or on its way
//! back there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::calls::{self, Caller, Calls, Refused, Written, passed};
use super::clock::NodeClock;
use super::control::{Control, ControlRow, Document};
use super::gather::Gathering;
use super::link::{Command, Dial, Link, Reply};
use super::mirror::SharedMirrors;
use super::peers::Peers;
use super::{Options, inspect};
use crate::{Clock, LogId, Result, StoreError};

/// How long a server may take to have entries on the disks of enough data nodes.
const WAIT_MS: u64 = 300;

/// Between two attempts to get out of trouble.
const REST: Duration = Duration::from_millis(50);

/// How long another node may take to open the epoch that it has won.
const WINNER_PATIENCE: Duration = Duration::from_secs(8);

/// The log of the sales' names.
pub(super) const INDEX: u32 = 0;

/// Why something did not go on; in words for whoever runs it.
pub(super) type Step<T> = std::result::Result<T, String>;

/// A node of the store.
pub(super) struct Node {
    pub(super) options: Options,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) control: Box<dyn Control>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) link: Option<Box<dyn Link>>,
    pub(super) calls: Calls,
    pub(super) mirrors: Arc<SharedMirrors>,
    pub(super) clocks: BTreeMap<u32, NodeClock>,
    /// When everything that this node knows was last known to be all there is.
    pub(super) current_at: Option<Duration>,
    /// What the reigning process counted when it was last asked for news, and where the logs ended
    /// that it was told of.
    news: u64,
    told: BTreeMap<u32, u64>,
    pub(super) peers: Peers,
    /// The epoch whose logs this node has; 0: none yet.
    pub(super) adopted: u32,
    /// Why nothing can be asked of the store now, if that is so.
    trouble: Option<Trouble>,
    need: Need,
    /// Its logs were handed over to a later epoch: it may not speak for its own any more.
    is_sealed: bool,
    pub(super) gathering: Option<Gathering>,
    /// The row of another's epoch that is not open yet, and since when it is known.
    awaited: Option<(u64, Duration)>,
    /// Whether the data nodes were looked at since this process began.
    is_inspected: bool,
    /// Whether the process behind this connection is known not to have been set back.
    pub(super) trust: Trust,
    /// Nodes that have left the process's roll and are to be taken off the row.
    gone: Vec<String>,
}

/// Whether a process of Redis still has all that it ever had. A virtual machine that was set back has a
/// whole process set back, memory and all; but whoever knew more notices with their next call, and
/// then it does not reign any more. So a process that everybody has called is what it was, unless its
/// connections have broken since.
pub(super) enum Trust {
    /// It has all that any node knows.
    Full,
    /// How many calls the other nodes had made when this one came.
    Since(BTreeMap<String, u64>),
    /// This node has just come.
    Unknown,
}

/// What must be done beside being connected again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    Nothing,
    /// The logs are to be read again.
    Reading,
    /// What Redis has is not what it had: a new epoch.
    Recovery,
}

struct Trouble {
    why: String,
    next: Duration,
}

impl Node {
    pub(super) fn new(
        options: Options,
        dial: Arc<dyn Dial>,
        control: Box<dyn Control>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut options = options;
        let node = options.draw();
        let caller = Caller { node, ..Caller::default() };
        let calls = Calls::new(&options.version(), caller);
        let why = "the store has not been reached yet".to_owned();
        Self {
            options,
            dial,
            control,
            clock,
            link: None,
            calls,
            mirrors: Arc::default(),
            clocks: BTreeMap::new(),
            current_at: None,
            news: 0,
            told: BTreeMap::new(),
            peers: Peers::default(),
            adopted: 0,
            trouble: Some(Trouble { why, next: Duration::ZERO }),
            need: Need::Nothing,
            is_sealed: false,
            gathering: None,
            awaited: None,
            is_inspected: false,
            trust: Trust::Unknown,
            gone: Vec::new(),
        }
    }

    /// Says that this must be done before the store is asked again.
    pub(super) fn need(&mut self, need: Need) {
        self.need = self.need.max(need);
    }

    /// Whether the store can be asked; if not, tries to get there, and says why it cannot.
    pub(super) fn ready(&mut self) -> Result<()> {
        let Some(trouble) = &self.trouble else { return Ok(()) };
        if self.clock.monotonic() < trouble.next {
            return Err(StoreError::Away(trouble.why.clone()));
        }
        match self.heal().and_then(|()| self.verify()) {
            Ok(()) => {
                self.trouble = None;
                let epoch = self.adopted;
                tracing::info!(epoch, "the store is there");
                Ok(())
            }
            Err(why) => {
                self.fall(&why);
                Err(StoreError::Away(why))
            }
        }
    }

    /// The store cannot be asked until it has been healed.
    pub(super) fn fall(&mut self, why: &str) {
        if self.trouble.as_ref().is_none_or(|trouble| trouble.why != why) {
            tracing::warn!(why, "the store is away");
        }
        let next = self.clock.monotonic() + REST;
        self.trouble = Some(Trouble { why: why.to_owned(), next });
    }

    /// Sends commands and takes the replies. A connection that fails is dropped.
    pub(super) fn send(&mut self, commands: &[Command]) -> Step<Vec<Reply>> {
        let link = self.link.as_mut().ok_or("there is no connection to Redis")?;
        let replies = link.call(commands);
        if replies.as_ref().is_ok_and(|replies| replies.len() == commands.len()) {
            return replies;
        }
        self.link = None;
        Err(replies.err().unwrap_or_else(|| "Redis left commands without a reply".to_owned()))
    }

    /// One call of the library.
    pub(super) fn ask(
        &mut self,
        command: Command,
    ) -> Step<std::result::Result<Vec<Reply>, Refused>> {
        let reply = self.send(&[command])?.pop().unwrap_or(Reply::Nil);
        if matches!(&reply, Reply::Error(_)) {
            // It may have become another's replica, and have lost its functions by that.
            self.link = None;
        }
        Ok(passed(reply))
    }

    /// One call that is not expected to be refused.
    pub(super) fn insist(&mut self, command: Command) -> Step<Vec<Reply>> {
        self.ask(command)?.map_err(|refused| said(&refused))
    }

    /// The command that waits until enough data nodes have it all.
    pub(super) fn wait(&self) -> Command {
        calls::wait(self.options.replicas_needed(), WAIT_MS)
    }

    /// Whether the reply to [`Self::wait`] says so.
    pub(super) fn is_confirmed(&self, reply: Option<&Reply>) -> bool {
        let replicas = reply.and_then(Reply::number);
        replicas.is_some_and(|replicas| replicas >= u64::from(self.options.replicas_needed()))
    }

    /// What is said where too few data nodes have it.
    pub(super) fn unconfirmed(&self) -> String {
        let (needed, nodes) = (self.options.replicas_needed() + 1, self.options.data_nodes);
        format!("fewer than {needed} of the {nodes} data nodes of Redis have it on disk")
    }

    fn connect(&mut self) -> Step<()> {
        if self.link.is_some() {
            return Ok(());
        }
        self.link = Some(self.dial.master()?);
        self.trust = Trust::Unknown;
        let library = self.options.library();
        self.load(&library)?;
        if !self.is_inspected {
            inspect::inspect(self)?;
            self.is_inspected = true;
        }
        Ok(())
    }

    /// Waits until every node of the roll has called the process since this connection was made.
    fn verify(&mut self) -> Step<()> {
        if matches!(self.trust, Trust::Full) {
            return Ok(());
        }
        let gone = self.mind_peers()?;
        self.gone.extend(gone);
        let own = self.calls.caller.node.clone();
        let roll = self.insist(self.calls.roll())?;
        let calls = |pair: &[Reply]| {
            let node = pair.first().and_then(Reply::text).filter(|node| *node != own)?;
            Some((node.to_owned(), pair.get(1).and_then(Reply::number)?))
        };
        let now: BTreeMap<String, u64> = roll.chunks(2).filter_map(calls).collect();
        // Whoever is new here has read all of it just now.
        let Trust::Since(before) = &self.trust else {
            self.trust = if now.is_empty() { Trust::Full } else { Trust::Since(now) };
            return self.verified(0);
        };
        let silent = before.iter().filter(|(node, calls)| now.get(*node) == Some(calls)).count();
        if silent == 0 {
            self.trust = Trust::Full;
        }
        self.verified(silent)
    }

    fn verified(&self, silent: usize) -> Step<()> {
        if matches!(self.trust, Trust::Full) {
            return Ok(());
        }
        Err(format!("this node was away, and waits until {} others are heard", silent.max(1)))
    }

    /// Sees to it that the server has the library; one of the same name must be the same.
    fn load(&mut self, library: &str) -> Step<()> {
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let name = format!("holdfast_{}", self.options.version());
        let list = words(&["FUNCTION", "LIST", "LIBRARYNAME", &name, "WITHCODE"]);
        let replies = self.send(&[words(&["FUNCTION", "LOAD", library]), list])?;
        let [loaded, listed] = replies.as_slice() else { return Err("no reply".to_owned()) };
        if has_text(listed, library) {
            return Ok(());
        }
        match (loaded, listed) {
            (Reply::Error(why), Reply::List(list)) if list.is_empty() => {
                self.link = None;
                Err(format!(
                    "the function library cannot be loaded into Redis (7.0 or later): {why}"
                ))
            }
            _ => Err(format!("Redis has another function library that is named {name}")),
        }
    }

    /// One attempt to be under the reign in force.
    fn heal(&mut self) -> Step<()> {
        self.connect()?;
        let is_under = self.adopted > 0 && !self.is_sealed && self.gathering.is_none();
        if is_under && self.need == Need::Nothing {
            match self.ask_news()? {
                Ok(_) => return Ok(()),
                Err(Refused::RolledBack(_)) => self.need(Need::Recovery),
                Err(Refused::NotOnRoll) => {}
                Err(Refused::NoReign) => {
                    // Another server may be the master by now.
                    self.link = None;
                    self.connect()?;
                }
                Err(refused) => return Err(said(&refused)),
            }
        }
        let Some(row) = self.control.read()? else { return self.win(None) };
        let document = Document::read(&row.document)?;
        if document.library != self.options.version() && !document.roll.is_empty() {
            return Err(format!(
                "nodes of another version run this store (library {}, here {}): stop them first",
                document.library,
                self.options.version()
            ));
        }
        if document.is_open {
            self.gathering = None;
            return self.enter(&row, &document);
        }
        match &self.gathering {
            Some(gathering) if gathering.is_of(&row) => self.gather(&row, &document),
            _ => self.stand_by(&row, &document),
        }
    }

    /// Takes up an epoch that is open; begins the next one if the server does not know it.
    fn enter(&mut self, row: &ControlRow, document: &Document) -> Step<()> {
        self.awaited = None;
        let mut calls =
            Calls::new(&self.options.version(), self.caller(row.epoch, &document.token));
        let is_on_roll = match self.ask(calls.roll())? {
            Err(Refused::NoReign) => return self.win(Some((row, document))),
            _ if self.need == Need::Recovery && row.epoch == self.adopted => {
                return self.win(Some((row, document)));
            }
            Err(Refused::NotOnRoll) => false,
            Ok(_) => true,
            Err(refused) => return Err(said(&refused)),
        };
        if !is_on_roll || !document.roll.contains(&calls.caller.node) {
            self.join(row, document, &mut calls)?;
        }
        self.adopt(calls)
    }

    /// Puts this node on the row's roll, and then on the process's: as somebody else, if it was on one
    /// of them before and was left behind.
    fn join(&mut self, row: &ControlRow, document: &Document, calls: &mut Calls) -> Step<()> {
        let before = self.calls.caller.node.clone();
        if self.adopted > 0 || document.roll.contains(&before) {
            self.calls.caller.node = self.options.draw();
            calls.caller.node.clone_from(&self.calls.caller.node);
        }
        let mut joined = document.clone();
        // What it knew as who it was, it knows as who it is.
        joined.roll.retain(|node| *node != before);
        joined.roll.push(calls.caller.node.clone());
        if !self.control.replace(row.version, row.epoch, &joined.write())? {
            return Err("the control row has moved on".to_owned());
        }
        self.insist(calls.join(&calls.caller.node))?;
        if let Some(dead) = self.options.replaces.take().filter(|dead| joined.roll.contains(dead)) {
            self.insist(calls.leave(&dead))?;
            self.gone.push(dead);
        }
        Ok(())
    }

    /// From here on this node speaks under these calls' epoch, with its logs.
    pub(super) fn adopt(&mut self, calls: Calls) -> Step<()> {
        let before = std::mem::replace(&mut self.calls, calls);
        self.news = 0;
        self.told.clear();
        if let Err(why) = self.take_up_logs() {
            // What was adopted before is over either way; but it is what is handed over.
            self.calls.caller = Caller { node: self.calls.caller.node.clone(), ..before.caller };
            return Err(why);
        }
        self.adopted = self.calls.caller.epoch;
        self.is_sealed = false;
        self.need = Need::Nothing;
        self.peers = Peers::default();
        self.current_at = Some(self.clock.monotonic());
        Ok(())
    }

    pub(super) fn caller(&self, epoch: u32, token: &str) -> Caller {
        Caller { token: token.to_owned(), epoch, node: self.calls.caller.node.clone() }
    }

    /// Wins the next epoch, if no other node does.
    pub(super) fn win(&mut self, known: Option<(&ControlRow, &Document)>) -> Step<()> {
        // A server that nobody follows any more can confirm nothing: it is not for it to reign.
        let replies = self.send(&[self.wait()])?;
        if !self.is_confirmed(replies.first()) {
            // Perhaps it is not the master any more.
            self.link = None;
            return Err(self.unconfirmed());
        }
        let (version, epoch) = known.map_or((0, 0), |(row, _)| (row.version, row.epoch));
        let epoch = epoch.checked_add(1).ok_or("the epochs are used up")?;
        let known = known.map(|(_, document)| document.clone()).unwrap_or_default();
        let document = Document {
            is_open: false,
            token: self.options.draw(),
            winner: self.calls.caller.node.clone(),
            library: self.options.version(),
            doubts: known.doubts + 1,
            ..known
        };
        if !self.control.replace(version, epoch, &document.write())? {
            return Err("another node recovers the store".to_owned());
        }
        tracing::warn!(epoch, "this node recovers the store");
        self.gathering = Some(Gathering::new(version + 1));
        Err("this node recovers the store".to_owned())
    }

    /// Another node has won an epoch and opens it: hands over what is known here, and does what it
    /// is asked to do.
    fn stand_by(&mut self, row: &ControlRow, document: &Document) -> Step<()> {
        self.gathering = None;
        let now = self.clock.monotonic();
        match self.awaited {
            Some((version, since)) if version == row.version => {
                if now.saturating_sub(since) > WINNER_PATIENCE {
                    self.awaited = None;
                    return self.win(Some((row, document)));
                }
            }
            _ => self.awaited = Some((row.version, now)),
        }
        if document.roll.contains(&self.calls.caller.node) {
            let calls =
                Calls::new(&self.options.version(), self.caller(row.epoch, &document.token));
            self.is_sealed = true;
            let handed = self.ask(calls.hand_over(self.positions()))?;
            match handed {
                Ok(_) => self.do_duties(&calls)?,
                Err(Refused::NoReign) => self.link = None,
                Err(refused) => return Err(said(&refused)),
            }
        }
        Err("another node recovers the store".to_owned())
    }

    /// The logs that have entries which were not asked for since the last time; sales that others have
    /// made are taken up. Sees to silent nodes.
    pub(super) fn hear_news(&mut self) -> Step<Vec<LogId>> {
        let asked = self.clock.monotonic();
        let news = match self.ask_news()? {
            Ok(news) => news,
            Err(refused) => {
                if matches!(refused, Refused::RolledBack(_)) {
                    self.need(Need::Recovery);
                }
                return Err(said(&refused));
            }
        };
        let mut numbers = news.iter().filter_map(Reply::number);
        let counter = numbers.next().unwrap_or_default();
        let mut logs: Vec<u32> = numbers.filter_map(|log| u32::try_from(log).ok()).collect();
        if logs.contains(&INDEX) {
            self.discover()?;
            logs.retain(|log| *log != INDEX);
        }
        let gone = self.mind_peers()?;
        self.gone.extend(gone);
        if !self.gone.is_empty() {
            self.take_up_logs()?;
            let gone = std::mem::take(&mut self.gone);
            if let Err(why) = self.forget(&gone) {
                tracing::warn!(why, "silent nodes stay on the roll");
            }
        }
        self.news = counter;
        self.current_at = Some(asked);
        let known = self.logs_known();
        Ok(logs.into_iter().filter(|log| known.contains(log)).map(LogId).collect())
    }

    /// Asks for news, and says what is known here: a process that has less was set back.
    fn ask_news(&mut self) -> Step<std::result::Result<Vec<Reply>, Refused>> {
        let mirrors = self.mirrors.lock();
        let ends = mirrors.logs.iter().map(|(&log, mirror)| (log, mirror.last().sequence));
        let known: Vec<(u32, u64)> =
            ends.filter(|(log, last)| self.told.get(log) != Some(last)).collect();
        drop(mirrors);
        let news = self.ask(self.calls.news(self.news, &known))?;
        if news.is_ok() {
            self.told.extend(known);
        }
        Ok(news)
    }

    /// The logs that this node has read.
    pub(super) fn logs_known(&self) -> BTreeSet<u32> {
        self.mirrors.lock().logs.keys().copied().collect()
    }

    /// A sale's clock.
    pub(super) fn clock_of(&self, log: LogId) -> Result<NodeClock> {
        let found = self.clocks.get(&log.0).copied().filter(|_| log.0 != INDEX);
        found.ok_or(StoreError::NoSuchLog(log))
    }
}

/// A refusal in words.
pub(super) fn said(refused: &Refused) -> String {
    match refused {
        Refused::NoReign => "this Redis is not, or not any more, the one that reigns".to_owned(),
        Refused::NotOnRoll => "this node was taken off the roll: it was silent too long".to_owned(),
        Refused::Fenced(epoch) => format!("epoch {epoch} has begun"),
        Refused::NotOpen => "the log is not open in this epoch".to_owned(),
        Refused::RolledBack(last) => format!("a log in Redis has been rolled back to entry {last}"),
        Refused::Trimmed(trimmed) => format!("entries up to {trimmed} are gone"),
        Refused::Lagging(node) => format!("node {node} is too far behind"),
        Refused::Other(why) => why.clone(),
    }
}

/// An append that the library refused, or what came of it.
pub(super) type Answer = std::result::Result<Written, Refused>;

/// Whether this text is somewhere in a reply.
fn has_text(reply: &Reply, text: &str) -> bool {
    match reply {
        Reply::List(list) => list.iter().any(|reply| has_text(reply, text)),
        reply => reply.text() == Some(text),
    }
}
