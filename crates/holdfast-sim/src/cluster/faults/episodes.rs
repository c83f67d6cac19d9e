//! What takes its time: it begins with a fault, and goes on or ends by itself. While one lasts, nothing
//! else befalls the servers.

use std::time::Duration;

use crate::cluster::Node;
use crate::cluster::world::World;
use crate::redis::Image;

/// What happens later.
pub(in crate::cluster) enum Later {
    /// Replicas get everything again.
    Confirm,
    /// A master that was cut off becomes a replica, and everybody reaches everything.
    Rejoin(usize),
    /// The master dies; another reigns until it returns.
    Fall,
    /// This server is all that is left.
    Return(usize),
    /// A node is connected again.
    Connect(usize),
    /// A server is set back, and then this node wakes.
    SetBack(usize, Box<Image>, usize),
}

impl<N: Node> World<N> {
    /// What is due goes on, and nodes whose time has come wake.
    pub(in crate::cluster) fn go_on(&mut self) {
        let now = self.cluster.net.now();
        let over = self.frozen_until.extract_if(.., |_, until| *until <= now);
        let over: Vec<usize> = over.map(|(node, _)| node).collect();
        for node in over {
            self.cluster.net.node(node, |net| net.is_frozen = false);
        }
        let due: Vec<_> = self.later.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, later) in due {
            match later {
                Later::Confirm => self.set_replicas_prompt(true),
                Later::Rejoin(old) => self.rejoin(old),
                Later::Fall => self.fall(),
                Later::Return(old) => self.return_alone(old),
                Later::Connect(node) => self.cluster.net.node(node, |net| {
                    (net.is_cut, net.has_no_control) = (false, false);
                }),
                Later::SetBack(server, image, node) => {
                    self.cluster.net.servers(|servers| servers.set_back(server, &image));
                    self.attach_others(server);
                    self.frozen_until.remove(&node);
                    self.cluster.net.node(node, |net| net.is_frozen = false);
                    self.asks_first = Some(node);
                }
            }
        }
    }

    /// In so many milliseconds, drawn from this range.
    fn later(&mut self, low: u64, high: u64, what: Later) {
        let at = self.cluster.net.now() + Duration::from_millis(self.rng.between(low, high));
        self.later.push((at, what));
    }

    fn set_replicas_prompt(&mut self, is_prompt: bool) {
        for server in 0..self.cluster.net.count() {
            self.cluster.net.set_prompt(server, is_prompt);
        }
    }

    pub(super) fn stall(&mut self) {
        self.set_replicas_prompt(false);
        let most = if self.rng.percent(20) { 20_000 } else { 1_500 };
        self.later(300, most, Later::Confirm);
    }

    pub(super) fn isolate(&mut self) {
        let (old, nodes) = (self.master(), self.cluster.nodes.len());
        let Some(next) = self.best_replica() else { return };
        let stays = self.rng.index(nodes);
        let net = self.cluster.net.clone();
        let others: Vec<usize> = (0..net.count()).filter(|it| *it != old).collect();
        net.servers(|servers| {
            servers.promote(next);
            for &other in others.iter().filter(|it| **it != next) {
                servers.attach(other, next);
            }
        });
        net.name_master(next);
        for node in 0..nodes {
            if node == stays || self.rng.percent(30) {
                let has_no_control = self.rng.percent(70);
                net.node(node, |it| {
                    it.hidden = others.iter().copied().collect();
                    (it.master, it.has_no_control) = (old, has_no_control);
                });
            } else {
                net.node(node, |it| (it.hidden, it.master) = ([old].into(), next));
            }
        }
        self.later(200, 15_000, Later::Rejoin(old));
    }

    fn rejoin(&mut self, old: usize) {
        let (net, master) = (self.cluster.net.clone(), self.master());
        net.servers(|servers| servers.attach(old, master));
        net.show_master(master);
        for node in 0..self.cluster.nodes.len() {
            net.node(node, |it| {
                it.hidden.clear();
                it.has_no_control = false;
            });
        }
    }

    pub(super) fn fall_and_return(&mut self) {
        if self.best_replica().is_some() {
            self.set_replicas_prompt(false);
            self.later(100, 900, Later::Fall);
        }
    }

    fn fall(&mut self) {
        let (old, next) = (self.master(), self.best_replica());
        self.set_replicas_prompt(true);
        let Some(next) = next else { return };
        let count = self.cluster.net.count();
        let others: Vec<usize> = (0..count).filter(|it| *it != old && *it != next).collect();
        self.cluster.net.servers(|servers| servers.kill(old));
        self.cluster.net.fail_over(next, &others);
        self.later(300, 3_000, Later::Return(old));
    }

    fn return_alone(&mut self, old: usize) {
        let others: Vec<usize> = (0..self.cluster.net.count()).filter(|it| *it != old).collect();
        self.cluster.net.servers(|servers| {
            for &other in &others {
                servers.kill(other);
                servers.wipe(other);
                servers.restart(other);
            }
            servers.restart(old);
        });
        self.cluster.net.fail_over(old, &others);
    }

    pub(super) fn leave_alone(&mut self) {
        let node = self.last_asked;
        if self.rng.percent(50) {
            let until = Duration::from_millis(self.rng.between(3_500, 20_000));
            self.frozen_until.insert(node, self.cluster.net.now() + until);
            self.cluster.net.node(node, |net| net.is_frozen = true);
        } else {
            self.cluster.net.node(node, |net| (net.is_cut, net.has_no_control) = (true, true));
            self.later(3_500, 20_000, Later::Connect(node));
        }
        self.restart(true);
    }

    pub(super) fn rewind(&mut self) {
        let (master, living) = (self.master(), self.living());
        let Some(&node) = self.rng.pick(&living).filter(|_| living.len() > 1) else { return };
        let image = self.cluster.net.servers(|servers| servers.image(master));
        self.cluster.net.node(node, |net| net.is_frozen = true);
        self.later(50, 1_500, Later::SetBack(master, Box::new(image), node));
    }
}
