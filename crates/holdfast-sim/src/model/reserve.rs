//! Reserve, by the naive rules. The checks stand in the contract's order.

use holdfast_core::{
    BuyerId, HOLDS_PER_BUYER_MAX, HoldKey, HoldStatus, KEYS_PER_BUYER_MAX, Limit, QUANTITY_MAX,
    Reserve, SaleConfig, Stamp, Status, TierConfig,
};

use super::{Hold, Model, Reason, UsedKey, Verdict};

/// A sequence and a place within its entry make a key: the place has ten bits.
pub(super) const KEYS_PER_ENTRY: u64 = 1_024;

impl Model {
    pub(super) fn reserve(&mut self, stamp: Stamp, request: &Reserve) -> Verdict {
        let Some(config) = self.config.clone() else {
            return Verdict::Refused(Reason::SaleNotFound);
        };
        if let Some(verdict) = self.refusal(&config, stamp.clock_ms, request) {
            return verdict;
        }
        match (self.live_of(request.buyer), request.key) {
            (Some(hold), Some(key)) => {
                self.keys.push(UsedKey {
                    buyer: request.buyer,
                    key,
                    hold,
                    attempt: 0,
                    is_joined: false,
                });
                Verdict::Existing(self.holds[hold].key)
            }
            _ => self.hold(&config, stamp, request),
        }
    }

    /// Every answer that changes nothing. `None`: a hold is made, or a new key remembered for the
    /// hold that the buyer has.
    pub(super) fn refusal(
        &self,
        config: &SaleConfig,
        clock_ms: u64,
        request: &Reserve,
    ) -> Option<Verdict> {
        let refuse = |reason| Some(Verdict::Refused(reason));
        let same = |hold: &Hold| hold.tier == request.tier && hold.quantity == request.quantity;
        if let Some(used) = self.answered(request) {
            let hold = &self.holds[used.hold];
            return if used.attempt == 0 && same(hold) {
                Some(Verdict::Existing(hold.key))
            } else {
                refuse(Reason::KeyReused)
            };
        }
        if request.quantity == 0 || request.quantity > QUANTITY_MAX {
            return refuse(Reason::Invalid("quantity".to_owned()));
        }
        let Some(tier) = config.tiers.iter().find(|tier| tier.id == request.tier) else {
            return refuse(Reason::TierNotFound);
        };
        let live = self.live_of(request.buyer);
        if let Some(at) = live.filter(|&at| same(&self.holds[at])) {
            return self.same_hold(at, request);
        }
        match self.status {
            Status::Closed => return refuse(Reason::Closed),
            Status::Scheduled => return refuse(Reason::NotOpen(config.terms.opens_at_ms)),
            Status::Paused => return refuse(Reason::Paused),
            Status::Open => {}
        }
        if let Some(at) = live {
            return refuse(Reason::HoldExists(self.holds[at].key));
        }
        if let Some(limit) = self.limit_reached(config, request) {
            return refuse(Reason::LimitReached(limit));
        }
        self.shortage(tier, clock_ms, request.quantity).and_then(refuse)
    }

    /// What a request's key already stands for.
    fn answered(&self, request: &Reserve) -> Option<&UsedKey> {
        let key = request.key?;
        self.keys.iter().find(|used| used.buyer == request.buyer && used.key == key)
    }

    fn same_hold(&self, hold: usize, request: &Reserve) -> Option<Verdict> {
        if request.key.is_none() || self.status == Status::Closed {
            return Some(Verdict::Existing(self.holds[hold].key));
        }
        let full = self.keys_of(request.buyer) >= usize::from(KEYS_PER_BUYER_MAX);
        full.then_some(Verdict::Refused(Reason::LimitReached(Limit::Keys)))
    }

    fn limit_reached(&self, config: &SaleConfig, request: &Reserve) -> Option<Limit> {
        let holds = self.holds.iter().filter(|hold| hold.buyer == request.buyer).count();
        if request.quantity + self.ordered(request.buyer) > config.terms.max_per_buyer {
            return Some(Limit::Units);
        }
        if holds >= usize::from(HOLDS_PER_BUYER_MAX) {
            return Some(Limit::Holds);
        }
        let keys = self.keys_of(request.buyer) + usize::from(request.key.is_some());
        (keys > usize::from(KEYS_PER_BUYER_MAX) && request.key.is_some()).then_some(Limit::Keys)
    }

    fn shortage(&self, tier: &TierConfig, clock_ms: u64, quantity: u32) -> Option<Reason> {
        let free = self.free(tier);
        if quantity <= free {
            return None;
        }
        if free > 0 {
            return Some(Reason::NotEnough(free));
        }
        if self.sold(tier.id) >= u64::from(tier.capacity) {
            return Some(Reason::SoldOut);
        }
        Some(Reason::AllHeld(self.next_return_at_ms(tier, clock_ms)))
    }

    fn hold(&mut self, config: &SaleConfig, stamp: Stamp, request: &Reserve) -> Verdict {
        let key = HoldKey::from_number(stamp.sequence * KEYS_PER_ENTRY);
        if let Some(key) = request.key {
            let (buyer, hold) = (request.buyer, self.holds.len());
            self.keys.push(UsedKey { buyer, key, hold, attempt: 0, is_joined: false });
        }
        self.holds.push(Hold {
            key,
            epoch: stamp.epoch,
            buyer: request.buyer,
            tier: request.tier,
            quantity: request.quantity,
            deadline_ms: stamp.clock_ms + u64::from(config.terms.hold_seconds) * 1_000,
            anchor_ms: self.anchor_ms,
            status: HoldStatus::Held,
            payment: None,
        });
        Verdict::Reserved(key)
    }

    pub(super) fn live_of(&self, buyer: BuyerId) -> Option<usize> {
        let theirs = |hold: &Hold| hold.buyer == buyer && hold.status.is_live();
        self.holds.iter().position(theirs)
    }

    pub(super) fn keys_of(&self, buyer: BuyerId) -> usize {
        self.keys.iter().filter(|used| used.buyer == buyer).count()
    }
}
