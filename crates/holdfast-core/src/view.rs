//! What a sale shows: plain data, read at one moment of the sale clock.

use serde::{Deserialize, Serialize};

use crate::holds::{Hold, NONE};
use crate::payments::{Payment, grace_ms};
use crate::sale::{Sale, Status};
use crate::{
    BuyerId, HoldIndex, HoldKey, HoldStatus, Money, PaymentStatus, Receipt, SaleConfig, Terms,
    TierConfig, TierId,
};

/// Whether a tier has units for whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Some are free.
    Available,
    /// None is free; some are held or withheld and may come back.
    AllHeld,
    /// All are sold.
    SoldOut,
}

/// A sale as everyone may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleView {
    /// The sale's terms.
    pub terms: Terms,
    /// Where it is in its life.
    pub status: Status,
    /// Its tiers, as configured.
    pub tiers: Vec<TierView>,
    /// Until when the sale is in doubt, in milliseconds since 1970 UTC, if it is: holds may have been
    /// lost that were promised, and until they have run out no unit is free.
    pub doubt_until_ms: Option<u64>,
}

/// A tier as everyone may see it. `free + held + sold + withheld = capacity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierView {
    /// Id, name, capacity and price.
    pub config: TierConfig,
    /// Units for whoever asks.
    pub free: u32,
    /// Units on hold.
    pub held: u32,
    /// Units sold.
    pub sold: u32,
    /// Units that nobody can prove free.
    pub withheld: u32,
    /// What that means for a buyer.
    pub availability: Availability,
    /// When a unit can next come back, in milliseconds since 1970 UTC, if any is held or in doubt.
    pub next_return_at_ms: Option<u64>,
}

/// A hold as its buyer and the merchant may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldView {
    /// The hold's name within its sale.
    pub key: HoldKey,
    /// What the hold's id proves.
    pub receipt: Receipt,
    /// Of which tier.
    pub tier: TierId,
    /// How many units.
    pub quantity: u32,
    /// Whose.
    pub buyer: BuyerId,
    /// Where it is in its life.
    pub status: HoldStatus,
    /// Until when the buyer has time of their own, in milliseconds since 1970 UTC; `None` once the
    /// hold has ended.
    pub expires_at_ms: Option<u64>,
    /// What is left of it on the sale clock, in milliseconds; 0 once it has ended.
    pub remaining_ms: u64,
    /// What all its units cost.
    pub total: Money,
    /// Its payment, if it has been at the checkout.
    pub payment: Option<PaymentView>,
}

/// A hold's payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentView {
    /// Where it is in its life.
    pub status: PaymentStatus,
    /// How often the hold has gone to the checkout, from 1.
    pub attempt: u8,
    /// Until when the payment may come, in milliseconds since 1970 UTC; `None` once the hold is not
    /// at the checkout.
    pub pay_by_ms: Option<u64>,
    /// The hold that it pays for instead of its own, or that its money came from.
    pub linked: Option<HoldKey>,
}

impl Sale {
    /// The sale as everyone may see it; `None` before it is configured.
    pub fn view(&self, clock_ms: u64) -> Option<SaleView> {
        let terms = self.terms.clone()?;
        let tiers = (0..self.tiers.len()).map(|index| self.tier_view(index, clock_ms)).collect();
        let doubt_until_ms = self.doubt.until_ms().map(|ms| self.wall_ms(ms.max(clock_ms)));
        Some(SaleView { terms, status: self.status, tiers, doubt_until_ms })
    }

    /// Each tier with its units that are held, sold or withheld by the ledger's word, and its capacity.
    pub fn units_taken(&self) -> impl Iterator<Item = (TierId, u64, u64)> {
        self.tiers.iter().map(|tier| {
            let taken = [tier.held, tier.sold, tier.withheld].map(u64::from).iter().sum();
            (tier.config.id, taken, u64::from(tier.config.capacity))
        })
    }

    /// The sale's terms; `None` before it is configured.
    pub fn terms(&self) -> Option<&Terms> {
        self.terms.as_ref()
    }

    /// The sale as the merchant configured it; `None` before that.
    pub fn config(&self) -> Option<SaleConfig> {
        let tiers = self.tiers.iter().map(|tier| tier.config.clone()).collect();
        Some(SaleConfig { terms: self.terms.clone()?, tiers })
    }

    fn tier_view(&self, index: usize, clock_ms: u64) -> TierView {
        let tier = &self.tiers[index];
        let (free, withheld) = (self.free(tier), self.withheld(tier));
        let availability = match (free, tier.held + withheld) {
            (1.., _) => Availability::Available,
            (0, 1..) => Availability::AllHeld,
            (0, 0) => Availability::SoldOut,
        };
        let next = self.next_return_ms(tier);
        TierView {
            config: tier.config.clone(),
            free,
            held: tier.held,
            sold: tier.sold,
            withheld,
            availability,
            next_return_at_ms: next.map(|next_ms| self.wall_ms(next_ms.max(clock_ms))),
        }
    }

    /// A hold by its row. `None` only for a row of another sale.
    pub fn hold(&self, index: HoldIndex, clock_ms: u64) -> Option<HoldView> {
        if index.0 >= self.holds.len() {
            return None;
        }
        let hold = &self.holds[index.0];
        let tier = &self.tiers[usize::from(hold.tier)].config;
        let quantity = u32::from(hold.quantity);
        let is_live = hold.status.is_live();
        let payment = (hold.payment != NONE).then(|| &self.payments[hold.payment]);
        let expires_ms = payment.map_or(hold.deadline_ms, |it| it.expires_ms(hold, clock_ms));
        let left_ms = expires_ms.saturating_sub(clock_ms);
        // Of what waits in the queue the time moves later with the clock: told is what an entry
        // has made sure of, so that a later word is never an earlier time.
        let sure_ms = clock_ms.min(self.last.clock_ms);
        let told_ms = payment.map_or(hold.deadline_ms, |it| it.expires_ms(hold, sure_ms));
        let anchor_ms = self.anchor.of(self.holds.place(index.0));
        let expires_at_ms = told_ms.saturating_add(anchor_ms);
        Some(HoldView {
            key: hold.key,
            receipt: Receipt {
                sale: self.number,
                tier: hold.tier,
                quantity: hold.quantity,
                epoch: hold.epoch,
                key: hold.key,
                deadline_ms: hold.deadline_ms,
            },
            tier: tier.id,
            quantity,
            buyer: self.buyers.name(hold.buyer)?,
            status: hold.status,
            expires_at_ms: is_live.then_some(expires_at_ms),
            remaining_ms: if is_live { left_ms } else { 0 },
            total: tier.price.times(quantity),
            payment: payment.map(|payment| self.payment_view(hold, payment, sure_ms, anchor_ms)),
        })
    }

    fn payment_view(
        &self,
        hold: &Hold,
        payment: &Payment,
        sure_ms: u64,
        anchor_ms: u64,
    ) -> PaymentView {
        let pay_by_ms = payment.pay_by_ms(hold, grace_ms(self.terms.as_ref()), sure_ms);
        let is_paying = hold.status == HoldStatus::Paying;
        PaymentView {
            status: payment.status,
            attempt: payment.attempt,
            pay_by_ms: is_paying.then(|| pay_by_ms.saturating_add(anchor_ms)),
            linked: (payment.linked != NONE).then(|| self.holds[payment.linked].key),
        }
    }

    /// What a hold's buyer or the merchant wanted to be kept with its order: known until the ledger
    /// has it.
    pub fn note(&self, key: HoldKey) -> Option<&str> {
        let hold = &self.holds[self.holds.find(key)?];
        let payment = (hold.payment != NONE).then(|| &self.payments[hold.payment])?;
        payment.note.as_deref()
    }

    /// Whether any hold has ever been at the checkout.
    pub fn has_payments(&self) -> bool {
        self.payments.len() > 0
    }

    /// The holds about whose payment something is still to be done, in the order in which they
    /// first went to the checkout.
    pub fn open_payments(&self) -> impl Iterator<Item = HoldKey> {
        self.payments.open().map(|payment| self.holds[payment.hold].key)
    }

    /// A hold's key by its row in this sale.
    ///
    /// # Panics
    /// For a row of another sale.
    pub fn key(&self, index: HoldIndex) -> HoldKey {
        self.holds[index.0].key
    }

    /// A hold by its key, whoever asks.
    pub fn hold_by_key(&self, key: HoldKey, clock_ms: u64) -> Option<HoldView> {
        self.hold(HoldIndex(self.holds.find(key)?), clock_ms)
    }

    /// A buyer's latest hold, live or ended.
    pub fn hold_of(&self, buyer: &BuyerId, clock_ms: u64) -> Option<HoldView> {
        let latest = self.buyers.get(self.buyers.find(buyer)?).latest;
        if latest == NONE {
            return None;
        }
        self.hold(HoldIndex(latest), clock_ms)
    }

    /// Up to `limit` holds after a key, in the order in which they were made; one that was brought back
    /// is where it was first made.
    pub fn holds_after(
        &self,
        after: Option<HoldKey>,
        limit: usize,
        clock_ms: u64,
    ) -> impl Iterator<Item = HoldView> {
        let rows = self.holds.after(after).take(limit);
        rows.filter_map(move |row| self.hold(HoldIndex(row), clock_ms))
    }
}
