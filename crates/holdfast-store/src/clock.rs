//! Time, as the store and whoever stands on it may see it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The longest step of the sale clock. Outages and stops cost a buyer at most this much.
pub const STEP_MAX: Duration = Duration::from_millis(500);

/// The only source of time in the system. Real in production, a script in the simulator.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment; never steps, never goes back.
    fn monotonic(&self) -> Duration;

    /// Milliseconds since 1970 UTC; may step either way.
    fn wall_ms(&self) -> u64;
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time counts from now.
    #[expect(clippy::new_without_default, reason = "a clock starts; it has no default state")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

fn step_max() -> Duration {
    #[cfg(feature = "planted")]
    if crate::planted::is(crate::planted::Bug::ClockUncapped) {
        return Duration::MAX;
    }
    STEP_MAX
}

/// A log's sale clock: monotonic time added in steps of at most [`STEP_MAX`].
///
/// It advances only when an entry is durable, and may be read at most one step past that.
#[derive(Clone, Copy, Debug)]
pub struct SaleClock {
    durable: Duration,
    at: Duration,
}

impl SaleClock {
    /// Takes up a log whose last durable stamp says `clock_ms`; `now` is monotonic time.
    pub fn resume(clock_ms: u64, now: Duration) -> Self {
        Self { durable: Duration::from_millis(clock_ms), at: now }
    }

    /// The sale clock at monotonic time `now`, with its fraction of a millisecond.
    pub fn read(&self, now: Duration) -> Duration {
        self.durable + now.saturating_sub(self.at).min(step_max())
    }

    /// An entry that was stamped with `read(at)` has become durable.
    pub fn advance(&mut self, at: Duration) {
        self.durable = self.read(at);
        self.at = self.at.max(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn it_resumes_where_it_stood() {
        let clock = SaleClock::resume(7_000, ms(90_000));
        assert_eq!(clock.read(ms(90_000)), ms(7_000));
        assert_eq!(clock.read(ms(90_040)), ms(7_040));
    }

    #[test]
    fn it_is_read_at_most_one_step_past_the_last_durable_entry() {
        let mut clock = SaleClock::resume(0, ms(0));
        for now in [500, 501, 60_000] {
            assert_eq!(clock.read(ms(now)), STEP_MAX);
        }
        clock.advance(ms(60_000));
        assert_eq!(clock.read(ms(60_000)), ms(500), "an outage costs one step, once");
        assert_eq!(clock.read(ms(60_100)), ms(600));
    }

    #[test]
    fn it_neither_goes_back_nor_loses_fractions() {
        let mut clock = SaleClock::resume(0, ms(10));
        for step in 1..=10 {
            clock.advance(ms(10) + Duration::from_micros(300) * step);
        }
        assert_eq!(clock.read(ms(13)), ms(3));
        clock.advance(ms(5));
        assert_eq!(clock.read(ms(12)), ms(3));
        assert_eq!(clock.read(ms(14)), ms(4));
    }
}
