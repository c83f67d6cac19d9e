//! What can happen.

use std::time::Duration;

use super::world::World;
use super::{Node, NodeNet};
use crate::rng::Rng;

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
}

impl Fault {
    /// Faults of Redis and of the ways to it, none of which takes a node away: nothing may be lost
    /// by them.
    pub const HARMLESS: &'static [Self] = &[
        Self::Lag,
        Self::FailOver,
        Self::Restart,
        Self::Empty,
        Self::Flush,
        Self::LoseReplies,
        Self::Delay,
    ];

    /// Whatever takes away any nodes, and never more than a minority of what Redis has on its disks: nothing
    /// that was confirmed may be lost by them.
    pub const MINORITY: &'static [Self] = &[
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
        }
    }
}

impl<N: Node> World<N> {
    /// One fault strikes.
    pub(super) fn strike(&mut self) {
        let faults = self.faults.clone();
        let Some(&fault) = self.rng.pick(&faults) else { return };
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
        }
    }

    fn master(&self) -> usize {
        self.cluster.net.node(0, |net| net.master)
    }

    fn of_a_node(&mut self, act: impl FnOnce(&mut NodeNet, &mut Rng)) {
        let node = self.rng.index(self.cluster.nodes.len());
        let rng = &mut self.rng;
        self.cluster.net.node(node, |net| act(net, rng));
    }

    fn lag(&mut self) {
        let server = self.rng.index(self.cluster.net.count());
        let is_prompt = self.rng.percent(60);
        self.cluster.net.set_prompt(server, is_prompt);
        let most = self.rng.index(4);
        self.cluster.net.servers(|servers| servers.deliver(server, most));
    }

    /// A server that is not the master.
    fn other(&mut self) -> Option<usize> {
        let count = self.cluster.net.count();
        let master = self.master();
        let other = self.rng.index(count);
        (other != master).then_some(other)
    }

    /// The master dies, and the replica that has the most on its disk is promoted: nothing is lost that
    /// more than half of the servers have.
    fn take_over(&mut self) {
        let (master, count) = (self.master(), self.cluster.net.count());
        let next = self.cluster.net.servers(|servers| {
            let others = (0..count).filter(|it| *it != master);
            others.filter_map(|it| Some((servers.flushed(it, master)?, it))).max()
        });
        if let Some((_, next)) = next {
            self.fail_over(next);
        }
    }

    fn fail_over(&mut self, next: usize) {
        let master = self.master();
        self.cluster.net.servers(|servers| servers.kill(master));
        self.down_for_a_while();
        let count = self.cluster.net.count();
        let others: Vec<usize> = (0..count).filter(|it| *it != next && *it != master).collect();
        self.cluster.net.fail_over(next, &others);
        self.down_for_a_while();
        self.cluster.net.servers(|servers| {
            servers.restart(master);
            servers.attach(master, next);
        });
    }

    /// Some follow another server, and the old one goes on with whoever stays.
    fn split(&mut self) {
        let Some(next) = self.other() else { return };
        self.cluster.net.servers(|servers| servers.promote(next));
        for node in 0..self.cluster.nodes.len() {
            if self.rng.percent(50) {
                self.cluster.net.node(node, |net| net.master = next);
            }
        }
        let follows = self.rng.percent(50);
        let third = (0..self.cluster.net.count()).find(|it| *it != next && *it != self.master());
        if let Some(third) = third.filter(|_| follows) {
            self.cluster.net.servers(|servers| servers.attach(third, next));
        }
    }

    fn restart(&mut self, is_emptied: bool) {
        let master = self.master();
        self.cluster.net.servers(|servers| servers.kill(master));
        self.down_for_a_while();
        self.cluster.net.servers(|servers| {
            if is_emptied {
                servers.wipe(master);
            }
            servers.restart(master);
        });
        self.attach_others(master);
    }

    fn attach_others(&mut self, master: usize) {
        let count = self.cluster.net.count();
        self.cluster.net.servers(|servers| {
            for other in (0..count).filter(|it| *it != master) {
                servers.attach(other, master);
            }
        });
    }

    fn set_back(&mut self) {
        let master = self.master();
        let taken = self.images.iter().rposition(|(server, _)| *server == master);
        match taken.filter(|_| self.rng.percent(60)) {
            Some(at) => {
                let (server, image) = self.images.remove(at);
                self.cluster.net.servers(|servers| servers.set_back(server, &image));
                self.attach_others(master);
            }
            None => {
                let image = self.cluster.net.servers(|servers| servers.image(master));
                self.images.push((master, image));
            }
        }
    }

    fn down_for_a_while(&mut self) {
        let time = Duration::from_millis(self.rng.between(0, 3_000));
        self.cluster.live(time);
    }

    fn freeze(&mut self) {
        let node = self.rng.index(self.cluster.nodes.len());
        let until = self.cluster.net.now() + Duration::from_millis(self.rng.between(10, 60_000));
        self.cluster.net.node(node, |net| net.is_frozen = true);
        self.frozen_until.insert(node, until);
    }

    /// Nodes whose time has come go on.
    pub(super) fn thaw(&mut self) {
        let now = self.cluster.net.now();
        let over = self.frozen_until.extract_if(.., |_, until| *until <= now);
        let over: Vec<usize> = over.map(|(node, _)| node).collect();
        for node in over {
            self.cluster.net.node(node, |net| net.is_frozen = false);
        }
    }

    fn kill_node(&mut self) {
        let node = self.rng.index(self.cluster.nodes.len());
        self.cluster.kill(node);
    }

    fn leave(&mut self) {
        // The last one does not leave: nobody would know any more what Redis must have.
        let living = self.living();
        if let Some(&node) = self.rng.pick(&living).filter(|_| living.len() > 1) {
            self.cluster.node(node).leave();
            self.cluster.kill(node);
        }
    }

    fn back(&mut self) {
        let dead = (0..self.cluster.nodes.len()).find(|&node| self.cluster.nodes[node].is_none());
        if let Some(node) = dead {
            let _ = self.cluster.restart(node, Duration::from_secs(5));
        }
    }

    /// From now on nothing fails.
    pub(super) fn mend(&mut self) {
        self.faults.clear();
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
