//! A hold is seen, in an answer or by a look: what the book makes of it.

use holdfast_core::{HoldKey, HoldView};

use super::book::{Book, Told};
use super::{Breach, Checks, Turn, payments, promises, time};

impl Book {
    /// A hold was seen, in an answer or by a look.
    pub(super) fn sight(
        &mut self,
        view: &HoldView,
        turn: &Turn,
        checks: &mut Checks,
    ) -> Result<(), Breach> {
        payments::goes_on(self.told.get(&view.key), view, &self.asks, checks)?;
        self.count_order(view);
        let Some(told) = self.told.get_mut(&view.key) else {
            self.first_sight(view, turn);
            return Ok(());
        };
        promises::same_facts(told, view, checks)?;
        promises::one_ending(told, view, checks)?;
        if told.ended.is_some() {
            told.view = *view;
            return Ok(());
        }
        told.cancel_asked |= self.cancels.contains(&(view.key, None))
            || self.cancels.contains(&(view.key, Some(view.buyer)));
        time::the_buyers_time(told, view, &self.asks, turn, checks)?;
        payments::the_payers_time(told, view, turn, checks)?;
        if view.status.is_live() {
            self.goes_on(view, turn);
        } else {
            self.ends(view);
        }
        Ok(())
    }

    /// A hold that was told of lives on.
    fn goes_on(&mut self, view: &HoldView, turn: &Turn) {
        let Some(told) = self.told.get_mut(&view.key) else { return };
        let state = |view: &HoldView| {
            (view.status, view.payment.map(|payment| (payment.status, payment.attempt)))
        };
        let attempt = |view: &HoldView| view.payment.map(|payment| payment.attempt);
        let is_same = state(&told.view) == state(view);
        let is_same_payment =
            told.view.status == view.status && attempt(&told.view) == attempt(view);
        if view.remaining_ms > 0 || !is_same_payment {
            told.begin(view, turn);
        }
        let due_us = turn.start.now_us + ends_within_ms(view) * 1_000;
        let due_us = match (self.reckon, is_same) {
            (true, _) => due_us,
            (false, true) => told.due_us,
            (false, false) if is_same_payment => told.due_us.min(due_us),
            (false, false) => due_us,
        };
        self.due.remove(&(told.due_us, view.key));
        self.due.insert((due_us, view.key));
        (told.view, told.due_us) = (*view, due_us);
        if view.payment.is_some() && self.live.remove(&(view.tier, view.key)) {
            self.late.insert((view.tier, view.key));
        }
    }

    /// A hold that was told of has ended.
    fn ends(&mut self, view: &HoldView) {
        let Some(told) = self.told.get_mut(&view.key) else { return };
        (told.view, told.ended) = (*view, Some(view.status));
        self.due.remove(&(told.due_us, view.key));
        self.live.remove(&(view.tier, view.key));
        self.late.remove(&(view.tier, view.key));
        if let Some(units) = self.open_units.get_mut(&view.tier) {
            *units -= u64::from(view.quantity);
        }
        if let Some(open) = self.open.get_mut(&view.buyer) {
            open.retain(|key| *key != view.key);
        }
    }

    /// Counts an order's units, or no more.
    fn count_order(&mut self, view: &HoldView) {
        let orders = &mut self.buyers.entry(view.buyer).or_default().orders;
        let (has, units) = (payments::has_units(view), u64::from(view.quantity));
        let sold = self.sold_units.entry(view.tier).or_default();
        if has && orders.insert(view.key) {
            *sold += units;
        } else if !has && orders.remove(&view.key) {
            *sold -= units;
        }
    }

    /// A hold that was seen in this turn was also made in it.
    pub(super) fn made_now(&mut self, key: HoldKey, turn: &Turn) {
        if let Some(told) = self.told.get_mut(&key) {
            told.behind_ms = turn.start.behind_ms;
        }
    }

    fn first_sight(&mut self, view: &HoldView, turn: &Turn) {
        let live = view.status.is_live();
        let due_us = turn.start.now_us + ends_within_ms(view) * 1_000;
        let ended = (!live).then_some(view.status);
        let mut told = Told {
            view: *view,
            at: turn.start,
            left_ms: 0,
            grace_ms: 0,
            more_ms: 0,
            ended,
            cancel_asked: false,
            behind_ms: self.behind_at_rest_ms,
            due_us,
        };
        told.begin(view, turn);
        self.told.insert(view.key, told);
        self.new.insert(view.key);
        self.buyers.entry(view.buyer).or_default().holds += 1;
        if live {
            let by_key = if view.payment.is_some() { &mut self.late } else { &mut self.live };
            by_key.insert((view.tier, view.key));
            self.due.insert((due_us, view.key));
            self.open.entry(view.buyer).or_default().push(view.key);
            *self.open_units.entry(view.tier).or_default() += u64::from(view.quantity);
        }
    }
}

impl Told {
    /// When it may end by itself, if nothing goes wrong.
    pub(super) fn may_end_us(&self) -> u64 {
        self.at.now_us + (self.left_ms + self.grace_ms) * 1_000
    }

    /// From here on its time is reckoned as it is seen now.
    fn begin(&mut self, view: &HoldView, turn: &Turn) {
        (self.at, self.left_ms) = (turn.start, view.remaining_ms);
        let grace_ms = payments::grace_ms(view);
        // How much of the grace is left cannot be seen once it runs.
        self.grace_ms = if view.remaining_ms > 0 { grace_ms } else { 0 };
        self.more_ms = grace_ms + payments::wait_ms(view);
    }
}

/// When a live hold ends by itself, at the latest.
fn ends_within_ms(view: &HoldView) -> u64 {
    view.remaining_ms + payments::grace_ms(view) + payments::wait_ms(view)
}
