//! A cluster to which things happen.

use std::collections::BTreeMap;
use std::time::Duration;

use super::faults::Later;
use super::{Cluster, Fault, Node};
use crate::redis::Image;
use crate::rng::Rng;

/// A cluster, and what befalls it.
pub(super) struct World<N> {
    pub(super) rng: Rng,
    pub(super) cluster: Cluster<N>,
    pub(super) frozen_until: BTreeMap<usize, Duration>,
    /// Which faults are drawn, and one in how many steps.
    pub(super) faults: Vec<Fault>,
    pub(super) one_in: u64,
    /// The node that was last asked something.
    pub(super) last_asked: usize,
    /// The node that is to be asked next.
    pub(super) asks_first: Option<usize>,
    /// What ends, or goes on, at a later time.
    pub(super) later: Vec<(Duration, Later)>,
    /// What a process of Redis was at an earlier moment.
    pub(super) images: Vec<(usize, Image)>,
    /// Faults that have struck, by their names.
    pub(super) struck: BTreeMap<&'static str, usize>,
}

impl<N: Node> World<N> {
    /// Draws which of these faults strike this cluster, and how often.
    pub(super) fn new(mut rng: Rng, cluster: Cluster<N>, faults: &[Fault]) -> Self {
        let one_in = rng.between(4, 40);
        let count = if rng.percent(50) { rng.index(4) + 1 } else { faults.len() };
        let few = (0..count).filter_map(|_| rng.pick(faults).copied()).collect();
        let faults = if count < faults.len() { few } else { faults.to_vec() };
        Self {
            rng,
            cluster,
            frozen_until: BTreeMap::new(),
            faults,
            one_in,
            last_asked: 0,
            asks_first: None,
            later: Vec::new(),
            images: Vec::new(),
            struck: BTreeMap::new(),
        }
    }

    /// A moment passes, in which something may go wrong.
    pub(super) fn pass(&mut self) {
        if !self.faults.is_empty() && self.rng.below(self.one_in) == 0 {
            self.strike();
        }
        self.go_on();
        let time = Duration::from_millis(self.rng.between(1, 60));
        match self.rng.below(10) {
            0 => self.cluster.live(time * 4),
            _ => self.cluster.net.pass(time),
        }
    }

    /// Nodes that run.
    pub(super) fn living(&self) -> Vec<usize> {
        let nodes = self.cluster.nodes.iter().enumerate();
        let living = nodes.filter(|(node, it)| it.is_some() && !self.cluster.net.is_frozen(*node));
        living.map(|(node, _)| node).collect()
    }

    /// The node that is asked now, if one runs.
    pub(super) fn some_node(&mut self) -> Option<usize> {
        let living = self.living();
        let first = self.asks_first.take().filter(|node| living.contains(node));
        let node = first.or_else(|| self.rng.pick(&living).copied())?;
        self.last_asked = node;
        Some(node)
    }

    /// Starts every node that is dead.
    ///
    /// # Errors
    /// Why one cannot come back.
    pub(super) fn bring_back(&mut self, patience: Duration) -> Result<(), String> {
        for node in 0..self.cluster.nodes.len() {
            if self.cluster.nodes[node].is_none() {
                let back = self.cluster.restart(node, patience);
                back.map_err(|error| format!("node {node} cannot come back: {error}"))?;
            }
        }
        Ok(())
    }
}
