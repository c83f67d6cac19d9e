//! What can be set about a rehearsal.

use std::num::NonZero;
use std::time::Duration;

use crate::{RehearseError, Stop, Target};

/// Time that the verdict may take, in seconds; what it cannot check by then is unverified.
pub(crate) const VERDICT_SECONDS_MAX: u32 = 60;

const BUYERS_MAX: u32 = 10_000_000;
const CAPACITY_MAX: u32 = 10_000_000;
const HOLD_SECONDS_MAX: u32 = 86_400;
const CONNECTIONS_MAX: usize = 1_000_000;
const THREADS_MAX: usize = 64;

/// What can be set about a rehearsal. It holds secrets, so it cannot be printed.
#[derive(Clone)]
pub struct Options {
    /// The server.
    pub target: Target,
    /// The merchant's key: makes, opens and closes the sale, and asks for its audit.
    pub merchant_key: String,
    /// HS256 secret: buyers sign a token of their own. `None`: the merchant's key asks for them.
    pub buyer_secret: Option<Vec<u8>>,
    /// Buyers, each of whom asks for one unit; 1 to 10,000,000.
    pub buyers: u32,
    /// The time in which they come, uniformly; zero means all at once.
    pub over: Duration,
    /// Units in the sale; 0 to 10,000,000.
    pub capacity: u32,
    /// How long a hold lasts, in seconds; longer than the rehearsal itself can take, since the
    /// verdict counts on no hold running out meanwhile.
    pub hold_seconds: u32,
    /// Draws the buyers' moments and the samples.
    pub seed: u64,
    /// Connections open at a time, 1 to 1,000,000; lowered to what the process may open.
    pub connections: usize,
    /// How long a buyer waits, from their moment on; who has no answer by then is unanswered.
    pub patience: Duration,
    /// Threads that play buyers, 1 to 64; by default half the cores, since a server on the same
    /// machine needs the others.
    pub threads: usize,
    /// Winners, and as many losers, who are asked again for the verdict.
    pub sample: usize,
    /// Ends the rehearsal before its time.
    pub stop: Stop,
}

impl Options {
    /// The contract's default rehearsal: 50,000 buyers within 30 s for 5,000 units.
    pub fn new(target: Target, merchant_key: impl Into<String>) -> Self {
        Self {
            target,
            merchant_key: merchant_key.into(),
            buyer_secret: None,
            buyers: 50_000,
            over: Duration::from_secs(30),
            capacity: 5_000,
            hold_seconds: 300,
            seed: 1,
            connections: 8_000,
            patience: Duration::from_secs(30),
            threads: (cores() / 2).clamp(1, THREADS_MAX),
            sample: 200,
            stop: Stop::new(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), RehearseError> {
        range("buyers", self.buyers, 1, BUYERS_MAX)?;
        range("capacity", self.capacity, 0, CAPACITY_MAX)?;
        range("hold_seconds", self.hold_seconds, 1, HOLD_SECONDS_MAX)?;
        range("connections", self.connections, 1, CONNECTIONS_MAX)?;
        range("threads", self.threads, 1, THREADS_MAX)?;
        let longest = self.over + self.patience + seconds(VERDICT_SECONDS_MAX);
        if seconds(self.hold_seconds) < longest {
            let needed = longest.as_secs() + 1;
            let reason = format!(
                "a hold must outlast the rehearsal: at least {needed}, which is over + patience + \
                 {VERDICT_SECONDS_MAX} s for the verdict"
            );
            return Err(RehearseError::Option { option: "hold_seconds", reason });
        }
        Ok(())
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

fn range<T>(option: &'static str, value: T, min: T, max: T) -> Result<(), RehearseError>
where
    T: Copy + PartialOrd + std::fmt::Display,
{
    if value >= min && value <= max {
        return Ok(());
    }
    let reason = format!("{value} is not within {min} to {max}");
    Err(RehearseError::Option { option, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options::new("http://127.0.0.1:1".parse().unwrap(), "key")
    }

    #[test]
    fn the_default_rehearsal_is_in_range() {
        options().check().unwrap();
    }

    #[test]
    fn holds_that_would_run_out_meanwhile_are_refused() {
        let short = Options { hold_seconds: 60, ..options() };
        let error = short.check().unwrap_err().to_string();
        assert!(error.contains("at least 121"), "{error}");
    }

    #[test]
    fn nobody_is_no_crowd() {
        assert!(Options { buyers: 0, ..options() }.check().is_err());
        assert!(Options { threads: 0, ..options() }.check().is_err());
        assert!(Options { connections: 0, ..options() }.check().is_err());
    }
}
