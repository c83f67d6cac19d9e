//! Tick: what time does to a sale.

use crate::holds::HoldStatus;
use crate::outcome::Ticked;
use crate::sale::{Change, Decision, Sale, Status};
use crate::tier::Tier;
use crate::{ANCHOR_TOLERANCE_MS, EXPIRE_BATCH_MAX, Outcome};

impl Sale {
    /// Whether a tick must be written at this moment: a hold, the opening or the end of the doubt is
    /// due, or the anchor is off while somebody may ask until when they hold a unit, or wait for one.
    pub fn is_due(&self, clock_ms: u64, wall_ms: u64) -> bool {
        let is_awaited = self.next_deadline_ms().is_some();
        self.has_come(clock_ms, wall_ms) || (is_awaited && self.is_anchor_off(clock_ms, wall_ms))
    }

    /// How many ticks it takes to end what is due at this moment; a few more if many of the due
    /// holds have ended otherwise. At least 1.
    pub fn ticks_due(&self, clock_ms: u64) -> usize {
        let is_due = |&row: &u32| self.holds[row].deadline_ms <= clock_ms;
        let punctual = |tier: &Tier| tier.due.partition_point(is_due);
        let late = |tier: &Tier| tier.late.range(..=(clock_ms, u32::MAX)).count();
        let due: usize = self.tiers.iter().map(|tier| punctual(tier) + late(tier)).sum();
        due.div_ceil(EXPIRE_BATCH_MAX as usize).max(1)
    }

    /// Whether the anchor is off: then a tick goes in front of whatever is written next. With
    /// nobody holding it tells nobody anything, and is no reason to write.
    pub fn is_anchor_off(&self, clock_ms: u64, wall_ms: u64) -> bool {
        let anchor_ms = wall_ms.saturating_sub(clock_ms);
        anchor_ms.abs_diff(self.anchor.now_ms()) > ANCHOR_TOLERANCE_MS
    }

    /// Whether the time of a hold's end, of the opening or of the end of the doubt has come.
    fn has_come(&self, clock_ms: u64, wall_ms: u64) -> bool {
        self.opens_at_ms().is_some_and(|opens_at| opens_at <= wall_ms)
            || self.next_deadline_ms().is_some_and(|deadline| deadline <= clock_ms)
    }

    pub(crate) fn decide_tick(&self, clock_ms: u64, wall_ms: u64) -> Decision<'static> {
        if self.has_come(clock_ms, wall_ms) || self.is_anchor_off(clock_ms, wall_ms) {
            return Ok(Change::Tick { wall_ms });
        }
        Err(Outcome::Ticked(Ticked::default()))
    }

    pub(crate) fn commit_tick(&mut self, wall_ms: u64) -> Ticked {
        self.move_anchor(wall_ms);
        self.end_doubt();
        let opened = self.opens_at_ms().is_some_and(|opens_at| opens_at <= wall_ms);
        if opened {
            self.status = Status::Open;
        }
        let expired = self.expire_due();
        Ticked { expired, opened, more: self.first_due().is_some() }
    }

    /// The wall clock at a moment of the sale clock, in milliseconds since 1970 UTC.
    pub(crate) fn wall_ms(&self, clock_ms: u64) -> u64 {
        clock_ms.saturating_add(self.anchor.now_ms())
    }

    fn move_anchor(&mut self, wall_ms: u64) {
        let anchor_ms = wall_ms.saturating_sub(self.last.clock_ms);
        let last = self.last_key();
        let oldest = || {
            let punctual = self.tiers.iter().filter_map(|tier| tier.due.front().copied());
            let late = self.tiers.iter().flat_map(|tier| tier.late.iter().map(|&(_, row)| row));
            let oldest = punctual.chain(late).map(|row| self.holds.place(row)).min();
            oldest.filter(|_| !planted!(AnchorGoesBack))
        };
        self.anchor.set(anchor_ms, last, oldest);
    }

    fn expire_due(&mut self) -> u32 {
        let mut expired = 0;
        while expired < EXPIRE_BATCH_MAX {
            let Some(row) = self.first_due() else { break };
            self.end_hold(row, HoldStatus::Expired);
            expired += 1;
        }
        expired
    }

    /// The row of a hold whose time is up, in the order of the tiers.
    fn first_due(&self) -> Option<u32> {
        let clock_ms = self.last.clock_ms;
        let is_due = |&(deadline_ms, _): &(u64, u32)| deadline_ms <= clock_ms;
        let due = self.tiers.iter().find_map(|tier| tier.next_due(&self.holds).filter(is_due));
        due.map(|(_, row)| row)
    }
}
