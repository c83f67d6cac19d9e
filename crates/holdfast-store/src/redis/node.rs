//! This node's part in the reign: connected, on the roll, and under the epoch in force; or on its way
//! back there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::calls::{self, Caller, Calls, Refused, Written, passed};
use super::clock::NodeClock;
use super::control::Control;
use super::gather::Gathering;
use super::link::{Command, Dial, Link, Reply};
use super::mirror::SharedMirrors;
use super::peers::{Chores, Peers};
use super::trust::Trust;
use super::{Options, inspect};
use crate::{Clock, LogId, Result, StoreError};

/// How long a server may take to have entries on the disks of enough data nodes.
const WAIT_MS: u64 = 300;

/// How long too few data nodes may confirm before the master is looked for anew.
const UNCONFIRMED_MAX: Duration = Duration::from_secs(1);

/// Between two attempts to get out of trouble.
const REST: Duration = Duration::from_millis(50);

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
    pub(super) news: u64,
    pub(super) told: BTreeMap<u32, u64>,
    pub(super) peers: Peers,
    /// The epoch whose logs this node has; 0: none yet.
    pub(super) adopted: u32,
    /// Why nothing can be asked of the store now, if that is so.
    trouble: Option<Trouble>,
    pub(super) need: Need,
    /// Its logs were handed over to a later epoch: it may not speak for its own any more.
    pub(super) is_sealed: bool,
    pub(super) gathering: Option<Gathering>,
    /// The row of another's epoch that is not open yet, and since when it is known.
    pub(super) awaited: Option<(u64, Duration)>,
    /// Whether the data nodes were looked at since this process began.
    is_inspected: bool,
    /// Since when too few data nodes confirm.
    pub(super) unconfirmed_since: Option<Duration>,
    /// Whether the process behind this connection is known not to have been set back.
    pub(super) trust: Trust,
    pub(super) chores: Chores,
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
            unconfirmed_since: None,
            trust: Trust::Unknown,
            chores: Chores::default(),
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
        Ok(self.heard(reply))
    }

    /// What the library has said to a call.
    pub(super) fn heard(&mut self, reply: Reply) -> std::result::Result<Vec<Reply>, Refused> {
        if matches!(&reply, Reply::Error(_)) {
            // It may have become another's replica, and have lost its functions by that.
            self.link = None;
        }
        passed(reply)
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
        let needed = u64::from(self.options.replicas_needed());
        replicas.is_some_and(|replicas| replicas >= needed || planted!(BelievesUnconfirmed))
    }

    /// What is said where too few data nodes have it.
    pub(super) fn unconfirmed(&self) -> String {
        let (needed, nodes) = (self.options.replicas_needed() + 1, self.options.data_nodes);
        format!("fewer than {needed} of the {nodes} data nodes of Redis have it on disk")
    }

    pub(super) fn connect(&mut self) -> Step<()> {
        if self.link.is_some() {
            return Ok(());
        }
        self.link = Some(self.dial.master()?);
        self.trust = Trust::Unknown;
        let welcomed = self.welcome();
        if welcomed.is_err() {
            // Or the next attempt would take it as it is.
            self.link = None;
        }
        welcomed
    }

    /// Sees to what a server must have and be.
    fn welcome(&mut self) -> Step<()> {
        let library = self.options.library();
        self.load(&library)?;
        if !self.is_inspected {
            inspect::inspect(self)?;
            self.is_inspected = true;
        }
        Ok(())
    }

    /// Too few data nodes have confirmed. If that lasts, another server may be the master by now, with
    /// nobody to tell this one so.
    pub(super) fn note_unconfirmed(&mut self) {
        let now = self.clock.monotonic();
        let since = *self.unconfirmed_since.get_or_insert(now);
        if now.saturating_sub(since) >= UNCONFIRMED_MAX {
            self.unconfirmed_since = None;
            self.link = None;
            let why = self.unconfirmed();
            self.fall(&why);
        }
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
            (Reply::Error(why), Reply::Error(_)) if !why.starts_with("LOADING") => Err(format!(
                "this Redis has no functions: it must be 7.0 or later, or Valkey ({why})"
            )),
            (Reply::Error(why), Reply::List(list)) if list.is_empty() => {
                self.link = None;
                Err(format!(
                    "the function library cannot be loaded into Redis (7.0 or later): {why}"
                ))
            }
            (Reply::Error(why), _) if !why.contains("already exists") => {
                Err(format!("Redis: {why}"))
            }
            _ => Err(format!("Redis has another function library that is named {name}")),
        }
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
