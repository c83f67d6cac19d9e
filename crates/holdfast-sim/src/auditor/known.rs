//! What can be known of one sale while a turn decides, and what cannot.

use holdfast_core::{BuyerId, HoldKey, HoldView, Status, TierId, TierView};

use super::book::Book;
use super::{Turn, promises};

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
        u64::from(tier.held).saturating_sub(stay)
    }

    /// Whether a hold was there before this turn and certainly is after it.
    fn stays(&self, key: &HoldKey, turn: &Turn) -> bool {
        let told = self.told.get(key).filter(|_| !self.new.contains(key));
        let lives = told.is_some_and(|told| promises::left_at_least_ms(told, turn) > 0);
        lives && !self.unwanted.contains(key)
    }

    /// Holds of a tier that are not known to have ended, the first to end first.
    pub(super) fn live_in(&self, tier: TierId) -> impl Iterator<Item = HoldKey> {
        let first = (tier, HoldKey::from_number(0));
        let last = (tier, HoldKey::from_number(u64::MAX));
        self.live.range(first..=last).map(|(_, key)| *key)
    }
}
