//! What the auditor knows of one sale.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::{
    BuyerId, Command, HoldKey, HoldStatus, HoldView, KeyDigest, Reserve, SaleView, TierId,
};

use super::{Breach, Checks, Moment, Seen, Turn, Wanted, merchant, promises};

/// A hold is looked at when its time is up, give or take the rounds of a turn and the clocks' fractions.
const ABOUT_US: u64 = 5_000;

/// One sale, as its clients have seen it.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) told: BTreeMap<HoldKey, Told>,
    /// Holds not known to have ended, by buyer.
    pub(super) open: BTreeMap<BuyerId, Vec<HoldKey>>,
    /// Holds by the true time at which they should end, if nothing goes wrong.
    due: BTreeSet<(u64, HoldKey)>,
    /// Units of holds not known to have ended.
    pub(super) open_units: BTreeMap<TierId, u64>,
    pub(super) buyers: BTreeMap<BuyerId, BuyerBook>,
    /// Buyers who may have a hold that nobody was told of.
    unsure: BTreeSet<BuyerId>,
    cancels: BTreeSet<(HoldKey, Option<BuyerId>)>,
    /// Holds not known to have ended. Deadlines come in the order of the keys.
    pub(super) live: BTreeSet<(TierId, HoldKey)>,
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
    behind_at_rest_ms: u64,
    pub(super) behind_at_look_ms: u64,
    /// As `last`, whatever happened since.
    pub(super) seen: Option<SaleView>,
    /// The merchant has asked for something since the last look.
    pub(super) merchant_asked: bool,
    /// Keys are forgotten at the close.
    pub(super) close_asked: bool,
    /// Units asked for in this turn.
    pub(super) asked_units: BTreeMap<TierId, u64>,
    /// Buyers who asked for something in this turn.
    askers: BTreeSet<BuyerId>,
    /// Holds that somebody wants cancelled in this turn.
    pub(super) unwanted: BTreeSet<HoldKey>,
    /// Something was wrong: when holds end must be reckoned anew.
    reckon: bool,
    /// After a restart even ended holds are looked at.
    recheck: bool,
}

/// A hold that somebody was told of.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// As it was last seen with its units, or when it was first seen.
    pub(super) view: HoldView,
    /// When that was.
    pub(super) at: Moment,
    pub(super) ended: Option<HoldStatus>,
    pub(super) cancel_asked: bool,
    /// By how much the wall clock had been set back when it was made, at least.
    pub(super) behind_ms: u64,
    due_us: u64,
}

/// What one buyer has asked and was told, by idempotency key.
#[derive(Debug, Default)]
pub(super) struct BuyerBook {
    /// Holds of theirs that somebody was told of, ended ones included.
    pub(super) holds: usize,
    /// Requests that may have been done without a word, and those of them with a key.
    pub(super) lost: usize,
    pub(super) lost_keys: usize,
    pub(super) sent: Vec<(KeyDigest, Reserve)>,
    pub(super) answered: Vec<(KeyDigest, Reserve, HoldKey)>,
}

impl Book {
    pub(super) fn begin_turn(&mut self) {
        self.asked_units.clear();
        self.new.clear();
        self.returns.clear();
        (self.merchant_asks, self.done) = (0, None);
        self.askers.clear();
        self.unwanted.clear();
    }

    /// Takes note of what is asked, before any reply.
    pub(super) fn note(&mut self, command: &Command) {
        match command {
            Command::Reserve(request) => {
                self.askers.insert(request.buyer);
                *self.asked_units.entry(request.tier).or_default() += u64::from(request.quantity);
                if let Some(key) = request.key {
                    let sent = &mut self.buyers.entry(request.buyer).or_default().sent;
                    if !sent.contains(&(key, *request)) {
                        sent.push((key, *request));
                    }
                }
            }
            Command::Cancel { hold, buyer } => {
                self.askers.extend(buyer);
                self.unwanted.insert(*hold);
                self.cancels.insert((*hold, *buyer));
            }
            Command::Tick { .. } => {}
            _ => {
                self.merchant_asked = true;
                self.merchant_asks += 1;
                self.configure_asked |= matches!(command, Command::Configure(_));
                self.close_asked |= matches!(command, Command::Close);
            }
        }
    }

    /// A reply was lost: what was asked may have been done.
    pub(super) fn unsure_of(&mut self, command: &Command) {
        if let Command::Reserve(request) = command {
            self.unsure.insert(request.buyer);
            let buyer = self.buyers.entry(request.buyer).or_default();
            buyer.lost += 1;
            buyer.lost_keys += usize::from(request.key.is_some());
        }
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
        } else {
            let soon = (now_us + ABOUT_US, HoldKey::from_number(u64::MAX));
            holds.extend(self.due.range(..=soon).map(|(_, key)| key));
            holds.extend(self.askers.iter().filter_map(|buyer| self.open.get(buyer)).flatten());
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

    /// A hold was seen, in an answer or by a look.
    pub(super) fn sight(
        &mut self,
        view: &HoldView,
        turn: &Turn,
        checks: &mut Checks,
    ) -> Result<(), Breach> {
        let Some(told) = self.told.get_mut(&view.key) else {
            self.first_sight(view, turn);
            return Ok(());
        };
        promises::same_facts(told, view, checks)?;
        promises::one_ending(told, view, checks)?;
        if told.ended.is_some() {
            return Ok(());
        }
        told.cancel_asked |= self.cancels.contains(&(view.key, None))
            || self.cancels.contains(&(view.key, Some(view.buyer)));
        promises::the_buyers_time(told, view, turn, checks)?;
        if view.status.is_live() {
            (told.view, told.at) = (*view, turn.start);
            if self.reckon {
                self.due.remove(&(told.due_us, view.key));
                told.due_us = turn.start.now_us + view.remaining_ms * 1_000;
                self.due.insert((told.due_us, view.key));
            }
            return Ok(());
        }
        told.ended = Some(view.status);
        self.due.remove(&(told.due_us, view.key));
        self.live.remove(&(view.tier, view.key));
        if let Some(units) = self.open_units.get_mut(&view.tier) {
            *units -= u64::from(view.quantity);
        }
        if let Some(open) = self.open.get_mut(&view.buyer) {
            open.retain(|key| *key != view.key);
        }
        Ok(())
    }

    /// A hold that was seen in this turn was also made in it.
    pub(super) fn made_now(&mut self, key: HoldKey, turn: &Turn) {
        if let Some(told) = self.told.get_mut(&key) {
            told.behind_ms = turn.start.behind_ms;
        }
    }

    fn first_sight(&mut self, view: &HoldView, turn: &Turn) {
        let live = view.status.is_live();
        let due_us = turn.start.now_us + view.remaining_ms * 1_000;
        let ended = (!live).then_some(view.status);
        let behind_ms = self.behind_at_rest_ms;
        let told =
            Told { view: *view, at: turn.start, ended, cancel_asked: false, behind_ms, due_us };
        self.told.insert(view.key, told);
        self.new.insert(view.key);
        self.buyers.entry(view.buyer).or_default().holds += 1;
        if live {
            self.live.insert((view.tier, view.key));
            self.due.insert((due_us, view.key));
            self.open.entry(view.buyer).or_default().push(view.key);
            *self.open_units.entry(view.tier).or_default() += u64::from(view.quantity);
        }
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
            self.sight(view, turn, checks)?;
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
        promises::one_live_hold_each(live.values().copied(), &seen.view, checks)?;
        promises::as_last_seen(self, &seen.view, turn, checks)?;
        promises::units_add_up(&seen.view, checks)?;
        merchant::as_done(self, &seen.view, checks)?;
        promises::returns_as_told(self, &seen.view, turn, checks)?;
        if turn.healthy && self.unsure.is_empty() {
            promises::held_is_what_was_told(self, &seen.view, checks)?;
            promises::next_return_is_true(self, &seen.view, turn, checks)?;
        }
        if self.live.is_empty() && seen.view.tiers.iter().all(|tier| tier.held == 0) {
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
