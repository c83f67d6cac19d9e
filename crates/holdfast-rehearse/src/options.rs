//! What can be set about a rehearsal.

use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

use crate::{Arrivals, BuyerLimit, Manners, Payments, RehearseError, Stop, Target};

/// Time that the verdict may take, in seconds; what it cannot check by then is unverified.
pub(crate) const VERDICT_SECONDS_MAX: u32 = 60;

const BUYERS_MAX: u32 = 10_000_000;
const CAPACITY_MAX: u32 = 10_000_000;
const HOLD_SECONDS_MAX: u32 = 86_400;
const CONNECTIONS_MAX: usize = 1_000_000;
const PROCESSES_MAX: usize = 64;

/// What can be set about a rehearsal. It holds secrets, so it cannot be printed.
#[derive(Clone)]
pub struct Options {
    /// The server.
    pub target: Target,
    /// The merchant's key: makes, opens and closes the sale, and asks for its audit.
    pub merchant_key: String,
    /// HS256 secret: buyers sign a token of their own. `None`: the merchant's key asks for them.
    pub buyer_secret: Option<Vec<u8>>,
    /// How often the server lets a buyer with a token of their own ask: a 429 to whoever asked more
    /// often is no failure.
    pub buyer_limit: BuyerLimit,
    /// When the buyers come, each of whom asks for one unit; 1 to 10,000,000 of them.
    pub arrivals: Arrivals,
    /// How they behave.
    pub manners: Manners,
    /// What winners do with their holds after the rush.
    pub payments: Payments,
    /// The server's budget of payments in a second, if it is known: for the report.
    pub payments_per_second: Option<u32>,
    /// Units in the sale; 0 to 10,000,000.
    pub capacity: u32,
    /// How long a hold lasts, in seconds; longer than the rehearsal itself can take, since the
    /// verdict counts on no hold running out meanwhile.
    pub hold_seconds: u32,
    /// Draws the buyers' moments and manners, and the samples.
    pub seed: u64,
    /// Connections open at a time, 1 to 1,000,000; `None`: as many as there are buyers. Lowered to
    /// what the processes may open.
    pub connections: Option<usize>,
    /// How long a buyer waits, from their moment on; who has no answer by then is unanswered.
    pub patience: Duration,
    /// Processes that play buyers, 1 to 64; `None`: as many as the connections need. More than one
    /// need a `generator`.
    pub processes: Option<usize>,
    /// Program and arguments of a process that calls [`crate::generator`].
    pub generator: Option<Vec<OsString>>,
    /// Addresses that connections come from, in turn; empty: the system's choice, and many
    /// addresses of loopback if the target is on it.
    pub source_addresses: Vec<IpAddr>,
    /// The server's process, if it is known and on this machine: the report tells its work.
    pub server_process: Option<u32>,
    /// Whether buyers who end with 429 or 503 `overloaded` are no failure.
    pub allow_shed: bool,
    /// Winners, and as many losers, who are asked again for the verdict.
    pub sample: usize,
    /// The command that repeats this rehearsal, for the report.
    pub command: String,
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
            buyer_limit: BuyerLimit::USUAL,
            arrivals: Arrivals::uniform(50_000, Duration::from_secs(30)),
            manners: Manners::default(),
            payments: Payments::default(),
            payments_per_second: None,
            capacity: 5_000,
            hold_seconds: 300,
            seed: 1,
            connections: None,
            patience: Duration::from_secs(30),
            processes: None,
            generator: None,
            source_addresses: Vec::new(),
            server_process: None,
            allow_shed: false,
            sample: 200,
            command: String::new(),
            stop: Stop::new(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), RehearseError> {
        // Before anything is made of them: they may be beyond all memory.
        range("buyers", self.arrivals.buyers_about().round(), 1.0, f64::from(BUYERS_MAX))?;
        range("capacity", self.capacity, 0, CAPACITY_MAX)?;
        range("hold_seconds", self.hold_seconds, 1, HOLD_SECONDS_MAX)?;
        range("connections", self.connections.unwrap_or(1), 1, CONNECTIONS_MAX)?;
        range("processes", self.processes.unwrap_or(1), 1, PROCESSES_MAX)?;
        self.manners.check()?;
        self.payments.check()?;
        if self.processes.is_some_and(|processes| processes > 1) && self.generator.is_none() {
            let reason = "more than one need a command for a generator".into();
            return Err(RehearseError::Option { option: "processes", reason });
        }
        let longest = self.longest();
        if seconds(self.hold_seconds) < longest {
            let needed = longest.as_secs() + 1;
            let reason = format!(
                "a hold must outlast the rehearsal: at least {needed}, which is the arrivals + \
                 patience + {VERDICT_SECONDS_MAX} s for the verdict + the time that winners think"
            );
            return Err(RehearseError::Option { option: "hold_seconds", reason });
        }
        Ok(())
    }

    /// The limit that buyers come under: whoever comes with the merchant's key has none.
    pub(crate) fn limit_in_force(&self) -> BuyerLimit {
        if self.buyer_secret.is_some() { self.buyer_limit } else { BuyerLimit::OFF }
    }

    /// How long the rehearsal can take.
    fn longest(&self) -> Duration {
        let longest = self.arrivals.span() + self.patience + seconds(VERDICT_SECONDS_MAX);
        // Whoever gives back waits for that answer too.
        let again = if self.manners.keep_all() { Duration::ZERO } else { self.patience };
        longest + again + self.manners.overtime() + self.payments.think_max()
    }
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
        assert!(error.contains("at least 136"), "{error}");
    }

    #[test]
    fn nobody_is_no_crowd() {
        let nobody: Arrivals = "0 over 1s, pause 1s".parse().unwrap();
        assert!(Options { arrivals: nobody, ..options() }.check().is_err());
        let endless: Arrivals = "poisson 9999999/s for 9h".parse().unwrap();
        let error = Options { arrivals: endless, ..options() }.check().unwrap_err().to_string();
        assert!(error.starts_with("buyers:"), "{error}");
        assert!(Options { processes: Some(0), ..options() }.check().is_err());
        assert!(Options { processes: Some(2), ..options() }.check().is_err());
        assert!(Options { connections: Some(0), ..options() }.check().is_err());
    }
}
