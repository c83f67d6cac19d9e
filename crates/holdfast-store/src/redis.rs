//! The store in Redis: several nodes write to the same logs, and one atomic function in one reigning
//! process of Redis puts everything into one order.
//!
//! A call is one round trip for all that a node has gathered, and nothing of it is believed before
//! enough data nodes have it on disk. Which process of Redis reigns is said by a row that is not in Redis
//! (`control.rs`); any doubt about it begins a new epoch (`gather.rs`). Every node knows the whole order
//! (`mirror.rs`), so whoever is left can write it back.

/// Whether a planted bug is on; `false` in the product.
#[cfg(feature = "planted")]
macro_rules! planted {
    ($bug:ident) => {
        crate::planted::is(crate::planted::Bug::$bug)
    };
}
#[cfg(not(feature = "planted"))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

mod calls;
mod client;
mod clock;
mod control;
mod counts;
mod epoch;
mod gather;
mod inspect;
mod link;
mod logs;
mod mirror;
mod news;
mod node;
mod peers;
mod place;
mod probe;
mod records;
mod trust;
mod upgrade;
mod welcome;
mod why;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use calls::{AppendCall, Refused, Written, written};
use clock::whole_ms;
use mirror::{Item, Mirror, pack};
use node::{INDEX, Need, Node, said};
use records::{RedisRecords, Speaking};

pub use client::Servers;
pub use control::{Control, ControlRow};
pub use counts::Counts;
pub use inspect::inspect;
pub use link::{Command, Dial, Link, Reply};
pub use place::Place;
pub use why::Why;

use crate::{
    Append, Appended, Clock, Epoch, LogId, LogInfo, News, Nodes, Records, Result, Resumed, Stamp,
    Store, StoreError,
};

/// The version of the function library: raised with any change of it.
const LIBRARY: u32 = 1;

/// Passes over what one log has and this node does not know; each brings 512 batches.
const PASSES_MAX: usize = 10_000;

/// How old an answer of Redis may be. Longer than a server may be silent: what is older was not on the
/// way, but this node stood still.
const ANSWER_MAX: Duration = Duration::from_millis(1_500);

/// What a log's first entry in an epoch says where entries may have been lost: how long ago those
/// may have been stamped at most, and the first sequence that may be lost.
pub type Opening = Box<dyn Fn(Duration, u64) -> Vec<u8> + Send>;

/// What can be set about the store.
pub struct Options {
    /// Whose Redis it is: one that has another owner's logs is refused.
    pub owner: String,
    /// The version of the rules: nodes with different rules do not share a log.
    pub rules: u32,
    /// How many data nodes Redis has, the master with them, whether or not they are connected. More
    /// than half of them must have an entry before it counts.
    pub data_nodes: u32,
    /// Data nodes may be set so that they forget.
    pub allow_volatile: bool,
    /// Makes the entry that opens a log of which something may be lost.
    pub opening: Opening,
    /// Draws names that nobody else draws.
    pub random: Box<dyn FnMut() -> u128 + Send>,
    /// The name of a node that is known to be dead, because this one has taken its place. Without it the
    /// others, and this one, wait for five seconds until they take it for dead.
    pub replaces: Option<String>,
}

impl Options {
    fn replicas_needed(&self) -> u32 {
        self.data_nodes / 2
    }

    fn version(&self) -> String {
        format!("{LIBRARY}r{}", self.rules)
    }

    fn library(&self) -> String {
        let (name, version) = ("name=holdfast_V\n", "local V = 'V'\n");
        let own = self.version();
        let library = include_str!("redis/library.lua");
        let library = library.replacen(name, &format!("name=holdfast_{own}\n"), 1);
        library.replacen(version, &format!("local V = '{own}'\n"), 1)
    }

    fn draw(&mut self) -> String {
        format!("{:032x}", (self.random)())
    }
}

/// The logs in Redis.
pub struct RedisStore {
    node: Node,
    dial: Arc<dyn Dial>,
    speaking: Speaking,
    /// What is to be shown beside each log, with the next append.
    shown: BTreeMap<u32, Vec<(String, String)>>,
    counts: Counts,
}

impl RedisStore {
    /// Reaches the store and joins the reign in force, or recovers it.
    ///
    /// # Errors
    /// Why that is not possible now; `patience` is over, or what is wrong does not pass by itself.
    pub fn open(
        options: Options,
        dial: Arc<dyn Dial>,
        control: Box<dyn Control>,
        clock: &Arc<dyn Clock>,
        patience: Duration,
        rest: &mut dyn FnMut(&str),
    ) -> Result<Self> {
        let begun = clock.monotonic();
        let node = Node::new(options, Arc::clone(&dial), control, Arc::clone(clock));
        let (speaking, counts) = (Speaking::default(), Counts::default());
        let mut store = Self { node, dial, speaking, shown: BTreeMap::new(), counts };
        loop {
            match store.ready() {
                Ok(()) => return Ok(store),
                Err(error)
                    if store.node.is_refused()
                        || clock.monotonic().saturating_sub(begun) > patience =>
                {
                    return Err(error);
                }
                Err(error) => rest(&error.to_string()),
            }
        }
    }

    /// What this node is called on the roll. It gets another name if it is left behind.
    pub fn name(&self) -> &str {
        &self.node.calls.caller.node
    }

    /// What this node counts of its store.
    pub fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// Whether the store can be asked; whoever reads beside the engine is told under which reign.
    fn ready(&mut self) -> Result<()> {
        let ready = self.node.ready();
        self.counts.is_up.set(u64::from(ready.is_ok()));
        self.counts.epoch.set(u64::from(self.node.adopted));
        let mut speaking = self.speaking.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = ready.is_ok().then_some(&self.node.calls);
        if calls.map(|calls| &calls.caller) != speaking.as_ref().map(|calls| &calls.caller) {
            *speaking = calls.cloned();
        }
        ready
    }

    fn epoch(&self) -> Epoch {
        Epoch(self.node.adopted)
    }

    /// Sends these parts with one round trip. `None`: this node must read on before it may append.
    fn round(&mut self, parts: &[Append<'_>]) -> Vec<Option<Result<Appended>>> {
        let sent = self.node.clock.monotonic();
        let mut commands = Vec::with_capacity(parts.len() + 1);
        let make = |part| {
            self.make(part, sent).map(|(command, packed)| {
                commands.push(command);
                packed
            })
        };
        let made: Vec<Result<Arc<[u8]>>> = parts.iter().map(make).collect();
        if commands.is_empty() {
            return made.into_iter().map(|made| made.err().map(Err)).collect();
        }
        commands.push(self.node.wait());
        let replies = self.node.send(&commands);
        let mut replies = match replies {
            Ok(replies) => replies,
            Err(why) => {
                let lost = parts.iter().map(|part| self.node.lost(&why, !part.batch.is_empty()));
                let lost: Vec<StoreError> = lost.collect();
                let lost = made.into_iter().zip(lost);
                return lost.map(|(made, lost)| Some(Err(made.err().unwrap_or(lost)))).collect();
            }
        };
        let took = self.node.clock.monotonic().saturating_sub(sent);
        self.counts.rounds.observe_duration(took);
        if took > ANSWER_MAX {
            // This node stood still: what it has heard may be over by now. It hears it again.
            let why = "the answer of Redis came too late".to_owned();
            return parts.iter().map(|part| Some(Err(unknown(part, why.clone())))).collect();
        }
        parts.iter().for_each(|part| drop(self.shown.remove(&part.log.0)));
        let is_confirmed = self.node.is_confirmed(replies.pop().as_ref());
        if is_confirmed {
            self.node.unconfirmed_since = None;
        } else {
            self.node.note_unconfirmed();
        }
        let mut replies = replies.into_iter();
        let answer = |(part, made): (&Append<'_>, Result<Arc<[u8]>>)| {
            let packed = match made {
                Ok(packed) => packed,
                Err(error) => return Some(Err(error)),
            };
            let answer = written(replies.next().unwrap_or(Reply::Nil));
            match answer {
                Ok(written) if is_confirmed => self.take(part, packed, written, sent),
                Ok(written) => {
                    if planted!(ClockOnUnconfirmed)
                        && let Some(clock) = self.node.clocks.get_mut(&part.log.0)
                    {
                        clock.wrote(written.clock_ms, sent, sent);
                    }
                    Some(Err(self.unconfirmed(&written)))
                }
                Err(refused) => Some(Err(self.refused(&refused))),
            }
        };
        parts.iter().zip(made).map(answer).collect()
    }

    /// The call for a part, and its batch as the log has it.
    fn make(&self, part: &Append<'_>, sent: Duration) -> Result<(Command, Arc<[u8]>)> {
        let reigning = self.epoch();
        let clock = self.node.clock_of(part.log)?;
        if part.epoch != reigning {
            return Err(StoreError::Fenced { log: part.log, epoch: part.epoch, reigning });
        }
        let (cursor, seen) = {
            let mirrors = self.node.mirrors.lock();
            let mirror = mirrors.get(part.log)?;
            may_follow(part, mirror)?;
            (mirror.last().sequence, part.seen.max(part.cursor))
        };
        if seen > cursor {
            // Whoever asks has seen it here, or nowhere.
            return Err(StoreError::RolledBack { log: part.log, seen, last: cursor });
        }
        let packed: Arc<[u8]> = pack(part.batch).into();
        let command = self.node.calls.append(AppendCall {
            log: part.log.0,
            seen,
            cursor,
            clock_ms: whole_ms(clock.read(sent)),
            only_if_current: part.only_if_current,
            count: part.batch.len(),
            bytes: packed.to_vec(),
            view: self.shown.get(&part.log.0).map_or(&[], Vec::as_slice),
        });
        Ok((command, packed))
    }

    /// Takes up what came of a part, which is durable.
    fn take(
        &mut self,
        part: &Append<'_>,
        packed: Arc<[u8]>,
        written: Written,
        sent: Duration,
    ) -> Option<Result<Appended>> {
        let received = self.node.clock.monotonic();
        let mut mirrors = self.node.mirrors.lock();
        let mirror = mirrors.logs.get_mut(&part.log.0)?;
        let clock = self.node.clocks.get_mut(&part.log.0)?;
        for item in written.others {
            if item.last.sequence > mirror.last().sequence {
                if !mirror.is_followed_by(&item) {
                    drop(mirrors);
                    self.node.need(Need::Recovery);
                    let why = "a log in Redis has lost entries in its middle";
                    return Some(Err(self.node.lost(&why.into(), false)));
                }
                clock.saw(item.last.clock_ms, received);
                mirror.push(item);
            }
        }
        if written.is_behind {
            return None;
        }
        let Written { first, clock_ms, is_written, .. } = written;
        let others = match may_follow(part, mirror) {
            Ok(()) => others(mirror, part.cursor),
            Err(trimmed) => return Some(Err(unknown(part, trimmed.to_string()))),
        };
        let first = Stamp { epoch: Epoch(self.node.adopted), sequence: first, clock_ms };
        if is_written {
            clock.wrote(clock_ms, sent, received);
            let count = u32::try_from(part.batch.len()).unwrap_or(u32::MAX);
            let last = Stamp { sequence: first.sequence + u64::from(count) - 1, ..first };
            mirror.push(Item { last, count, bytes: packed });
        }
        self.node.mirrors.moved.notify_all();
        Some(others.map(|others| Appended { others, first, is_written }))
    }

    /// Too few data nodes have it yet. It may count later, and then it is found with what others write.
    fn unconfirmed(&self, written: &Written) -> StoreError {
        let why = self.node.unconfirmed().to_string();
        if written.is_written { StoreError::Unconfirmed(why) } else { StoreError::Away(why) }
    }

    fn refused(&mut self, refused: &Refused) -> StoreError {
        match refused {
            Refused::RolledBack(_) | Refused::NotOpen => self.node.need(Need::Recovery),
            Refused::Trimmed(_) => self.node.need(Need::Reading),
            Refused::Lagging(_) => return StoreError::Behind(said(refused).to_string()),
            _ => {}
        }
        self.node.lost(&said(refused), false)
    }
}

/// What to say of a part of which nothing is known.
fn unknown(part: &Append<'_>, why: String) -> StoreError {
    if part.batch.is_empty() { StoreError::Away(why) } else { StoreError::Unconfirmed(why) }
}

/// Whether all that comes after what a part has read is here: while it was not followed, it may have been
/// trimmed.
fn may_follow(part: &Append<'_>, mirror: &Mirror) -> Result<()> {
    let (log, trimmed) = (part.log, mirror.base.sequence);
    if part.cursor < trimmed {
        return Err(StoreError::Trimmed { log, trimmed });
    }
    Ok(())
}

/// The entries after `cursor` that this node knows.
fn others(mirror: &Mirror, cursor: u64) -> Result<Vec<crate::Entry>> {
    let mut others = Vec::new();
    for item in mirror.after(cursor) {
        item.spread(&mut others)?;
    }
    others.retain(|entry| entry.stamp.sequence > cursor);
    Ok(others)
}

impl Store for RedisStore {
    fn logs(&self) -> Vec<LogInfo> {
        let mirrors = self.node.mirrors.lock();
        let logs = mirrors.logs.iter().filter(|(log, _)| **log != INDEX);
        logs.map(|(&log, mirror)| LogInfo {
            id: LogId(log),
            name: mirror.name.clone(),
            last: mirror.last(),
            epoch: self.epoch(),
            trimmed: mirror.base.sequence,
        })
        .collect()
    }

    fn create(&mut self, name: &str) -> Result<LogId> {
        self.ready()?;
        self.node.create(name)
    }

    fn reign(&mut self, logs: &[LogId]) -> Result<Vec<Epoch>> {
        self.ready()?;
        let mirrors = self.node.mirrors.lock();
        logs.iter().map(|&log| mirrors.get(log).map(|_| self.epoch())).collect()
    }

    fn append(&mut self, parts: &[Append<'_>], results: &mut Vec<Result<Appended>>) {
        if let Err(error) = self.ready() {
            return results.extend(parts.iter().map(|_| Err(error.clone())));
        }
        let mut left = self.round(parts);
        for _ in 0..PASSES_MAX {
            let behind: Vec<usize> = (0..left.len()).filter(|&at| left[at].is_none()).collect();
            if behind.is_empty() {
                break;
            }
            let again: Vec<Append<'_>> = behind.iter().map(|&at| parts[at]).collect();
            for (at, result) in behind.into_iter().zip(self.round(&again)) {
                left[at] = result;
            }
        }
        let is_unconfirmed =
            |result: &&Option<_>| matches!(result, Some(Err(StoreError::Unconfirmed(_))));
        self.counts.unconfirmed.inc_by(left.iter().filter(is_unconfirmed).count() as u64);
        let behind = || StoreError::Behind("this node cannot keep up with the others".to_owned());
        results.extend(left.into_iter().map(|result| result.unwrap_or_else(|| Err(behind()))));
    }

    fn begin(&mut self, parts: &[Append<'_>], results: &mut Vec<Result<Appended>>) {
        self.append(parts, results);
    }

    fn finish(&mut self, _: &mut [Result<Appended>]) {}

    fn clock_ms(&self, log: LogId) -> Result<u64> {
        Ok(whole_ms(self.node.clock_of(log)?.read(self.node.clock.monotonic())))
    }

    fn records(&self) -> Box<dyn Records> {
        Box::new(RedisRecords {
            mirrors: Arc::clone(&self.node.mirrors),
            dial: Arc::clone(&self.dial),
            speaking: Arc::clone(&self.speaking),
            wait: self.node.wait(),
            replicas: self.node.options.replicas_needed(),
            link: Mutex::default(),
        })
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn news(&mut self) -> Result<News> {
        self.ready()?;
        let logs = self.node.hear_news().map_err(|why| self.node.lost(&why, false))?;
        Ok(News { epoch: self.epoch(), logs })
    }

    fn show(&mut self, log: LogId, words: Vec<(String, String)>) {
        self.shown.insert(log.0, words);
    }

    fn resume(&mut self, log: LogId, at: Stamp) -> Result<Resumed> {
        self.ready()?;
        let mirrors = self.node.mirrors.lock();
        Ok(Resumed { epoch: self.epoch(), is_same: mirrors.get(log)?.has(at) })
    }

    fn nodes(&self) -> Option<Nodes> {
        let nodes = self.node.peers.living(&self.node.calls.caller.node);
        self.counts.nodes.set(nodes.living.len() as u64);
        Some(nodes)
    }

    fn leave(&mut self) {
        if self.ready().is_ok()
            && let Err(why) = self.node.leave()
        {
            tracing::warn!(%why, "this node could not leave in order");
        }
    }
}
