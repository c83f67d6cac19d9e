//! Reserve: from a request to a hold.

use crate::arena::Position;
use crate::holds::{Hold, HoldKey, HoldStatus, NONE};
use crate::outcome::{Invalid, Limit};
use crate::sale::{Change, Sale, Status};
use crate::{
    BuyerId, HOLDS_MAX, HOLDS_PER_BUYER_MAX, HoldIndex, KEYS_PER_BUYER_MAX, KeyDigest, Outcome,
    QUANTITY_MAX, Refusal, Reserve, Terms,
};

/// A hold that the rules allow and that is not made yet.
pub(crate) struct NewHold<'a> {
    tier: u8,
    quantity: u16,
    buyer: &'a BuyerId,
    /// The buyer's record, if they have had a hold before.
    known: Option<Position>,
    key: Option<KeyDigest>,
}

/// What a request comes to when something is to be written.
pub(crate) enum Reservation<'a> {
    Hold(NewHold<'a>),
    RememberKey { buyer: Position, key: KeyDigest, hold: u32 },
}

impl<'a> From<Reservation<'a>> for Change<'a> {
    fn from(reservation: Reservation<'a>) -> Self {
        match reservation {
            Reservation::Hold(hold) => Change::Hold(hold),
            Reservation::RememberKey { buyer, key, hold } => {
                Change::RememberKey { buyer, key, hold, attempt: 0 }
            }
        }
    }
}

impl Sale {
    /// Answers in the contract's order: replay of a key, the same hold again, the sale's status,
    /// another hold, limits, availability.
    pub(crate) fn decide_reserve<'a>(
        &self,
        clock_ms: u64,
        request: &'a Reserve,
    ) -> Result<Reservation<'a>, Outcome> {
        let terms = self.terms.as_ref().ok_or(Outcome::Refused(Refusal::SaleNotFound))?;
        let tier = self.tier_index(request);
        let known = self.buyers.find(&request.buyer).filter(|_| !planted!(SecondHold));
        if let Some(buyer) = known {
            self.replay(buyer, request, tier)?;
        }
        let quantity = check_quantity(request).map_err(Outcome::Refused)?;
        let tier = tier.ok_or(Outcome::Refused(Refusal::TierNotFound))?;
        let mut live = None;
        if let Some(buyer) = known {
            let remembered = self.buyers.get(buyer);
            live = remembered.is_live.then_some(remembered.latest);
            if let Some(hold) = live.filter(|&row| self.is_for(row, Some(tier), request.quantity)) {
                return self.same_hold(buyer, hold, request.key);
            }
        }
        self.check_status(terms).map_err(Outcome::Refused)?;
        if let Some(row) = live {
            return Err(Outcome::Refused(Refusal::HoldExists(HoldIndex(row))));
        }
        self.check_limits(terms, known, request).map_err(Outcome::Refused)?;
        self.check_availability(tier, request.quantity, clock_ms).map_err(Outcome::Refused)?;
        let buyer = &request.buyer;
        Ok(Reservation::Hold(NewHold { tier, quantity, buyer, known, key: request.key }))
    }

    /// Makes the hold.
    pub(crate) fn commit_hold(&mut self, new: &NewHold<'_>) -> Outcome {
        let buyer = new.known.unwrap_or_else(|| self.buyers.push(new.buyer));
        let seconds = self.terms.as_ref().map_or(0, |terms| terms.hold_seconds);
        let early_ms = if planted!(EndsEarly) { 1_000 } else { 0 };
        let row = self.holds.push(Hold {
            key: HoldKey::new(self.last.sequence, 0),
            deadline_ms: self.last.clock_ms + u64::from(seconds) * 1_000 - early_ms,
            epoch: self.last.epoch,
            buyer,
            payment: NONE,
            quantity: new.quantity,
            tier: new.tier,
            status: HoldStatus::Held,
        });
        self.buyers.change(buyer, |buyer| {
            (buyer.latest, buyer.is_live) = (row, true);
            buyer.holds += 1;
        });
        if let Some(key) = new.key {
            self.buyers.push_key(buyer, key, row, 0);
        }
        let tier = &mut self.tiers[usize::from(new.tier)];
        tier.held += u32::from(new.quantity);
        tier.due.push_back(row);
        Outcome::Reserved(HoldIndex(row))
    }

    fn tier_index(&self, request: &Reserve) -> Option<u8> {
        let position = self.tiers.iter().position(|tier| tier.config.id == request.tier);
        position.and_then(|index| u8::try_from(index).ok())
    }

    /// A key that was used before answers as it did; for anything else it is refused.
    fn replay(&self, buyer: Position, request: &Reserve, tier: Option<u8>) -> Result<(), Outcome> {
        let Some(key) = request.key.filter(|_| !planted!(ForgetsKeys)) else { return Ok(()) };
        match self.buyers.find_key(buyer, key) {
            Some((row, 0)) if self.is_for(row, tier, request.quantity) => {
                Err(Outcome::Existing(HoldIndex(row)))
            }
            Some(_) => Err(Outcome::Refused(Refusal::KeyReused)),
            None => Ok(()),
        }
    }

    /// The same request while its hold lives gets the same hold; a new key is remembered for it.
    fn same_hold(
        &self,
        buyer: Position,
        hold: u32,
        key: Option<KeyDigest>,
    ) -> Result<Reservation<'static>, Outcome> {
        match key {
            Some(_) if self.status == Status::Closed => Err(Outcome::Existing(HoldIndex(hold))),
            Some(_) if self.buyers.get(buyer).keys >= KEYS_PER_BUYER_MAX => {
                Err(Outcome::Refused(Refusal::LimitReached(Limit::Keys)))
            }
            Some(key) => Ok(Reservation::RememberKey { buyer, key, hold }),
            None => Err(Outcome::Existing(HoldIndex(hold))),
        }
    }

    fn is_for(&self, row: u32, tier: Option<u8>, quantity: u32) -> bool {
        let hold = &self.holds[row];
        Some(hold.tier) == tier && u32::from(hold.quantity) == quantity
    }

    fn check_status(&self, terms: &Terms) -> Result<(), Refusal> {
        match self.status {
            Status::Open => Ok(()),
            Status::Scheduled => Err(Refusal::NotOpen { opens_at_ms: terms.opens_at_ms }),
            Status::Paused => Err(Refusal::Paused),
            Status::Closed => Err(Refusal::Closed),
        }
    }

    fn check_limits(
        &self,
        terms: &Terms,
        known: Option<Position>,
        request: &Reserve,
    ) -> Result<(), Refusal> {
        let buyer = known.map(|buyer| self.buyers.get(buyer));
        let ordered = buyer.map_or(0, |buyer| u32::from(buyer.ordered));
        let ordered = if planted!(OrdersUncounted) { 0 } else { ordered };
        if ordered + request.quantity > terms.max_per_buyer && !planted!(NoLimit) {
            return Err(Refusal::LimitReached(Limit::Units));
        }
        if let Some(buyer) = buyer {
            if buyer.holds >= HOLDS_PER_BUYER_MAX {
                return Err(Refusal::LimitReached(Limit::Holds));
            }
            if request.key.is_some() && buyer.keys >= KEYS_PER_BUYER_MAX {
                return Err(Refusal::LimitReached(Limit::Keys));
            }
        }
        if self.holds.len() >= HOLDS_MAX || self.buyers.is_full() {
            return Err(Refusal::Full);
        }
        Ok(())
    }

    fn check_availability(&self, tier: u8, quantity: u32, clock_ms: u64) -> Result<(), Refusal> {
        let tier = &self.tiers[usize::from(tier)];
        let free = self.free(tier) + u32::from(planted!(OneTooMany));
        if quantity <= free {
            return Ok(());
        }
        if free > 0 {
            return Err(Refusal::NotEnough { free });
        }
        Err(self.too_few(tier, self.next_return_ms(tier), clock_ms))
    }
}

fn check_quantity(request: &Reserve) -> Result<u16, Refusal> {
    let quantity = u16::try_from(request.quantity).ok();
    let in_range = quantity.filter(|&quantity| (1..=QUANTITY_MAX).contains(&u32::from(quantity)));
    in_range.ok_or(Refusal::Invalid(Invalid::field("quantity", "must be 1 to 1000")))
}

const _: () = assert!(NONE > HOLDS_MAX, "no row has the number that stands for none");
