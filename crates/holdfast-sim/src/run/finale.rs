//! The end of a run: nothing goes wrong any more, and everything must work.

use holdfast_core::{
    BuyerId, Command, HoldStatus, KeyDigest, Outcome, PAY_QUEUE_MAX_MS, Reserve, Status,
};
use holdfast_engine::{Answer, audit};

use super::{Breach, Run};
use crate::auditor::Asked;
use crate::plan::SECOND_US;

/// Steps of a payment from the queue to its end, and some to spare.
const SETTLING_MAX: u32 = 12;

impl Run {
    /// Faults stop, the disk has room, the process is restarted once.
    pub(super) fn finale(&mut self) -> Result<(), Breach> {
        self.trace.note(self.clock.now_us(), format_args!("the finale"));
        self.agenda.retain(|_| false);
        self.disk.disarm();
        self.disk.make_room();
        self.clock.calm();
        self.plan.lost_replies = 0;
        self.plan.killed_in_flight = 0;
        self.plan.damage = 0;
        self.plan.troubles.clear();
        self.die()?;
        self.run_until(self.clock.now_us() + 4 * SECOND_US)?;
        if self.process.is_none() {
            return Err(Breach::new(4, "nothing is wrong, and it does not start"));
        }
        self.turn(&[], &[])?;
        self.settle_all()?;
        self.wait_for_all_to_end()?;
        for sale in 0..self.crowds.len() {
            if self.auditor.view(sale).is_some() {
                self.sell_once_more(sale)?;
            }
        }
        self.compare_with_the_logs()
    }

    /// Mostly the tills take everything to its end, as after any restart; else time does.
    fn settle_all(&mut self) -> Result<(), Breach> {
        if self.rng.percent(4) {
            return Ok(());
        }
        for (sale, crowd) in self.crowds.iter_mut().enumerate() {
            self.auditor.open_payments(sale).for_each(|hold| crowd.till.see(&hold));
        }
        for _ in 0..SETTLING_MAX {
            let mut asked = Vec::new();
            for (sale, crowd) in self.crowds.iter_mut().enumerate() {
                let commands = crowd.till.settle(&mut self.rng).into_iter();
                asked.extend(commands.map(|command| Asked { sale, who: None, command }));
            }
            if asked.is_empty() {
                break;
            }
            self.turn(&asked, &[])?;
        }
        Ok(())
    }

    /// Every hold ends by itself, with no traffic, and every unit comes back.
    fn wait_for_all_to_end(&mut self) -> Result<(), Breach> {
        let seconds = self.plan.sales.iter().map(|sale| sale.config.terms.hold_seconds).max();
        let wait_us = (u64::from(seconds.unwrap_or(0)) + 1) * SECOND_US;
        self.run_until(self.clock.now_us() + wait_us)?;
        if self.auditor.open() > 0 {
            let terms = self.plan.sales.iter().map(|sale| &sale.config.terms);
            let seconds = terms.map(|terms| terms.checkout_grace_seconds).max().unwrap_or(0);
            let wait_us = u64::from(seconds) * SECOND_US + u64::from(PAY_QUEUE_MAX_MS) * 1_000;
            self.run_until(self.clock.now_us() + wait_us)?;
        }
        self.auditor.finish()
    }

    /// Whoever comes now gets what is free.
    fn sell_once_more(&mut self, sale: usize) -> Result<(), Breach> {
        let status = |run: &Self| run.auditor.view(sale).map(|view| view.status);
        let go_on = match status(self) {
            Some(Status::Scheduled) => Some(Command::Open),
            Some(Status::Paused) => Some(Command::Resume),
            _ => None,
        };
        if let Some(command) = go_on {
            self.demand(sale, command)?;
        }
        let tiers = self.auditor.view(sale).map(|view| view.tiers.clone()).unwrap_or_default();
        if status(self) == Some(Status::Open) {
            for tier in tiers.iter().filter(|tier| tier.free > 0) {
                self.sell(sale, tier.config.id)?;
            }
        }
        self.demand(sale, Command::Close)?;
        Ok(())
    }

    fn sell(&mut self, sale: usize, tier: holdfast_core::TierId) -> Result<(), Breach> {
        let late = |name| BuyerId::new(name).map_err(|error| Breach::new(0, error.to_string()));
        let buyer = late("latecomer")?;
        let key = Some(KeyDigest::of(tier.as_str()));
        let request = Command::Reserve(Reserve { buyer, tier, quantity: 1, key });
        let first = self.demand(sale, request.clone())?;
        let again = self.demand(sale, request)?;
        let held = first.hold.filter(|hold| hold.status == HoldStatus::Held);
        let Some(hold) = held.filter(|_| matches!(first.outcome, Outcome::Reserved(_))) else {
            return Err(Breach::new(6, format!("a unit is free, and refused: {first:?}")));
        };
        if again.hold.map(|hold| hold.key) != Some(hold.key) {
            return Err(Breach::new(7, format!("{first:?}, and asked again {again:?}")));
        }
        let cancel = Command::Cancel { hold: hold.key, buyer: Some(buyer) };
        self.demand(sale, cancel)?;
        Ok(())
    }

    /// Asks for something that must be answered.
    fn demand(&mut self, sale: usize, command: Command) -> Result<Answer, Breach> {
        let before = self.stats.replies;
        let asked = Asked { sale, who: None, command };
        self.turn(std::slice::from_ref(&asked), &[])?;
        match self.last_answer.take() {
            Some(answer) if self.stats.replies > before => Ok(answer),
            _ => Err(Breach::new(4, format!("nothing is wrong, and no answer to {asked:?}"))),
        }
    }

    /// The log of each sale, played through the naive model, makes the same sale; and the
    /// engine's own audit finds nothing.
    fn compare_with_the_logs(&mut self) -> Result<(), Breach> {
        self.compare = true;
        self.turn(&[], &[])?;
        let Some(process) = &self.process else { return Ok(()) };
        for log in process.engine.logs() {
            let counted = audit(process.records.as_ref(), &log);
            let counted = counted.map_err(|error| Breach::new(3, error.to_string()))?;
            if let Some(difference) = counted.differences.first() {
                return Err(Breach::new(difference.promise, difference.what.clone()));
            }
        }
        Ok(())
    }
}
