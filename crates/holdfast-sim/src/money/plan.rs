//! What a run is made of.

use holdfast_core::{Admission, Currency, Money, SaleConfig, SaleId, Terms, TierConfig, TierId};

use crate::rng::Rng;

const SECOND_US: u64 = 1_000_000;

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) sale: SaleId,
    pub(super) tier: TierId,
    pub(super) capacity: u32,
    pub(super) price: u64,
    pub(super) buyers: u32,
    pub(super) hold_seconds: u32,
    pub(super) grace_seconds: u32,
    pub(super) max_per_buyer: u32,
    /// How often the provider may be asked in a second.
    pub(super) per_second: u32,
    /// Of a hundred requests to the bank and the ledger, so many meet something.
    pub(super) ill: u64,
    /// Of a hundred requests to the bank, so many may be on their way for long.
    pub(super) slow: u64,
    /// How long the way to the ledger takes at most, and the way back.
    pub(super) ledger_us: u64,
    /// Of a hundred payments, so many come late.
    pub(super) late: u64,
    /// How long things go wrong.
    pub(super) ill_us: u64,
    /// How long a process lives at most.
    pub(super) dies_us: u64,
    /// How many steps a process takes until it dies between two of them, on average.
    pub(super) steps: u64,
    /// Whether the end of the sale's log is lost now and then, and with it what was promised.
    pub(super) loses: bool,
    /// Whether somebody changes the ledger's capacity behind the engine's back.
    pub(super) is_tampered: bool,
}

impl Plan {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let (Ok(sale), Ok(tier)) = (SaleId::new("club"), TierId::new("floor")) else {
            unreachable!("these are good names");
        };
        Self {
            sale,
            tier,
            capacity: rng.small(1, 8),
            price: [0, 4_500, 4_500, 4_500][rng.index(4)],
            buyers: rng.small(2, 16),
            hold_seconds: rng.small(5, 120),
            grace_seconds: rng.small(0, 30),
            max_per_buyer: rng.small(1, 3),
            per_second: [1, 5, 100][rng.index(3)],
            ill: rng.below(25),
            slow: [0, 1, 30][rng.index(3)],
            ledger_us: [5_000, 5_000, 2_000_000][rng.index(3)],
            late: [12, 12, 60][rng.index(3)],
            ill_us: rng.between(60, 900) * SECOND_US,
            dies_us: [5, 60, 600][rng.index(3)] * SECOND_US,
            steps: [80, 400, 4_000][rng.index(3)],
            loses: rng.percent(50),
            is_tampered: rng.percent(25),
        }
    }

    pub(super) fn config(&self) -> SaleConfig {
        let Some(currency) = Currency::new("EUR") else { unreachable!("it is a currency") };
        SaleConfig {
            terms: Terms {
                name: "Club night".to_owned(),
                opens_at_ms: None,
                hold_seconds: self.hold_seconds,
                checkout_grace_seconds: self.grace_seconds,
                max_per_buyer: self.max_per_buyer,
                admission: Admission::FirstCome,
                metadata: None,
            },
            tiers: vec![TierConfig {
                id: self.tier,
                name: "Floor".to_owned(),
                capacity: self.capacity,
                price: Money { amount: self.price, currency },
            }],
        }
    }
}
