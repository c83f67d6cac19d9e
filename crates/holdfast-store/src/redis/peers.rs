//! The other nodes: whoever has been silent for too long is taken off the roll.

use std::collections::BTreeMap;
use std::time::Duration;

use super::calls::number;
use super::control::{ControlRow, Document};
use super::link::Reply;
use super::mirror::Mirror;
use super::node::{Node, Step, said};
use crate::Nodes;

/// How often the roll is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often the control row is held against the process's roll; soon after the roll or the index has
/// changed.
const CHORES_EVERY: Duration = Duration::from_secs(15);
const CHORES_SOON: Duration = Duration::from_secs(1);

/// How long the row is left alone after the ledger did not answer: it takes the engine's time.
const CHORES_REST: Duration = Duration::from_secs(60);

/// How long a node may say nothing. One that lives says something every 250 ms.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// What is known of the others.
#[derive(Debug, Default)]
pub(super) struct Peers {
    looked_at: Option<Duration>,
    /// How many calls each had made, and since when it is so many.
    calls: BTreeMap<String, (u64, Duration)>,
    /// Those that were not silent when the roll was last looked at, in any reign.
    living: Vec<u64>,
}

/// What is to be done on the control row.
#[derive(Debug, Default)]
pub(super) struct Chores {
    /// The row does not know of a sale yet, or of a node that is gone.
    pub(super) is_due_soon: bool,
    done_at: Option<Duration>,
    rests_until: Option<Duration>,
}

impl Chores {
    /// They are due now.
    pub(super) fn hurry(&mut self) {
        (self.is_due_soon, self.done_at) = (true, None);
    }
}

impl Peers {
    /// A reign has begun: how many calls each has made is counted afresh.
    pub(super) fn begin(&mut self) {
        (self.looked_at, self.calls) = (None, BTreeMap::new());
    }

    /// The nodes that live, `own` among them.
    pub(super) fn living(&self, own: &str) -> Nodes {
        Nodes { own: short(own), living: self.living.clone() }
    }

    /// Takes note of the roll; says who has been silent for too long, and who has left it.
    fn note(&mut self, roll: &[Reply], now: Duration) -> (Vec<String>, Vec<String>) {
        let known = std::mem::take(&mut self.calls);
        for pair in roll.chunks(2) {
            let Some(node) = pair.first().and_then(Reply::text) else { continue };
            let calls = number(pair, 1).unwrap_or_default();
            let since = match known.get(node) {
                Some(&(before, since)) if before == calls => since,
                _ => now,
            };
            self.calls.insert(node.to_owned(), (calls, since));
        }
        let silent = |&(_, since): &(u64, Duration)| now.saturating_sub(since) > SILENCE_MAX;
        let (silent, living): (Vec<_>, Vec<_>) =
            self.calls.iter().partition(|(_, known)| silent(known));
        self.living = living.into_iter().map(|(node, _)| short(node)).collect();
        self.living.sort_unstable();
        let silent = silent.into_iter().map(|(node, _)| node.clone()).collect();
        let left = known.into_keys().filter(|node| !self.calls.contains_key(node));
        (silent, left.collect())
    }
}

/// A node's number: the first half of its name, which was drawn at random.
fn short(node: &str) -> u64 {
    node.get(..16).and_then(|half| u64::from_str_radix(half, 16).ok()).unwrap_or_default()
}

impl Node {
    /// Looks at the roll, if it is time. Returns who has left the process's roll, or was silent and has
    /// been taken off it: once all that they may have written is known here, they can be forgotten.
    pub(super) fn mind_peers(&mut self) -> Step<Vec<String>> {
        let now = self.clock.monotonic();
        let is_time = |at: Duration| now.saturating_sub(at) >= LOOK_EVERY;
        if !self.peers.looked_at.is_none_or(is_time) {
            return Ok(Vec::new());
        }
        self.peers.looked_at = Some(now);
        let roll = self.ask(self.calls.roll())?.map_err(|refused| said(&refused))?;
        let own = self.calls.caller.node.clone();
        let (mut silent, left) = self.peers.note(&roll, now);
        silent.retain(|node| *node != own);
        for node in &silent {
            tracing::warn!(node, "a node is silent: it is taken off the roll");
            self.insist(self.calls.leave(node))?;
        }
        silent.extend(left);
        Ok(silent)
    }

    /// Goes in order: whatever this node has written, others have or will read. The last one says where
    /// all logs end.
    pub(super) fn leave(&mut self) -> Step<()> {
        let own = self.calls.caller.node.clone();
        let row = match self.control.read() {
            Ok(row) => row.ok_or("there is no control row")?,
            Err(why) => {
                // It need not be waited for in Redis at least; on the row it stays until others see.
                self.insist(self.calls.leave(&own))?;
                return Err(why.into());
            }
        };
        let document = Document::read(&row.document)?;
        let gone = self.gone(&document)?;
        let is_last = document.roll.iter().all(|node| *node == own || gone.contains(node));
        if is_last {
            self.see_off(&gone)?;
            self.take_up_logs()?;
        }
        self.insist(self.calls.leave(&own))?;
        if !is_last || row.epoch != self.adopted || !document.is_open {
            // Whoever stays finds it on the row and not on the process's roll.
            return Ok(());
        }
        let mirrors = self.mirrors.lock();
        let end = |(&log, mirror): (&u32, &Mirror)| (log, self.adopted, mirror.last().sequence);
        let left = mirrors.logs.iter().map(end).collect();
        drop(mirrors);
        let empty = Document { roll: Vec::new(), left, ..document };
        // If somebody has come since, the row has changed, and this node stays on it until they see.
        self.control.replace(row.version, row.epoch, &empty.write())?;
        Ok(())
    }

    /// Does what is to be done on the control row, now and then: nothing waits for it, and while the ledger is
    /// away it is left for later.
    pub(super) fn do_chores(&mut self) -> Step<()> {
        let now = self.clock.monotonic();
        let is_due = if self.chores.is_due_soon { CHORES_SOON } else { CHORES_EVERY };
        if self.chores.rests_until.is_some_and(|until| now < until)
            || self.chores.done_at.is_some_and(|at| now.saturating_sub(at) < is_due)
        {
            return Ok(());
        }
        self.chores.done_at = Some(now);
        let Some((row, document)) = self.read_row() else { return Ok(()) };
        let gone = self.gone(&document)?;
        self.see_off(&gone)?;
        if !gone.is_empty() {
            self.take_up_logs()?;
        }
        let sales = self.sales()?.len() as u64;
        let mut tidy = document.clone();
        tidy.roll.retain(|node| !gone.contains(node));
        tidy.sales = tidy.sales.max(sales);
        self.chores.is_due_soon = false;
        if tidy != document
            && let Err(why) = self.control.replace(row.version, row.epoch, &tidy.write())
        {
            self.put_off_chores(&why);
        }
        Ok(())
    }

    /// Who is on the row's roll and not on the process's.
    fn gone(&mut self, document: &Document) -> Step<Vec<String>> {
        let roll = self.insist(self.calls.roll())?;
        let is_there = |node: &String| {
            roll.chunks(2).any(|pair| pair.first().and_then(Reply::text) == Some(node))
        };
        Ok(document.roll.iter().filter(|it| !is_there(it)).cloned().collect())
    }

    /// Who is about to join under one of these names has to take another.
    fn see_off(&mut self, gone: &[String]) -> Step<()> {
        gone.iter().try_for_each(|node| self.insist(self.calls.leave(node)).map(drop))
    }

    /// The row, if it can be read and is of this epoch.
    fn read_row(&mut self) -> Option<(ControlRow, Document)> {
        let row = match self.control.read() {
            Ok(row) => row?,
            Err(why) => {
                self.put_off_chores(&why);
                return None;
            }
        };
        let document = Document::read(&row.document).ok()?;
        (row.epoch == self.adopted && document.is_open).then_some((row, document))
    }

    fn put_off_chores(&mut self, why: &str) {
        tracing::warn!(
            why,
            "the control row cannot be kept: until it can, a recovery may wait in vain"
        );
        self.chores.rests_until = Some(self.clock.monotonic() + CHORES_REST);
    }
}
