//! How an engine is driven through a turn: at one go, or with rounds that are in flight while it
//! settles what comes after them.

use holdfast_engine::{Reply, Request};

use super::Run;
use crate::auditor::Asked;

/// Rounds that a turn is cut into, at most.
const ROUNDS_MAX: u64 = 4;

/// The most that passes while a round is in flight, in microseconds.
const FLIGHT_US: u64 = 1_000;

/// What an engine replied in a turn.
#[derive(Debug, Default)]
pub(super) struct Replied {
    pub(super) replies: Vec<(u64, Reply)>,
    /// How many of them had left the process when it died, if it did.
    pub(super) left: usize,
}

impl Run {
    /// Gives the engine a turn's requests, and takes its replies as they leave. The looks come
    /// last: they are to see all that the turn did.
    pub(super) fn drive(
        &mut self,
        mut requests: Vec<Request<u64>>,
        looks: Vec<Request<u64>>,
    ) -> Replied {
        let mut replied = Replied::default();
        let rounds = if self.rng.percent(50) { 1 } else { self.rng.between(2, ROUNDS_MAX) };
        for left in (1..rounds).rev() {
            let most = requests.len() / usize::try_from(left).unwrap_or(1);
            let rest = requests.split_off(self.rng.index(most + 1));
            self.round(std::mem::replace(&mut requests, rest), &mut replied, false);
            self.clock.advance(self.rng.below(FLIGHT_US));
        }
        self.stats.flights += rounds - 1;
        requests.extend(looks);
        self.round(requests, &mut replied, true);
        replied
    }

    /// Some click twice: they ask again what they are just asking.
    pub(super) fn click_twice(&mut self, asked: &mut Vec<Asked>) {
        let twice = self.plan.click_twice;
        let again: Vec<_> = asked.iter().filter(|_| self.rng.percent(twice)).cloned().collect();
        asked.extend(again);
    }

    fn round(&mut self, mut requests: Vec<Request<u64>>, replied: &mut Replied, is_last: bool) {
        let Some(process) = &mut self.process else { return };
        process.engine.settle(&mut requests, &mut replied.replies);
        self.disk.note_alive(replied);
        if process.engine.is_in_flight() && self.rng.percent(self.plan.killed_in_flight) {
            self.disk.kill();
        }
        if is_last {
            process.engine.commit(&mut replied.replies);
        } else {
            process.engine.advance(&mut replied.replies);
        }
        self.disk.note_alive(replied);
    }
}

impl crate::world::SimDisk {
    /// What a living process has replied has left it.
    fn note_alive(&self, replied: &mut Replied) {
        if !self.is_dead() {
            replied.left = replied.replies.len();
        }
    }
}
