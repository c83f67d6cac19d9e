//! What is to happen when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::plan::Trouble;

/// Something that will happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A buyer does something.
    Buyer { sale: usize, buyer: usize },
    /// A till does something.
    Till { sale: usize },
    /// A merchant does something.
    Merchant { sale: usize },
    /// Something goes wrong, or is done in the background.
    Trouble(Trouble),
    /// The disk has room again.
    Room,
    /// The process is ended, to be started again.
    Replace,
    /// A process is started.
    Start,
}

/// Events by time, those of the same time in the order in which they were entered.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    entered: u64,
}

impl Agenda {
    pub(super) fn enter(&mut self, at_us: u64, event: Event) {
        self.entered += 1;
        self.events.push(Reverse((at_us, self.entered, event)));
    }

    pub(super) fn next_at(&self) -> Option<u64> {
        self.events.peek().map(|Reverse((at_us, ..))| *at_us)
    }

    pub(super) fn take_due(&mut self, now_us: u64) -> Option<Event> {
        self.next_at().filter(|&at_us| at_us <= now_us)?;
        self.events.pop().map(|Reverse((.., event))| event)
    }

    /// Keeps only some events.
    pub(super) fn retain(&mut self, keep: impl Fn(Event) -> bool) {
        self.events.retain(|Reverse((.., event))| keep(*event));
    }
}
