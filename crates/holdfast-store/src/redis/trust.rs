//! Whether a process of Redis still has all that it ever had.

use std::collections::BTreeMap;

use super::link::Reply;
use super::node::{Node, Step};

/// What is known of the process behind a connection. A virtual machine that was set back has a
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

impl Node {
    /// Waits until every node of the roll has called the process since this connection was made.
    pub(super) fn verify(&mut self) -> Step<()> {
        if matches!(self.trust, Trust::Full) || planted!(TrustsAtOnce) {
            return Ok(());
        }
        if !self.mind_peers()?.is_empty() {
            self.chores.is_due_soon = true;
        }
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
        Err(format!("this node was away, and waits until {} others are heard", silent.max(1))
            .into())
    }
}
