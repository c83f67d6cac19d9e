//! What can be known of one sale while a turn decides, and what cannot.

use holdfast_core::{BuyerId, HoldKey, HoldView, Status, TierId, TierView};

use super::book::Book;
use super::{Turn, payments, time};

impl Book {
    /// The most that one buyer may have. It cannot change once the sale has opened.
    pub(super) fn max_per_buyer(&self) -> Option<u32> {
        let seen = self.seen.as_ref();
        let fixed = seen.filter(|view| view.status != Status::Scheduled || !self.merchant_asked);
        fixed.map(|view| view.terms.max_per_buyer)
    }

    /// The states that the sale may be in while a turn decides; none: nobody can know.
    pub(super) fn statuses(&self, turn: &Turn) -> Vec<Status> {
        let Some(last) = &self.last else { return Vec::new() };
        let opens_by = |wall_ms| last.terms.opens_at_ms.is_some_and(|at_ms| at_ms <= wall_ms);
        match last.status {
            Status::Scheduled if opens_by(turn.start.wall_ms) => vec![Status::Open],
            Status::Scheduled if opens_by(turn.end.wall_ms) => {
                vec![Status::Scheduled, Status::Open]
            }
            status => vec![status],
        }
    }

    /// A buyer's hold that certainly lives during the whole turn, if they have one.
    pub(super) fn surely_live(&self, buyer: &BuyerId, turn: &Turn) -> Option<&HoldView> {
        self.last.as_ref()?;
        let keys = self.open.get(buyer)?;
        keys.iter()
            .find(|key| self.stays(key, turn))
            .and_then(|key| Some(&self.told.get(key)?.view))
    }

    /// Units of a tier on hold before this turn that may have come back in it: of holds that are
    /// due or unwanted, and of those that nobody was told of.
    pub(super) fn may_return(&self, tier: &TierView, turn: &Turn) -> u64 {
        let stay = self.live_in(tier.config.id).filter(|key| self.stays(key, turn));
        let stay = stay.filter_map(|key| self.told.get(&key));
        let stay: u64 = stay.map(|told| u64::from(told.view.quantity)).sum();
        let sold = self.touched_in(tier.config.id).filter(|told| {
            let before = self.told_before(&told.view.key);
            before.is_some_and(payments::has_units) || payments::has_units(&told.view)
        });
        let sold: u64 = sold.map(|told| u64::from(told.view.quantity)).sum();
        u64::from(tier.held).saturating_sub(stay) + sold
    }

    /// A hold about which something is asked in this turn, as it was before.
    pub(super) fn told_before(&self, key: &HoldKey) -> Option<&HoldView> {
        self.touched.get(key)?.1.as_ref()
    }

    /// How many ask something about a hold in this turn.
    pub(super) fn touches(&self, key: HoldKey) -> u32 {
        self.touched.get(&key).map_or(0, |(times, _)| *times)
    }

    /// Whether a hold was there before this turn, and its buyer has time of their own during all
    /// of it.
    pub(super) fn has_time(&self, key: &HoldKey, turn: &Turn) -> bool {
        let told = self.told.get(key).filter(|_| !self.new.contains(key) && self.last.is_some());
        told.is_some_and(|told| told.ended.is_none() && time::left_at_least_ms(told, turn) > 0)
    }

    /// Whether a hold was there before this turn, and lives during all of it if nobody ends it.
    pub(super) fn lives_on(&self, key: &HoldKey, turn: &Turn) -> bool {
        let told = self.told.get(key).filter(|_| !self.new.contains(key) && self.last.is_some());
        told.is_some_and(|told| time::lives_at_least_ms(told, turn) > 0)
    }

    /// Units of a buyer's orders, of those that nothing is asked about in this turn and of all
    /// that there may be.
    pub(super) fn ordered(&self, buyer: &BuyerId) -> (u32, u32) {
        let Some(known) = self.buyers.get(buyer) else { return (0, 0) };
        let units = |key: &HoldKey| self.told.get(key).map_or(0, |told| told.view.quantity);
        let sure = known.orders.iter().filter(|key| !self.paid.contains(key));
        let sure: u32 = sure.map(units).sum();
        let touched: u32 = self.touched_of(*buyer).map(|told| told.view.quantity).sum();
        let made = known.orders.iter().filter(|key| self.new.contains(key));
        (sure, sure + touched + made.map(units).sum::<u32>())
    }

    /// Whether a hold was there before this turn and certainly is after it.
    fn stays(&self, key: &HoldKey, turn: &Turn) -> bool {
        let told = self.told.get(key).filter(|_| !self.new.contains(key));
        let lives = told.is_some_and(|told| time::lives_at_least_ms(told, turn) > 0);
        lives && !self.touched.contains_key(key)
    }

    /// Holds of a tier that are not known to have ended.
    pub(super) fn live_in(&self, tier: TierId) -> impl Iterator<Item = HoldKey> {
        let first = (tier, HoldKey::from_number(0));
        let last = (tier, HoldKey::from_number(u64::MAX));
        self.live.range(first..=last).chain(self.late.range(first..=last)).map(|(_, key)| *key)
    }

    /// Whether holds of a tier end in the order in which they were made. Whoever goes to the
    /// checkout ends later, and whoever is declined sooner again.
    pub(super) fn is_steady(&self, tier: TierId) -> bool {
        self.touched_in(tier).next().is_none()
            && self.first_to_end(tier).all(|told| told.view.payment.is_none())
    }

    /// Those of them of which one ends first.
    pub(super) fn first_to_end(&self, tier: TierId) -> impl Iterator<Item = &super::book::Told> {
        let first = (tier, HoldKey::from_number(0));
        let last = (tier, HoldKey::from_number(u64::MAX));
        let punctual = self.live.range(first..=last).take(1);
        let all = punctual.chain(self.late.range(first..=last));
        all.filter_map(|(_, key)| self.told.get(key))
    }
}
