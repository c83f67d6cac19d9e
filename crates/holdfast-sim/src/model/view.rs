//! What the naive sale shows.

use holdfast_core::{
    Availability, HoldKey, HoldView, Receipt, SaleView, TierConfig, TierId, TierView,
};

use super::config::total;
use super::{Hold, Model};

impl Model {
    /// The sale as everyone may see it; `None` before it is configured.
    pub fn view(&self, clock_ms: u64) -> Option<SaleView> {
        let config = self.config.as_ref()?;
        let tiers = config.tiers.iter().map(|tier| self.tier_view(tier, clock_ms)).collect();
        let doubt_until_ms = self.doubt_until_ms.map(|ms| ms.max(clock_ms) + self.anchor_ms);
        let terms = config.terms.clone();
        Some(SaleView { terms, status: self.status, tiers, doubt_until_ms })
    }

    /// Every hold, live or ended, in the order in which they were first made.
    pub fn holds(&self, clock_ms: u64) -> impl Iterator<Item = HoldView> {
        let mut holds: Vec<_> = self.holds.iter().collect();
        holds.sort_by_key(|hold| hold.key);
        holds.into_iter().filter_map(move |hold| self.hold_view(hold, clock_ms))
    }

    /// A hold by its key.
    pub fn hold_by_key(&self, key: HoldKey, clock_ms: u64) -> Option<HoldView> {
        let hold = self.holds.iter().rfind(|hold| hold.key == key)?;
        self.hold_view(hold, clock_ms)
    }

    /// When a live hold can have been seen as it is here, on the sale clock: what waits for the
    /// provider looks the same from entry to entry, what has no time left ever after.
    pub(crate) fn seen_at_ms(&self, seen: &HoldView) -> Option<[u64; 2]> {
        let hold = self.holds.iter().rfind(|hold| hold.key == seen.key)?;
        let told_ms = seen.expires_at_ms?.checked_sub(hold.anchor_ms)?;
        let ends_ms = [told_ms, hold.expires_ms(u64::MAX)];
        Some(ends_ms.map(|ends_ms| ends_ms.saturating_sub(seen.remaining_ms)))
    }

    /// Until when the buyer is told to have time: what waits moves it later from entry to entry.
    pub(super) fn told_ms(&self, hold: &Hold, clock_ms: u64) -> u64 {
        hold.expires_ms(clock_ms.min(self.last_ms))
    }

    /// Units that anyone may have: what is left of the capacity, or nothing in doubt.
    pub(super) fn free(&self, tier: &TierConfig) -> u32 {
        let free = if self.doubt_until_ms.is_some() { 0 } else { self.left(tier) };
        u32::try_from(free).unwrap_or(u32::MAX)
    }

    /// When the next unit may come back, on the wall.
    pub(super) fn next_return_at_ms(&self, tier: &TierConfig, clock_ms: u64) -> Option<u64> {
        let is_any_left = self.doubt_until_ms.is_some() && self.left(tier) > 0;
        let first = if is_any_left { Some(0) } else { self.first_end_ms(tier.id) };
        // In doubt nothing comes back before that ends.
        let not_before_ms = self.doubt_until_ms.unwrap_or(0).max(clock_ms);
        Some(first?.max(not_before_ms) + self.anchor_ms)
    }

    /// When the first hold of a tier ends, on the sale clock.
    pub(super) fn first_end_ms(&self, tier: TierId) -> Option<u64> {
        self.live_of_tier(tier).map(|hold| hold.ends_ms(self.grace_ms())).min()
    }

    fn tier_view(&self, tier: &TierConfig, clock_ms: u64) -> TierView {
        let (free, held) = (self.free(tier), self.held(tier.id));
        let sold = self.sold(tier.id);
        let withheld = u64::from(tier.capacity).saturating_sub(u64::from(free) + held + sold);
        let availability = match (free, held + withheld) {
            (0, 0) => Availability::SoldOut,
            (0, _) => Availability::AllHeld,
            _ => Availability::Available,
        };
        TierView {
            config: tier.clone(),
            free,
            held: u32::try_from(held).unwrap_or(u32::MAX),
            sold: u32::try_from(sold).unwrap_or(u32::MAX),
            withheld: u32::try_from(withheld).unwrap_or(u32::MAX),
            availability,
            next_return_at_ms: self.next_return_at_ms(tier, clock_ms),
        }
    }

    fn hold_view(&self, hold: &Hold, clock_ms: u64) -> Option<HoldView> {
        let price = self.tier(hold.tier)?.price;
        let expires_ms = hold.expires_ms(clock_ms);
        let left_ms = expires_ms.saturating_sub(clock_ms);
        let is_live = hold.status.is_live();
        Some(HoldView {
            key: hold.key,
            receipt: Receipt {
                sale: self.number,
                tier: u8::try_from(self.tier_index(hold.tier)?).ok()?,
                quantity: u16::try_from(hold.quantity).ok()?,
                epoch: hold.epoch,
                key: hold.key,
                deadline_ms: hold.deadline_ms,
            },
            tier: hold.tier,
            quantity: hold.quantity,
            buyer: hold.buyer,
            status: hold.status,
            expires_at_ms: is_live.then_some(self.told_ms(hold, clock_ms) + hold.anchor_ms),
            remaining_ms: if is_live { left_ms } else { 0 },
            total: total(price, hold.quantity),
            payment: self.payment_view(hold, clock_ms),
        })
    }
}
