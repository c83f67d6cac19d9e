//! Budgets that several nodes share.

/// How far ahead slots are given out: so much is lost when a node dies.
const AHEAD_US: u64 = 1_000_000;

/// How much further ahead slots can have been given out by a clock that is not quite right. What is
/// beyond was given out by one that was wrong, and is not believed: nobody could call until then.
const DOUBT_US: u64 = 10_000_000;

/// Slots of a budget: moments at which a call may be made, one each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// How many slots.
    pub granted: u32,
    /// When the first of them is, in microseconds since 1970 UTC. If there is none: when the next
    /// one to be given out would be; it can be had a second before.
    pub from_us: u64,
    /// How long after each the next one is, in microseconds.
    pub every_us: u64,
}

impl Lease {
    /// The next `want` slots, when all before `given_us` have been given out.
    pub(crate) fn after(given_us: u64, per_second: u32, want: u32, now_ms: u64) -> Self {
        let now_us = now_ms.saturating_mul(1_000);
        let end_us = now_us + AHEAD_US;
        let every_us = 1_000_000_u64.div_ceil(per_second.max(1).into());
        let is_believed = given_us <= end_us + DOUBT_US;
        let from_us = if is_believed { given_us.max(now_us) } else { now_us };
        let room = end_us.saturating_sub(from_us).div_ceil(every_us);
        let granted = want.min(u32::try_from(room).unwrap_or(u32::MAX));
        Self { granted, from_us, every_us }
    }

    /// Until when slots have been given out after this.
    pub(crate) fn given_us(&self) -> u64 {
        self.from_us + u64::from(self.granted) * self.every_us
    }

    /// The slots, in microseconds since 1970 UTC.
    pub fn slots(self) -> impl Iterator<Item = u64> {
        (0..u64::from(self.granted)).map(move |nth| self.from_us + nth * self.every_us)
    }
}
