//! What befalls a run.

use holdfast_core::{BuyerId, Command, Reserve};
use holdfast_engine::{Request, SaleRef};

use super::agenda::Event;
use super::upkeep::Work;
use super::{Breach, Run};
use crate::plan::Trouble;
use crate::world::{Fault, Op};

impl Run {
    /// Lets a trouble strike, and enters the next of its kind.
    pub(super) fn trouble(&mut self, trouble: Trouble) -> Result<(), Breach> {
        let every = self.plan.troubles.iter().find(|(kind, _)| *kind == trouble);
        let every_us = every.map_or(1_000_000, |(_, every_us)| *every_us);
        let at_us = self.clock.now_us() + self.rng.between(every_us / 2, every_us * 3 / 2);
        self.agenda.enter(at_us, Event::Trouble(trouble));
        if self.process.is_none() {
            return Ok(());
        }
        self.trace.note(self.clock.now_us(), format_args!("{trouble:?}"));
        match trouble {
            Trouble::Kill => self.die()?,
            Trouble::Crash => self.arm_crash(),
            Trouble::Stop => {
                self.stats.fault("process stopped");
                let us = self.stop_us();
                self.clock.lose(us);
            }
            Trouble::StopAtRead => {
                self.stats.fault("process stopped after reading the clock");
                let us = self.stop_us();
                self.clock.stop_after(self.rng.small(0, 4), us);
            }
            Trouble::SlowCall => {
                let fault = Fault::Slow(self.stop_us());
                self.disk.arm(fault, None, self.rng.small(0, 6));
            }
            Trouble::WriteError => self.arm_error(Op::Write),
            Trouble::SyncError => self.arm_error(Op::Sync),
            Trouble::ReadError => self.arm_error(Op::Read),
            Trouble::NameError => self.arm_error(Op::Name),
            Trouble::Full => self.fill_up(),
            Trouble::WallStep => self.step_wall(),
            Trouble::Depose => self.depose()?,
            Trouble::Keep => self.work(Work::Keep)?,
            Trouble::Prepare => self.work(Work::Prepare)?,
        }
        if self.disk.is_dead() && self.process.is_some() {
            return self.die();
        }
        Ok(())
    }

    fn stop_us(&mut self) -> u64 {
        let most_ms = [100, 700, 6_000][self.rng.index(3)];
        self.rng.between(1, most_ms) * 1_000
    }

    fn arm_crash(&mut self) {
        let ops = [None, None, Some(Op::Write), Some(Op::Sync), Some(Op::Sync), Some(Op::Name)];
        let op = ops[self.rng.index(ops.len())];
        let most = if op.is_some() { 2 } else { 12 };
        self.disk.arm(Fault::Crash, op, self.rng.small(0, most));
    }

    fn arm_error(&mut self, op: Op) {
        self.disk.arm(Fault::Error, Some(op), self.rng.small(0, 4));
    }

    fn fill_up(&mut self) {
        let room = self.rng.below(16 << 10);
        self.disk.fill_up(room, self.rng.percent(20));
        let at_us = self.clock.now_us() + self.rng.between(200, 4_000) * 1_000;
        self.agenda.enter(at_us, Event::Room);
    }

    pub(super) fn room(&mut self) {
        self.trace.note(self.clock.now_us(), format_args!("room"));
        self.disk.make_room();
        self.stats.recovery("full, then room");
    }

    fn step_wall(&mut self) {
        self.stats.fault("wall clock set");
        let most_ms = [90, 3_000, 40_000][self.rng.index(3)];
        let ms = self.rng.between(1, most_ms);
        if self.rng.percent(50) {
            self.clock.set_forward(ms);
        } else {
            self.clock.set_back(ms);
        }
    }

    /// A second engine takes over; the first one has not noticed and is asked for a hold.
    fn depose(&mut self) -> Result<(), Breach> {
        let seed = self.rng.draw();
        let Some(process) = &mut self.process else { return Ok(()) };
        if process.engine.doubt().is_some() {
            return Ok(());
        }
        let Ok(mut old) = process.depose(seed) else {
            // Some reigns may have changed and others not: only a restart makes that good.
            return self.die();
        };
        self.stats.fault("engine deposed");
        let mut requests: Vec<_> = Vec::new();
        for (crowd, plan) in self.crowds.iter().zip(&self.plan.sales) {
            let (Ok(buyer), Some(tier)) =
                (BuyerId::new("ghost"), self.rng.pick(&plan.config.tiers))
            else {
                continue;
            };
            let request = Reserve { buyer, tier: tier.id, quantity: 1, key: None };
            let command = Command::Reserve(request);
            requests.push(Request::Do { sale: SaleRef::Id(crowd.id), command, reply: 0 });
        }
        let mut replies = Vec::new();
        old.turn(&mut requests, &mut replies);
        self.auditor.restarted();
        replies.iter().try_for_each(|(_, reply)| self.auditor.hear_deposed(reply))
    }
}
