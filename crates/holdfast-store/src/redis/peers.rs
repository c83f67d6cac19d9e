//! The other nodes: whoever has been silent for too long is taken off the roll.

use std::collections::BTreeMap;
use std::time::Duration;

use super::calls::number;
use super::control::Document;
use super::link::Reply;
use super::mirror::Mirror;
use super::node::{Node, Step, said};
use crate::Nodes;

/// How often the roll is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
        let roll = self.insist(self.calls.roll())?;
        let is_last = roll.chunks(2).all(|pair| pair[0].text() == Some(own.as_str()));
        if is_last {
            self.take_up_logs()?;
        }
        self.insist(self.calls.leave(&own))?;
        if !is_last {
            return Ok(());
        }
        let mirrors = self.mirrors.lock();
        let end = |(&log, mirror): (&u32, &Mirror)| (log, self.adopted, mirror.last().sequence);
        let ends = mirrors.logs.iter().map(end).collect();
        drop(mirrors);
        self.change_row(|document| (document.roll, document.left) = (Vec::new(), ends))
    }

    /// Takes nodes off the row whose every entry is known here. Where it cannot be done now, they
    /// stay there: then the next recovery waits for them in vain, and withholds units.
    pub(super) fn forget(&mut self, nodes: &[String]) -> Step<()> {
        self.change_row(|document| document.roll.retain(|node| !nodes.contains(node)))
    }

    /// Changes the row, if this node's epoch is the one that is open.
    pub(super) fn change_row(&mut self, change: impl FnOnce(&mut Document)) -> Step<()> {
        let Some(row) = self.control.read()? else { return Ok(()) };
        let mut document = Document::read(&row.document)?;
        if row.epoch != self.adopted || !document.is_open {
            return Ok(());
        }
        change(&mut document);
        self.control.replace(row.version, row.epoch, &document.write())?;
        Ok(())
    }
}
