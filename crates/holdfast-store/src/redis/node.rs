//! This node's part in the reign: connected, on the roll, and under the epoch in force; or on its way
//! back there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Options;
use super::calls::{self, Caller, Calls, Refused, Written, passed};
use super::clock::NodeClock;
use super::control::Control;
use super::gather::Gathering;
use super::link::{Command, Dial, Link, Reply};
use super::mirror::SharedMirrors;
use super::peers::{Chores, Peers};
use super::trust::Trust;
use super::why::Why;
use crate::{Clock, LogId, Outage, Result, StoreError};

/// How long a server may take to have entries on the disks of enough data nodes.
const WAIT_MS: u64 = 300;

/// How long too few data nodes may confirm before the master is looked for anew.
const UNCONFIRMED_MAX: Duration = Duration::from_secs(1);

/// Between two attempts to get out of trouble.
const REST: Duration = Duration::from_millis(50);

/// The log of the sales' names.
pub(super) const INDEX: u32 = 0;

/// What one attempt comes to.
pub(super) type Step<T> = std::result::Result<T, Why>;

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
    /// What is said of that.
    outage: Outage,
    pub(super) need: Need,
    /// Its logs were handed over to a later epoch: it may not speak for its own any more.
    pub(super) is_sealed: bool,
    pub(super) gathering: Option<Gathering>,
    /// The row of another's epoch that is not open yet, and since when it is known.
    pub(super) awaited: Option<(u64, Duration)>,
    /// Whether the data nodes were looked at since this process began.
    pub(super) is_inspected: bool,
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
    why: Why,
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
        let why = "the store has not been reached yet".into();
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
            outage: Outage::default(),
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
            return Err(StoreError::Away(trouble.why.to_string()));
        }
        match self.heal().and_then(|()| self.verify()) {
            Ok(()) => {
                self.trouble = None;
                let (epoch, node) = (self.adopted, &self.calls.caller.node);
                match self.outage.ends(self.clock.monotonic()) {
                    Some(after) => tracing::info!(epoch, node, ?after, "the store is there again"),
                    None => tracing::info!(epoch, node, "the store is there"),
                }
                Ok(())
            }
            Err(why) => {
                self.fall(&why);
                Err(StoreError::Away(why.to_string()))
            }
        }
    }

    /// Whether what is wrong does not pass by itself.
    pub(super) fn is_refused(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.why.is_lasting())
    }

    /// The store cannot be asked until it has been healed.
    pub(super) fn fall(&mut self, why: &Why) {
        let now = self.clock.monotonic();
        // Whoever opens the store says what it waits for.
        if self.current_at.is_some()
            && let Some(unsaid) = self.outage.is_on(why.words(), now)
        {
            tracing::warn!(%why, unsaid, "the store is away");
        }
        self.trouble = Some(Trouble { why: why.clone(), next: now + REST });
    }

    /// Sends commands and takes the replies. A connection that fails is dropped.
    pub(super) fn send(&mut self, commands: &[Command]) -> Step<Vec<Reply>> {
        let link = self.link.as_mut().ok_or("there is no connection to Redis")?;
        let why = match link.call(commands) {
            Ok(replies) if replies.len() == commands.len() => return Ok(replies),
            Ok(_) => "Redis left commands without a reply".to_owned(),
            Err(why) => why,
        };
        self.link = None;
        Err(why.into())
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
    pub(super) fn unconfirmed(&self) -> Why {
        let (needed, nodes) = (self.options.replicas_needed() + 1, self.options.data_nodes);
        let has = "data nodes of Redis (--redis-data-nodes) have it on disk";
        format!("fewer than {needed} of the {nodes} {has}").into()
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
pub(super) fn said(refused: &Refused) -> Why {
    if *refused == Refused::Owned {
        return Why::lasting(
            "this Redis has the sales of another Holdfast, whose receipt.key is another: give this \
             one a Redis of its own",
        );
    }
    let words = match refused {
        Refused::Owned => String::new(),
        Refused::NoReign => "this Redis is not, or not any more, the one that reigns".to_owned(),
        Refused::NotOnRoll => "this node was taken off the roll: it was silent too long".to_owned(),
        Refused::Fenced(epoch) => format!("epoch {epoch} has begun"),
        Refused::NotOpen => "the log is not open in this epoch".to_owned(),
        Refused::RolledBack(last) => format!("a log in Redis has been rolled back to entry {last}"),
        Refused::Trimmed(trimmed) => format!("entries up to {trimmed} are gone"),
        Refused::Lagging(node) => format!("node {node} is too far behind"),
        Refused::Other(why) => why.clone(),
    };
    words.into()
}

/// An append that the library refused, or what came of it.
pub(super) type Answer = std::result::Result<Written, Refused>;
