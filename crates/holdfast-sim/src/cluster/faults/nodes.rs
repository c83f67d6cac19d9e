//! What happens to nodes and their connections.

use std::time::Duration;

use crate::cluster::world::World;
use crate::cluster::{Node, NodeNet};
use crate::rng::Rng;

impl<N: Node> World<N> {
    pub(super) fn of_a_node(&mut self, act: impl FnOnce(&mut NodeNet, &mut Rng)) {
        let node = self.rng.index(self.cluster.nodes.len());
        let rng = &mut self.rng;
        self.cluster.net.node(node, |net| act(net, rng));
    }

    pub(super) fn freeze(&mut self) {
        let node = self.rng.index(self.cluster.nodes.len());
        let until = self.cluster.net.now() + Duration::from_millis(self.rng.between(10, 60_000));
        self.cluster.net.node(node, |net| net.is_frozen = true);
        self.frozen_until.insert(node, until);
    }

    pub(super) fn kill_node(&mut self) {
        let node = self.rng.index(self.cluster.nodes.len());
        self.cluster.kill(node);
    }

    pub(super) fn leave(&mut self) {
        // The last one does not leave: nobody would know any more what Redis must have.
        let living = self.living();
        if let Some(&node) = self.rng.pick(&living).filter(|_| living.len() > 1) {
            self.cluster.node(node).leave();
            self.cluster.kill(node);
        }
    }

    pub(super) fn back(&mut self) {
        let dead = (0..self.cluster.nodes.len()).find(|&node| self.cluster.nodes[node].is_none());
        if let Some(node) = dead {
            let _ = self.cluster.restart(node, Duration::from_secs(5));
        }
    }
}
