//! What can happen.
//!
//! In reading order: [`Fault`], `servers`, `nodes`, `episodes` (what takes its time).

mod episodes;
mod nodes;
mod servers;

use super::world::World;
use super::{Node, NodeNet};
pub(super) use episodes::Later;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A replica falls behind, or catches up.
    Lag,
    /// The master dies and a replica is promoted; it comes back as a replica.
    FailOver,
    /// The master dies and the replica that has the most is promoted, as a Sentinel chooses.
    TakeOver,
    /// A replica is promoted while the master lives on with whoever stays with it.
    Split,
    /// The master is killed and started again with its files.
    Restart,
    /// The same without its files.
    Empty,
    /// Somebody empties it while it runs.
    Flush,
    /// It is set back to what it was, files and memory.
    SetBack,
    /// A node cannot reach Redis for a time.
    Cut,
    /// A node stands still for up to a minute.
    Freeze,
    /// A node's replies are lost.
    LoseReplies,
    /// A node's calls are late.
    Delay,
    /// A node cannot reach the control row.
    NoControl,
    /// A node is killed.
    KillNode,
    /// A node leaves in order, and comes back.
    Leave,
    /// A dead node starts again.
    Back,
    /// A replica dies, with or without its files, and comes back.
    Replica,
    /// No replica confirms anything for a time.
    Stall,
    /// The master is cut off with some nodes, and goes on; another is promoted for the others.
    Isolate,
    /// A master whose last entries nobody confirmed dies; soon after, it is all that is left of Redis.
    Return,
    /// The node that was asked last is cut off, and the master loses its files.
    Lone,
    /// The master is set back soon, and the first to reach it is a node that stood still since.
    Rewind,
}

/// Which faults a series of stories has, and what it may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// None at all.
    None,
    /// [`Fault::MINORITY`].
    Minority,
    /// [`Fault::HARMLESS`].
    Harmless,
    /// [`Fault::NODES`].
    Nodes,
    /// [`Fault::ALL`].
    All,
}

impl Faults {
    /// The faults themselves.
    pub fn list(self) -> &'static [Fault] {
        match self {
            Self::None => &[],
            Self::Minority => Fault::MINORITY,
            Self::Harmless => Fault::HARMLESS,
            Self::Nodes => Fault::NODES,
            Self::All => Fault::ALL,
        }
    }

    /// Whether they may cost so many confirmed entries and doubts.
    ///
    /// # Errors
    /// What should not have been, in words.
    pub fn may_cost(self, lost: usize, doubts: usize) -> Result<(), String> {
        let (may_lose, may_doubt) = match self {
            Self::None | Self::Minority | Self::Harmless => (false, false),
            Self::Nodes => (false, true),
            Self::All => (true, true),
        };
        if (lost > 0 && !may_lose) || (doubts > 0 && !may_doubt) {
            return Err(format!("{lost} confirmed entries are lost, {doubts} doubts have begun"));
        }
        Ok(())
    }
}

impl Fault {
    /// Faults of Redis and of the ways to it, none of which takes a node away: nothing may be lost
    /// by them.
    pub const HARMLESS: &'static [Self] = &[
        Self::Lag,
        Self::FailOver,
        Self::TakeOver,
        Self::Restart,
        Self::Empty,
        Self::Flush,
        Self::LoseReplies,
        Self::Delay,
        Self::Replica,
        Self::Stall,
        Self::Return,
    ];

    /// What befalls fewer than half of the data nodes at once, and no node: nothing may be lost by it, or
    /// be in doubt.
    pub const MINORITY: &'static [Self] = &[
        Self::Lag,
        Self::TakeOver,
        Self::Restart,
        Self::LoseReplies,
        Self::Delay,
        Self::Replica,
        Self::Stall,
    ];

    /// Whatever takes away any nodes, and never more than a minority of what Redis has on its disks: nothing
    /// that was confirmed may be lost by them.
    pub const NODES: &'static [Self] = &[
        Self::Lag,
        Self::TakeOver,
        Self::Restart,
        Self::Cut,
        Self::Freeze,
        Self::LoseReplies,
        Self::Delay,
        Self::NoControl,
        Self::KillNode,
        Self::Leave,
        Self::Back,
        Self::Replica,
        Self::Stall,
        Self::Isolate,
    ];

    /// Everything.
    pub const ALL: &'static [Self] = &[
        Self::Lag,
        Self::FailOver,
        Self::TakeOver,
        Self::Split,
        Self::Restart,
        Self::Empty,
        Self::Flush,
        Self::SetBack,
        Self::Cut,
        Self::Freeze,
        Self::LoseReplies,
        Self::Delay,
        Self::NoControl,
        Self::KillNode,
        Self::Leave,
        Self::Back,
        Self::Replica,
        Self::Stall,
        Self::Isolate,
        Self::Return,
        Self::Lone,
        Self::Rewind,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Lag => "lag",
            Self::FailOver => "fail over",
            Self::TakeOver => "take over",
            Self::Split => "split",
            Self::Restart => "restart",
            Self::Empty => "empty",
            Self::Flush => "flush",
            Self::SetBack => "set back",
            Self::Cut => "cut",
            Self::Freeze => "freeze",
            Self::LoseReplies => "lose replies",
            Self::Delay => "delay",
            Self::NoControl => "no control",
            Self::KillNode => "kill node",
            Self::Leave => "leave",
            Self::Back => "back",
            Self::Replica => "replica",
            Self::Stall => "stall",
            Self::Isolate => "isolate",
            Self::Return => "return",
            Self::Lone => "lone",
            Self::Rewind => "rewind",
        }
    }

    /// Whether it changes which server is the master, or what servers have.
    fn is_of_servers(self) -> bool {
        matches!(
            self,
            Self::FailOver
                | Self::TakeOver
                | Self::Split
                | Self::Restart
                | Self::Empty
                | Self::Flush
                | Self::SetBack
                | Self::Replica
                | Self::Stall
                | Self::Isolate
                | Self::Return
                | Self::Lone
                | Self::Rewind
        )
    }
}

impl<N: Node> World<N> {
    /// One fault strikes.
    pub(super) fn strike(&mut self) {
        let faults = self.faults.clone();
        let Some(&fault) = self.rng.pick(&faults) else { return };
        if fault.is_of_servers() && !self.later.is_empty() {
            // One at a time.
            return;
        }
        *self.struck.entry(fault.name()).or_default() += 1;
        match fault {
            Fault::Lag => self.lag(),
            Fault::FailOver => {
                if let Some(next) = self.other() {
                    self.fail_over(next);
                }
            }
            Fault::TakeOver => self.take_over(),
            Fault::Split => self.split(),
            Fault::Restart => self.restart(false),
            Fault::Empty => self.restart(true),
            Fault::Flush => {
                let master = self.master();
                self.cluster.net.servers(|servers| {
                    if let Ok(mut connection) = servers.connect(master) {
                        let _ = servers.call(&mut connection, &vec![b"FLUSHALL".to_vec()]);
                    }
                });
            }
            Fault::SetBack => self.set_back(),
            Fault::Cut => self.of_a_node(|net, rng| net.is_cut = rng.percent(50)),
            Fault::Freeze => self.freeze(),
            Fault::LoseReplies => self.of_a_node(|net, rng| net.loses_replies = rng.small(1, 3)),
            Fault::Delay if self.rng.percent(50) => {
                self.of_a_node(|net, rng| net.delays_calls = rng.small(1, 3));
            }
            Fault::Delay => {
                self.cluster.net.deliver_late();
            }
            Fault::NoControl => self.of_a_node(|net, rng| {
                net.has_no_control = rng.percent(50);
                net.loses_control = rng.small(0, 1);
            }),
            Fault::KillNode => self.kill_node(),
            Fault::Leave => self.leave(),
            Fault::Back => self.back(),
            Fault::Replica => self.replace_replica(),
            Fault::Stall => self.stall(),
            Fault::Isolate => self.isolate(),
            Fault::Return => self.fall_and_return(),
            Fault::Lone => self.leave_alone(),
            Fault::Rewind => self.rewind(),
        }
    }

    /// From now on nothing fails.
    pub(super) fn mend(&mut self) {
        self.faults.clear();
        self.later.clear();
        self.frozen_until.clear();
        let net = self.cluster.net.clone();
        let master = self.master();
        for node in 0..self.cluster.nodes.len() {
            net.node(node, |it| *it = NodeNet { master, ..Default::default() });
        }
        net.deliver_late();
        for server in 0..net.count() {
            net.set_prompt(server, true);
        }
        net.servers(|servers| {
            servers.restart(master);
            // A master that was a replica when it died.
            servers.promote(master);
        });
        self.attach_others(master);
    }
}
