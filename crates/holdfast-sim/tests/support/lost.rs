//! Losses, and what is brought back after them.

use holdfast_core::{Command, HoldKey, Receipt, Restore};
use proptest::prelude::*;

use super::{Pair, buyer};

/// Something that is only asked after a loss.
#[derive(Clone, Debug)]
pub(crate) enum Lost {
    /// The end of the log is lost, as far as anyone knows.
    Doubt { lost_ms: u64, gap: u64 },
    /// A receipt is shown.
    Claim(Shown),
    /// The ledger has an order of a hold, and says whose money paid for it.
    Restore { source: Option<Shown>, hold: Shown, attempt: u8, paid: bool },
}

/// A receipt of something lost, or of a hold that is known.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// How many losses ago, and the how manieth entry of what was lost then.
    back: usize,
    nth: u64,
    /// One of the last holds instead.
    known: Option<usize>,
    buyer: usize,
    tier: u8,
    quantity: u16,
    /// How long before or after the present its time is up; 1,000: now.
    deadline_in_ms: u64,
    /// Whether it is of the epoch in which the loss was found, in which nothing had been lost.
    is_new: bool,
}

pub(crate) fn lost() -> impl Strategy<Value = Lost> {
    let attempt = prop_oneof![4 => Just(1_u8), 1 => 0_u8..4];
    let order = (prop::option::weighted(0.3, shown()), shown(), attempt, any::<bool>());
    prop_oneof![
        3 => (0_u64..3_000, 0_u64..200).prop_map(|(lost_ms, gap)| Lost::Doubt { lost_ms, gap }),
        8 => shown().prop_map(Lost::Claim),
        4 => order.prop_map(|(source, hold, attempt, paid)| {
            Lost::Restore { source, hold, attempt, paid }
        }),
    ]
}

fn shown() -> impl Strategy<Value = Shown> {
    let what = (0_usize..2, 0_u64..12, prop::option::weighted(0.2, 0_usize..5));
    let of = (0_usize..5, 0_u8..3, prop_oneof![6 => 1_u16..4, 1 => Just(0)]);
    let when = (prop_oneof![4 => 1_000_u64..7_000, 1 => 0_u64..1_000], prop::bool::weighted(0.1));
    (what, of, when).prop_map(|((back, nth, known), (buyer, tier, quantity), (at, is_new))| Shown {
        back,
        nth,
        known,
        buyer,
        tier,
        quantity,
        deadline_in_ms: at,
        is_new,
    })
}

impl Lost {
    /// What is asked of the rules; a loss is one from here on.
    pub(crate) fn command(&self, pair: &mut Pair) -> Command {
        match self {
            Self::Doubt { lost_ms, gap } => pair.lose(*lost_ms, *gap),
            Self::Claim(shown) => {
                let (receipt, buyer) = shown.receipt(pair);
                Command::Claim { receipt, buyer }
            }
            Self::Restore { source, hold, attempt, paid } => {
                let (own, buyer) = hold.receipt(pair);
                let source = source.as_ref().map_or(own, |source| source.receipt(pair).0);
                let (hold, attempt, paid) = (own.key, *attempt, *paid);
                Command::Restore(Box::new(Restore { hold, buyer, source, attempt, paid }))
            }
        }
    }
}

impl Shown {
    fn receipt(&self, pair: &Pair) -> (Receipt, holdfast_core::BuyerId) {
        let clock_ms = pair.stamp.clock_ms;
        if let Some(back) = self.known {
            let holds: Vec<_> = pair.model.holds(clock_ms).collect();
            if let Some(hold) = holds.iter().rev().nth(back) {
                return (hold.receipt, hold.buyer);
            }
        }
        let (first, epoch) = pair.losses.iter().rev().nth(self.back).copied().unwrap_or((1, 2));
        let receipt = Receipt {
            sale: super::NUMBER,
            tier: self.tier,
            quantity: self.quantity,
            epoch: if self.is_new { epoch } else { epoch - 1 },
            // Now and then one before what was lost.
            key: HoldKey::from_number((first + self.nth).saturating_sub(2) * 1_024),
            deadline_ms: (clock_ms + self.deadline_in_ms).saturating_sub(1_000),
        };
        (receipt, buyer(self.buyer))
    }
}
