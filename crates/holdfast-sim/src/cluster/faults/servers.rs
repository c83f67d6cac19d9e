//! What happens to servers of Redis.

use std::time::Duration;

use crate::cluster::Node;
use crate::cluster::world::World;

impl<N: Node> World<N> {
    /// The server that is the master, as Sentinels say.
    pub(super) fn master(&self) -> usize {
        self.cluster.net.named_master()
    }

    pub(super) fn lag(&mut self) {
        let server = self.rng.index(self.cluster.net.count());
        let is_prompt = self.rng.percent(60);
        self.cluster.net.set_prompt(server, is_prompt);
        let most = self.rng.index(4);
        self.cluster.net.servers(|servers| servers.deliver(server, most));
    }

    /// A server that is not the master.
    pub(super) fn other(&mut self) -> Option<usize> {
        let count = self.cluster.net.count();
        let master = self.master();
        let other = self.rng.index(count);
        (other != master).then_some(other)
    }

    /// The master dies, and the replica that has the most on its disk is promoted: nothing is lost that
    /// more than half of the servers have.
    pub(super) fn take_over(&mut self) {
        if let Some(next) = self.best_replica() {
            self.fail_over(next);
        }
    }

    /// The replica that has the most on its disk.
    pub(super) fn best_replica(&self) -> Option<usize> {
        let (master, count) = (self.master(), self.cluster.net.count());
        let next = self.cluster.net.servers(|servers| {
            let others = (0..count).filter(|it| *it != master);
            others.filter_map(|it| Some((servers.flushed(it, master)?, it))).max()
        });
        next.map(|(_, next)| next)
    }

    pub(super) fn fail_over(&mut self, next: usize) {
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
    pub(super) fn split(&mut self) {
        let Some(next) = self.other() else { return };
        self.cluster.net.servers(|servers| servers.promote(next));
        let old = self.master();
        if self.rng.percent(50) {
            self.cluster.net.name_master(next);
        }
        for node in 0..self.cluster.nodes.len() {
            if self.rng.percent(50) {
                self.cluster.net.node(node, |net| net.master = next);
            }
        }
        let follows = self.rng.percent(50);
        let third = (0..self.cluster.net.count()).find(|it| *it != next && *it != old);
        if let Some(third) = third.filter(|_| follows) {
            self.cluster.net.servers(|servers| servers.attach(third, next));
        }
    }

    pub(super) fn restart(&mut self, is_emptied: bool) {
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

    pub(super) fn attach_others(&mut self, master: usize) {
        let count = self.cluster.net.count();
        self.cluster.net.servers(|servers| {
            for other in (0..count).filter(|it| *it != master) {
                servers.attach(other, master);
            }
        });
    }

    pub(super) fn set_back(&mut self) {
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

    pub(super) fn down_for_a_while(&mut self) {
        let time = Duration::from_millis(self.rng.between(0, 3_000));
        self.cluster.live(time);
    }

    /// A replica dies, with or without its files, and comes back.
    pub(super) fn replace_replica(&mut self) {
        let Some(replica) = self.other() else { return };
        self.cluster.net.servers(|servers| servers.kill(replica));
        self.down_for_a_while();
        let (is_emptied, master) = (self.rng.percent(50), self.master());
        self.cluster.net.servers(|servers| {
            if is_emptied {
                servers.wipe(replica);
            }
            servers.restart(replica);
            servers.attach(replica, master);
        });
    }
}
