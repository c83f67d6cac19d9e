//! What a run is made of, all of it drawn from its seed.

use holdfast_core::{Admission, Currency, Money, SaleConfig, SaleId, Terms, TierConfig, TierId};

use crate::rng::Rng;
use crate::world::WALL_START_MS;

/// One second, in microseconds.
pub const SECOND_US: u64 = 1_000_000;

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The sales that one engine runs side by side.
    pub sales: Vec<SalePlan>,
    /// How long faults may strike.
    pub unsafe_us: u64,
    /// Length of a journal's segment: small, so that segments change often.
    pub segment_bytes: u64,
    /// Requests are gathered for so long before a turn takes them.
    pub window_us: u64,
    /// Replies that never arrive, in a hundred.
    pub lost_replies: u64,
    /// Requests in a hundred that are asked twice at once.
    pub click_twice: u64,
    /// Rounds in a hundred during whose flight the process is killed.
    pub killed_in_flight: u64,
    /// Restarts in a hundred after which a bit flips.
    pub damage: u64,
    /// What strikes, and about how often.
    pub troubles: Vec<(Trouble, u64)>,
}

/// One sale and its crowd.
#[derive(Clone, Debug)]
pub struct SalePlan {
    /// Its name.
    pub id: SaleId,
    /// As the merchant wants it.
    pub config: SaleConfig,
    /// How many people come.
    pub buyers: usize,
    /// Their names are as long as names can be, so that few of them fill several sectors.
    pub long_names: bool,
    /// How often each of them does something.
    pub acts: u32,
    /// Nobody has had enough before that, and units come back soon.
    pub eager: bool,
    /// About how long they wait in between.
    pub think_us: u64,
    /// When the crowd comes.
    pub starts_us: u64,
    /// Within how long all of them have come.
    pub rush_us: u64,
    /// Requests in a hundred that carry an idempotency key.
    pub keyed: u64,
    /// Things in a hundred that a buyer with a hold does which are to go to the checkout.
    pub pays: u64,
    /// About how long a step of a payment takes.
    pub till_us: u64,
    /// Payments in a hundred that take as long as their holds, or longer.
    pub slow: u64,
    /// About how often the merchant does something.
    pub merchant_us: u64,
}

/// What can befall a run, and the work in the background that must stand all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The process dies between two turns.
    Kill,
    /// The process dies within some disk operation.
    Crash,
    /// The process stands still for a while.
    Stop,
    /// The process stands still between reading the clock and acting on it.
    StopAtRead,
    /// A disk operation takes long.
    SlowCall,
    /// A write fails.
    WriteError,
    /// A flush fails.
    SyncError,
    /// A read fails.
    ReadError,
    /// A change of a name fails.
    NameError,
    /// The disk is full for a while.
    Full,
    /// Somebody sets the wall clock.
    WallStep,
    /// Another engine takes over, and the old one has not noticed.
    Depose,
    /// The keeper makes snapshots and trims.
    Keep,
    /// The next segment is made ahead.
    Prepare,
}

/// Troubles that a run may be spared; how often they strike, in milliseconds.
const OPTIONAL: [(Trouble, u64); 12] = [
    (Trouble::Kill, 6_000),
    (Trouble::Crash, 2_000),
    (Trouble::Stop, 5_000),
    (Trouble::StopAtRead, 5_000),
    (Trouble::SlowCall, 4_000),
    (Trouble::WriteError, 9_000),
    (Trouble::SyncError, 9_000),
    (Trouble::ReadError, 9_000),
    (Trouble::NameError, 9_000),
    (Trouble::Full, 8_000),
    (Trouble::WallStep, 4_000),
    (Trouble::Depose, 9_000),
];

impl Plan {
    /// The plan of a seed's run.
    pub fn of(seed: u64) -> Option<Self> {
        Self::draw(&mut Rng::new(seed))
    }

    /// Draws a plan. Always `Some`: the names it makes are good ones.
    pub fn draw(rng: &mut Rng) -> Option<Self> {
        let several = rng.percent(20);
        let count = if several { rng.between(2, 3) } else { 1 };
        let sales: Option<Vec<_>> =
            (0..count).map(|number| SalePlan::draw(rng, number, several)).collect();
        let mut troubles = Vec::new();
        // Some runs are spared everything: those must be flawless.
        let spared = rng.percent(10);
        for (trouble, ms) in OPTIONAL {
            if !spared && rng.percent(35) {
                troubles.push((trouble, rng.between(ms / 2, ms * 3) * 1_000));
            }
        }
        if rng.percent(80) {
            troubles.push((Trouble::Keep, rng.between(300, 6_000) * 1_000));
        }
        if rng.percent(70) {
            troubles.push((Trouble::Prepare, rng.between(100, 1_000) * 1_000));
        }
        let sales = sales?;
        let eager = sales.iter().any(|sale| sale.eager);
        let least = if eager { 15 } else { 3 };
        let seconds = if rng.percent(90) { rng.between(least, 25) } else { rng.between(25, 90) };
        Some(Self {
            sales,
            unsafe_us: seconds * SECOND_US,
            segment_bytes: [4, 4, 8, 16, 64][rng.index(5)] << 10,
            window_us: [500, 1_000, 5_000, 20_000, 100_000][rng.index(5)],
            lost_replies: [0, 2, 20][rng.index(3)],
            click_twice: [0, 5, 30][rng.index(3)],
            killed_in_flight: if spared { 0 } else { [0, 2, 10][rng.index(3)] },
            damage: [0, 10, 50][rng.index(3)],
            troubles,
        })
    }
}

impl SalePlan {
    fn draw(rng: &mut Rng, number: u64, several: bool) -> Option<Self> {
        // A few people who never give up reach every limit that a buyer has.
        let eager = rng.percent(6);
        let buyers = if eager { rng.between(1, 3) } else { draw_buyers(rng, several) };
        let starts_us = rng.between(100, 2_000) * 1_000;
        let opens_at_ms = rng.percent(50).then_some(WALL_START_MS + starts_us / 1_000);
        let config = draw_config(rng, buyers, opens_at_ms)?;
        let plan = Self {
            id: SaleId::new(&format!("sale-{number}")).ok()?,
            config,
            buyers: usize::try_from(buyers).unwrap_or(1),
            long_names: rng.percent(20),
            eager,
            acts: if buyers > 120 { rng.small(1, 4) } else { rng.small(2, 24) },
            think_us: rng.between(20, 2_500) * 1_000,
            starts_us,
            rush_us: rng.between(1, 3_000) * 1_000,
            keyed: [0, 30, 100][rng.index(3)],
            pays: [0, 15, 40, 70][rng.index(4)],
            till_us: [20, 100, 500][rng.index(3)] * 1_000,
            slow: [0, 20, 60][rng.index(3)],
            merchant_us: rng.between(1_000, 12_000) * 1_000,
        };
        Some(if eager { plan.of_the_eager(rng) } else { plan })
    }

    /// They ask hundreds of times, without a pause; there are units for them, and the merchant
    /// seldom takes the sale away.
    fn of_the_eager(mut self, rng: &mut Rng) -> Self {
        self.config.terms.hold_seconds = rng.small(1, 4);
        self.config.tiers.iter_mut().for_each(|tier| tier.capacity += 12);
        Self {
            acts: rng.small(400, 1_200),
            think_us: rng.between(1, 10) * 1_000,
            keyed: [0, 100][rng.index(2)],
            pays: [0, 3][rng.index(2)],
            till_us: 20_000,
            merchant_us: rng.between(15_000, 60_000) * 1_000,
            ..self
        }
    }
}

/// Every size from 1 to 2,000, the small ones often: most of what can go wrong needs few people.
fn draw_buyers(rng: &mut Rng, several: bool) -> u64 {
    match rng.below(100) {
        0..55 => rng.between(1, 12),
        55..88 => rng.between(12, 120),
        _ if several => rng.between(12, 120),
        88..96 => rng.between(120, 500),
        _ => rng.between(500, 2_000),
    }
}

fn draw_config(rng: &mut Rng, buyers: u64, opens_at_ms: Option<u64>) -> Option<SaleConfig> {
    let hold_seconds = match rng.below(100) {
        0..60 => rng.small(1, 4),
        60..95 => rng.small(3, 12),
        _ => rng.small(60, 300),
    };
    let terms = Terms {
        name: "A sale".to_owned(),
        opens_at_ms,
        hold_seconds,
        checkout_grace_seconds: if rng.percent(90) { rng.small(0, 4) } else { rng.small(5, 120) },
        max_per_buyer: rng.small(1, 4),
        admission: Admission::FirstCome,
        metadata: rng.percent(20).then(|| "{\"artist\":\"someone\"}".to_owned()),
    };
    let tiers = (0..rng.between(1, 4)).map(|number| {
        let scarce = rng.percent(70);
        let capacity = if scarce { rng.below(buyers / 2 + 3) } else { rng.below(buyers * 4 + 2) };
        Some(TierConfig {
            id: TierId::new(&format!("tier-{number}")).ok()?,
            name: format!("Tier {number}"),
            capacity: u32::try_from(capacity).unwrap_or(1),
            price: Money { amount: rng.below(10_000), currency: Currency::new("EUR")? },
        })
    });
    Some(SaleConfig { terms, tiers: tiers.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_drawn_and_small_ones_are_most() {
        let plans = (0..20_000).filter_map(Plan::of);
        let sizes: Vec<usize> = plans.flat_map(|plan| plan.sales).map(|sale| sale.buyers).collect();
        for (low, high) in
            [(1, 12), (13, 120), (121, 250), (251, 499), (500, 1_200), (1_201, 2_000)]
        {
            let count = sizes.iter().filter(|&&size| (low..=high).contains(&size)).count();
            assert!(count > 200, "{count} sales of {low} to {high} buyers");
        }
        let small = sizes.iter().filter(|&&size| size <= 120).count();
        assert!(small > sizes.len() * 3 / 4);
    }
}
