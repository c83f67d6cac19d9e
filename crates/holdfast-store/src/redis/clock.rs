//! The sale clock where several nodes stamp: each has a line, and the furthest of them counts.

use std::time::Duration;

use crate::STEP_MAX;

/// A node's line of a log's sale clock.
///
/// The line says what the clock must have reached by now: a stamp was seen, and so much monotonic time
/// has passed since. It is never ahead of the time that has really passed, and what it says is at most
/// one step past the last stamp that is known to be durable.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeClock {
    /// The last durable stamp.
    durable: Duration,
    /// The line: so far, at this monotonic time.
    value: Duration,
    at: Duration,
}

impl NodeClock {
    /// Takes up a log whose last durable stamp says `clock_ms`, seen at monotonic time `now`.
    pub(super) fn resume(clock_ms: u64, now: Duration) -> Self {
        let value = Duration::from_millis(clock_ms);
        Self { durable: value, value, at: now }
    }

    /// The clock at monotonic time `now`, with its fraction of a millisecond.
    pub(super) fn read(&self, now: Duration) -> Duration {
        let line = self.value + now.saturating_sub(self.at);
        line.min(self.durable + STEP_MAX)
    }

    /// An entry that this node proposed to stamp with `read(sent)` has become durable as
    /// `clock_ms`; the answer came at `received`.
    pub(super) fn wrote(&mut self, clock_ms: u64, sent: Duration, received: Duration) {
        let proposed = self.read(sent);
        if whole_ms(proposed) == clock_ms {
            *self = Self { durable: proposed, value: proposed, at: sent.max(self.at) };
        } else {
            self.saw(clock_ms, received);
        }
    }

    /// Another's stamp was seen, durable, at `received`.
    pub(super) fn saw(&mut self, clock_ms: u64, received: Duration) {
        let stamp = Duration::from_millis(clock_ms);
        if stamp <= self.durable {
            return;
        }
        // What an outage has put on the line counts once, and at most as one step.
        let line = self.read(received);
        *self = Self { durable: stamp, value: line.max(stamp), at: received };
    }
}

pub(super) fn whole_ms(clock: Duration) -> u64 {
    u64::try_from(clock.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_node_that_writes_alone_loses_nothing_to_the_way() {
        let mut clock = NodeClock::resume(1_000, ms(0));
        for round in 1..=100 {
            let sent = ms(round * 10);
            let stamp = whole_ms(clock.read(sent));
            clock.wrote(stamp, sent, sent + ms(7));
        }
        assert_eq!(clock.read(ms(1_000)), ms(2_000));
    }

    #[test]
    fn it_keeps_fractions() {
        let mut clock = NodeClock::resume(0, ms(0));
        for step in 1..=10 {
            let sent = Duration::from_micros(300) * step;
            clock.wrote(whole_ms(clock.read(sent)), sent, sent);
        }
        assert_eq!(clock.read(ms(3)), ms(3));
    }

    #[test]
    fn an_outage_costs_one_step_however_many_nodes_there_are() {
        let mut clocks = [NodeClock::resume(0, ms(0)); 3];
        let mut last = 0;
        for writer in 0..3 {
            let sent = ms(600_000 + writer as u64);
            last = whole_ms(clocks[writer].read(sent)).max(last);
            for (node, clock) in clocks.iter_mut().enumerate() {
                if node == writer {
                    clock.wrote(last, sent, sent);
                } else {
                    clock.saw(last, sent);
                }
            }
        }
        assert!((500..=503).contains(&last), "{last}");
    }

    #[test]
    fn it_never_runs_ahead_of_time_whoever_writes() {
        let (mut one, mut other) = (NodeClock::resume(0, ms(0)), NodeClock::resume(0, ms(0)));
        let mut last = 0;
        for round in 1..=200 {
            let (sent, received) = (ms(round * 20), ms(round * 20 + 15));
            let (writer, reader) =
                if round % 3 == 0 { (&mut one, &mut other) } else { (&mut other, &mut one) };
            last = whole_ms(writer.read(sent)).max(last);
            assert!(last <= round * 20, "{last} at {sent:?}");
            writer.wrote(last, sent, received);
            reader.saw(last, received);
        }
        assert!(last >= 200 * 20 - 100, "it keeps time, but for the way: {last}");
    }

    #[test]
    fn without_durable_stamps_it_stands_one_step_ahead() {
        let clock = NodeClock::resume(0, ms(0));
        assert_eq!(clock.read(ms(600_000)), ms(500));
    }
}
