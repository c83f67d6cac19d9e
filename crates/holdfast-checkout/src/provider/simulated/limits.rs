//! How often each endpoint may be asked.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::provider::Step;

/// What is counted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Step(Step),
    Look,
}

/// One limit for each endpoint. So many at once, then one after the other as time passes.
#[derive(Debug)]
pub(super) struct Limits([Option<DefaultDirectRateLimiter>; 5]);

impl Limits {
    pub(super) fn new(per_second: Option<NonZeroU32>) -> Self {
        let limit = || per_second.map(|rate| RateLimiter::direct(Quota::per_second(rate)));
        Self(std::array::from_fn(|_| limit()))
    }

    /// Counts a call. `Err` says after what time there is room for it.
    pub(super) fn take(&self, endpoint: Endpoint) -> Result<(), Duration> {
        let limit = &self.0[match endpoint {
            Endpoint::Step(Step::Authorise) => 0,
            Endpoint::Step(Step::Capture) => 1,
            Endpoint::Step(Step::Cancel) => 2,
            Endpoint::Step(Step::Refund) => 3,
            Endpoint::Look => 4,
        }];
        limit.as_ref().map_or(Ok(()), |limit| {
            limit.check().map_err(|until| until.wait_time_from(DefaultClock::default().now()))
        })
    }
}
