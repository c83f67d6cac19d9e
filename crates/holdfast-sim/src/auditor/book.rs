//! What the auditor knows of one sale.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::{BuyerId, Command, HoldKey, HoldStatus, HoldView, KeyDigest, SaleView, TierId};

use super::asks::{Asks, Use};
use super::{Breach, Checks, Moment, Seen, Turn, Wanted, merchant, payments, promises};

/// A hold is looked at when its time is up, give or take the rounds of a turn and the clocks' fractions.
const ABOUT_US: u64 = 5_000;

/// One sale, as its clients have seen it.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) told: BTreeMap<HoldKey, Told>,
    /// Holds not known to have ended, by buyer.
    pub(super) open: BTreeMap<BuyerId, Vec<HoldKey>>,
    /// Holds by the true time at which they should end, if nothing goes wrong.
    pub(super) due: BTreeSet<(u64, HoldKey)>,
    /// Units of holds not known to have ended.
    pub(super) open_units: BTreeMap<TierId, u64>,
    pub(super) buyers: BTreeMap<BuyerId, BuyerBook>,
    /// Buyers who may have a hold that nobody was told of.
    pub(super) unsure: BTreeSet<BuyerId>,
    pub(super) cancels: BTreeSet<(HoldKey, Option<BuyerId>)>,
    /// Holds not known to have ended that have not been at the checkout: their deadlines come in the
    /// order of the keys.
    pub(super) live: BTreeSet<(TierId, HoldKey)>,
    /// Holds not known to have ended that have been at the checkout.
    pub(super) late: BTreeSet<(TierId, HoldKey)>,
    /// Units of orders.
    pub(super) sold_units: BTreeMap<TierId, u64>,
    /// What was asked about payments.
    pub(super) asks: Asks,
    /// What money bought, by hold and attempt; `None`: it came too late.
    pub(super) confirmed: BTreeMap<(HoldKey, u8), Option<HoldKey>>,
    /// Holds about which something is asked in this turn: how often, and as they were before it.
    pub(super) touched: BTreeMap<HoldKey, (u32, Option<HoldView>)>,
    /// Those of them about whose payment it is.
    pub(super) paid: BTreeSet<HoldKey>,
    /// Holds about whose payment something was asked since they were last looked at.
    pub(super) unseen: BTreeSet<HoldKey>,
    /// Holds first heard of in this turn.
    pub(super) new: BTreeSet<HoldKey>,
    /// What the last look showed, if there was one and nothing can have happened since.
    pub(super) last: Option<SaleView>,
    /// Somebody has asked for the sale to be made.
    pub(super) configure_asked: bool,
    /// What the merchant asks for in this turn.
    pub(super) merchant_asks: u32,
    /// What the merchant was told is done, in this turn.
    pub(super) done: Option<Command>,
    /// Return times that were told in this turn.
    pub(super) returns: Vec<(TierId, u64)>,
    /// By how much the wall clock had been set back when nobody held anything, and at the last
    /// look.
    pub(super) behind_at_rest_ms: u64,
    pub(super) behind_at_look_ms: u64,
    /// As `last`, whatever happened since.
    pub(super) seen: Option<SaleView>,
    /// The merchant has asked for something since the last look.
    pub(super) merchant_asked: bool,
    /// Keys are forgotten at the close.
    pub(super) close_asked: bool,
    /// Units asked for in this turn, late money's among them.
    pub(super) asked_units: BTreeMap<TierId, u64>,
    /// Units for which money came in this turn.
    pub(super) confirmed_units: BTreeMap<TierId, u64>,
    /// Buyers who asked for something in this turn.
    pub(super) askers: BTreeSet<BuyerId>,
    /// Holds that somebody wants cancelled in this turn.
    pub(super) unwanted: BTreeSet<HoldKey>,
    /// Something was wrong: when holds end must be reckoned anew.
    pub(super) reckon: bool,
    /// After a restart even ended holds are looked at.
    recheck: bool,
}

/// A hold that somebody was told of.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// As it was last seen.
    pub(super) view: HoldView,
    /// When its buyer was last seen to have time of their own, and how much.
    pub(super) at: Moment,
    pub(super) left_ms: u64,
    /// What comes after that, at least and at most, before it ends by itself.
    pub(super) grace_ms: u64,
    pub(super) more_ms: u64,
    pub(super) ended: Option<HoldStatus>,
    pub(super) cancel_asked: bool,
    /// By how much the wall clock had been set back when it was made, at least.
    pub(super) behind_ms: u64,
    pub(super) due_us: u64,
}

/// What one buyer has asked and was told, by idempotency key.
#[derive(Debug, Default)]
pub(super) struct BuyerBook {
    /// Holds of theirs that somebody was told of, ended ones included.
    pub(super) holds: usize,
    /// Requests that may have been done without a word, and those of them with a key.
    pub(super) lost: usize,
    pub(super) lost_keys: usize,
    pub(super) sent: Vec<(KeyDigest, Use)>,
    pub(super) answered: Vec<(KeyDigest, Use, HoldKey)>,
    /// Their orders that have their units.
    pub(super) orders: BTreeSet<HoldKey>,
}

impl Book {
    pub(super) fn begin_turn(&mut self) {
        self.asked_units.clear();
        self.confirmed_units.clear();
        self.touched.clear();
        self.paid.clear();
        self.new.clear();
        self.returns.clear();
        (self.merchant_asks, self.done) = (0, None);
        self.askers.clear();
        self.unwanted.clear();
    }

    pub(super) fn blind(&mut self) {
        self.reckon = true;
        self.last = None;
    }

    pub(super) fn restarted(&mut self) {
        self.blind();
        self.recheck = true;
    }

    pub(super) fn wanted(&self, looks: &[HoldKey], now_us: u64) -> Wanted {
        let mut holds = BTreeSet::new();
        if self.recheck {
            holds.extend(self.told.keys());
        } else if self.reckon {
            holds.extend(self.open.values().flatten());
            holds.extend(self.unseen.iter().filter(|key| self.told.contains_key(key)));
        } else {
            let soon = (now_us + ABOUT_US, HoldKey::from_number(u64::MAX));
            holds.extend(self.due.range(..=soon).map(|(_, key)| key));
            // When these end is not known that well.
            let may_end = |key: &&HoldKey| {
                self.told.get(key).is_some_and(|told| told.may_end_us() <= now_us + ABOUT_US)
            };
            holds.extend(self.late.iter().map(|(_, key)| key).filter(may_end));
            holds.extend(self.askers.iter().filter_map(|buyer| self.open.get(buyer)).flatten());
            holds.extend(self.unseen.iter().filter(|key| self.told.contains_key(key)));
            holds.extend(self.unwanted.iter().filter(|key| self.told.contains_key(key)));
            holds.extend(looks.iter().filter(|key| self.told.contains_key(key)));
        }
        let buyers = self.askers.union(&self.unsure);
        Wanted { holds: holds.into_iter().collect(), buyers: buyers.copied().collect() }
    }

    /// The hold that should have ended first, and when.
    pub(super) fn first_due(&self) -> Option<(u64, HoldKey)> {
        if self.reckon { None } else { self.due.first().copied() }
    }

    /// What a look showed at the end of a turn.
    pub(super) fn look(
        &mut self,
        seen: Option<&Seen>,
        turn: &Turn,
        checks: &mut Checks,
    ) -> Result<(), Breach> {
        let Some(seen) = seen else {
            return promises::nothing_configured_is_lost(self.seen.as_ref(), checks);
        };
        let mut live = BTreeMap::new();
        for (key, view) in &seen.holds {
            let view = promises::still_there(*key, view.as_ref(), checks)?;
            promises::no_order_unasked(self, view, checks)?;
            self.sight(view, turn, checks)?;
            payments::the_sales_grace(view, &seen.view, checks)?;
            live.insert(*key, view);
        }
        for (buyer, latest) in &seen.latest {
            promises::no_hold_unasked(self, *buyer, latest.as_ref(), checks)?;
            if let Some(view) = latest {
                self.sight(view, turn, checks)?;
                live.insert(view.key, view);
            }
            self.unsure.remove(buyer);
        }
        live.retain(|_, view| view.status.is_live());
        promises::one_live_hold_each(self, live.values().copied(), &seen.view, checks)?;
        promises::as_last_seen(self, &seen.view, turn, checks)?;
        promises::units_add_up(&seen.view, checks)?;
        merchant::as_done(self, &seen.view, checks)?;
        promises::returns_as_told(self, &seen.view, turn, checks)?;
        if turn.healthy && self.unsure.is_empty() {
            promises::held_is_what_was_told(self, &seen.view, checks)?;
            payments::sold_is_what_was_told(self, &seen.view, checks)?;
            payments::withheld_is_what_was_said(self, &seen.view, checks)?;
            promises::next_return_is_true(self, &seen.view, turn, checks)?;
        }
        self.unseen.clear();
        if self.live.is_empty()
            && self.late.is_empty()
            && seen.view.tiers.iter().all(|tier| tier.held == 0)
        {
            self.behind_at_rest_ms = turn.start.behind_ms;
        }
        // An engine that cannot write cannot follow the wall.
        if turn.healthy {
            self.behind_at_look_ms = turn.end.behind_ms;
        }
        self.reckon = !turn.healthy;
        self.recheck = false;
        self.merchant_asked = false;
        self.seen = Some(seen.view.clone());
        self.last.clone_from(&self.seen);
        Ok(())
    }

    pub(super) fn is_unsure(&self, buyer: &BuyerId) -> bool {
        self.unsure.contains(buyer)
    }

    pub(super) fn has_told(&self, buyer: &BuyerId) -> bool {
        self.open.contains_key(buyer)
    }

    pub(super) fn open(&self) -> usize {
        self.open.values().map(Vec::len).sum()
    }

    pub(super) fn view(&self) -> Option<&SaleView> {
        self.seen.as_ref()
    }

    /// The sale as it was before this turn, if the merchant lets it be.
    pub(super) fn settled_view(&self) -> Option<&SaleView> {
        self.last.as_ref().filter(|_| !self.merchant_asked)
    }
}
