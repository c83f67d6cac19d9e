//! How many requests are taken: of one buyer, with one key, from one network.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use foldhash::quality::RandomState;
use governor::clock::{Clock, MonotonicClock};
use governor::{Quota, RateLimiter};
use holdfast_api::{Code, Problem};
use holdfast_core::BuyerId;
use http::HeaderMap;
use ipnet::IpNet;

use crate::client;
use crate::counted::Counted;

/// Whoever is counted at a time, at most about. One more is not limited until others have been
/// forgotten, those who are counted stay so: the memory is bounded, and nobody is refused or let
/// through for what others do.
const COUNTED_MAX: usize = 262_144;

/// How often those are forgotten that may again ask as often as at first.
const FORGET_EVERY: Duration = Duration::from_secs(1);

/// A rate such as `10/s`, `60/m` or `1000/h`. Twice as many may come at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    per: Period,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Period {
    Second,
    Minute,
    Hour,
}

/// Why something is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it must be off, or a whole number, 1 to {COUNT_MAX}, and /s, /m or /h for a second, a minute \
     or an hour, such as 10/s"
)]
pub struct RateError;

/// At most so many in a period.
const COUNT_MAX: u32 = 1_000_000;

impl Rate {
    /// So many a second.
    pub const fn per_second(count: NonZeroU32) -> Self {
        Self { count, per: Period::Second }
    }

    /// Reads a rate, or `off`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse_or_off(text: &str) -> Result<Option<Self>, RateError> {
        if text == "off" { Ok(None) } else { text.parse().map(Some) }
    }

    fn quota(self) -> Quota {
        let quota = match self.per {
            Period::Second => Quota::per_second(self.count),
            Period::Minute => Quota::per_minute(self.count),
            Period::Hour => Quota::per_hour(self.count),
        };
        quota.allow_burst(self.count.saturating_add(self.count.get()))
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (count, per) = text.split_once('/').ok_or(RateError)?;
        let per = match per {
            "s" => Period::Second,
            "m" => Period::Minute,
            "h" => Period::Hour,
            _ => return Err(RateError),
        };
        let count: NonZeroU32 = count.parse().map_err(|_| RateError)?;
        if count.get() > COUNT_MAX {
            return Err(RateError);
        }
        Ok(Self { count, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per {
            Period::Second => 's',
            Period::Minute => 'm',
            Period::Hour => 'h',
        };
        write!(f, "{}/{per}", self.count)
    }
}

/// Who may ask how often; `None`: as often as they can.
#[derive(Clone, Debug)]
pub struct LimitOptions {
    /// Each buyer who asks with a token of their own.
    pub buyer: Option<Rate>,
    /// Each merchant key. A shop may send a whole rush through one.
    pub key: Option<Rate>,
    /// Each network: an address of IPv4, a /64 of IPv6. A venue may have one for everyone in it.
    pub network: Option<Rate>,
    /// Proxies that are believed when they say for whom they ask.
    pub proxies: Vec<IpNet>,
}

impl Default for LimitOptions {
    fn default() -> Self {
        let ten = NonZeroU32::new(10).map(Rate::per_second);
        Self { buyer: ten, key: None, network: None, proxies: Vec::new() }
    }
}

/// All limits of a server.
pub(crate) struct Limits {
    buyers: Option<Arc<Limit>>,
    keys: Option<Arc<Limit>>,
    networks: Option<Arc<Limit>>,
    proxies: Vec<IpNet>,
}

impl Limits {
    pub(crate) fn new(options: &LimitOptions) -> Self {
        let limit = |rate: Option<Rate>, whom| rate.map(|rate| Limit::new(rate, whom));
        Self {
            buyers: limit(options.buyer, "this buyer"),
            keys: limit(options.key, "this merchant key"),
            networks: limit(options.network, "this network"),
            proxies: options.proxies.clone(),
        }
    }

    pub(crate) fn of_buyer(&self, buyer: &BuyerId) -> Result<(), Problem> {
        self.buyers.as_ref().map_or(Ok(()), |limit| limit.check(buyer))
    }

    pub(crate) fn of_key(&self, number: usize) -> Result<(), Problem> {
        self.keys.as_ref().map_or(Ok(()), |limit| limit.check(&number))
    }

    /// `peer` is at the other end of the connection; it may be a proxy.
    pub(crate) fn of_network(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(limit) = &self.networks else { return Ok(()) };
        limit.check(&client::network(client::address(peer, headers, &self.proxies)))
    }
}

type Counts = RateLimiter<u64, Counted, MonotonicClock>;

/// Counts who asks, and says when that is too often. Whoever asks is known by a hash alone; two
/// that share one are counted together, which no one can bring about.
pub(crate) struct Limit {
    counts: Counts,
    hash: RandomState,
    /// Whether nobody new is counted.
    is_full: Arc<AtomicBool>,
    counted_max: usize,
    whom: &'static str,
}

impl Limit {
    /// A limit on each of `whom`, such as "this buyer".
    pub(crate) fn new(rate: Rate, whom: &'static str) -> Arc<Self> {
        let limit = Arc::new(Self::with_counted_max(rate, whom, COUNTED_MAX));
        forget_in_time(&limit);
        limit
    }

    /// One that counts so many at a time, and forgets only when told.
    fn with_counted_max(rate: Rate, whom: &'static str, counted_max: usize) -> Self {
        let is_full = Arc::new(AtomicBool::new(false));
        let counted = Counted::new(Arc::clone(&is_full));
        let counts = RateLimiter::new(rate.quota(), counted, MonotonicClock);
        Self { counts, hash: RandomState::default(), is_full, counted_max, whom }
    }

    /// Counts one request.
    pub(crate) fn check<K: Hash>(&self, who: &K) -> Result<(), Problem> {
        self.counts.check_key(&self.hash.hash_one(who)).map_err(|early| {
            let wait = early.wait_time_from(MonotonicClock.now());
            Problem::new(Code::RateLimited)
                .because(format!("{} asks too often", self.whom))
                .retry_after(wait)
        })
    }

    fn forget(&self) {
        self.counts.retain_recent();
        let is_full = self.counts.len() >= self.counted_max;
        if is_full {
            self.counts.shrink_to_fit();
        }
        self.is_full.store(is_full, Relaxed);
    }
}

/// Forgets, until the limit is gone, on a thread of its own: nobody who asks waits for it.
fn forget_in_time(limit: &Arc<Limit>) {
    let limit = Arc::downgrade(limit);
    let work = move || {
        while let Some(limit) = Weak::upgrade(&limit) {
            limit.forget();
            drop(limit);
            thread::sleep(FORGET_EVERY);
        }
    };
    if let Err(error) = thread::Builder::new().name("limits".into()).spawn(work) {
        tracing::warn!(%error, "no thread for the limits");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_no_more_can_be_counted_those_who_are_stay_limited_and_others_pass() {
        let limit = Limit::with_counted_max("1/h".parse().unwrap(), "this buyer", 2);
        let passed = |who: &str| (0..4).filter(|_| limit.check(&who).is_ok()).count();
        // Twice as many as the rate come at once.
        assert_eq!([passed("bot"), passed("other bot")], [2, 2]);
        limit.forget();
        assert_eq!([passed("bot"), passed("other bot"), passed("new")], [0, 0, 4]);
        assert_eq!(limit.counts.len(), 2);
    }

    #[test]
    fn who_is_new_is_counted_again_once_others_are_forgotten() {
        let limit = Limit::with_counted_max("1000000/s".parse().unwrap(), "this buyer", 1);
        limit.is_full.store(true, Relaxed);
        assert!(limit.check(&"new").is_ok());
        assert_eq!(limit.counts.len(), 0);
        limit.forget();
        assert!(limit.check(&"new").is_ok());
        assert_eq!(limit.counts.len(), 1);
    }
}
