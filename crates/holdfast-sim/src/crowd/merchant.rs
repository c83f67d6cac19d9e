//! A merchant: sets the sale up, opens it, and meddles.

use holdfast_core::{CAPACITY_MAX, Command, HOLD_SECONDS_MAX, HoldKey, Outcome, SaleConfig};
use holdfast_engine::Reply;

use super::Act;
use crate::plan::SalePlan;
use crate::rng::Rng;

/// The merchant of one sale, with what they know.
#[derive(Clone, Debug, Default)]
pub struct Merchant {
    configured: bool,
    opened: bool,
    paused: bool,
}

impl Merchant {
    /// Whether the sale still waits to be configured or opened.
    pub fn is_setting_up(&self) -> bool {
        !self.configured || !self.opened
    }

    /// What they do next. `open`: it is time to open.
    pub fn act(&mut self, rng: &mut Rng, plan: &SalePlan, open: bool) -> Option<Act> {
        if !self.configured {
            return Some(Act::Ask(Command::Configure(Box::new(plan.config.clone()))));
        }
        if !self.opened && !open {
            return Some(prepare(rng, plan));
        }
        if !self.opened {
            // By schedule or by hand: asking for it is never wrong.
            return Some(Act::Ask(Command::Open));
        }
        if self.paused {
            // Now and then they take the wrong word for it.
            self.paused = rng.percent(15);
            return Some(Act::Ask(if self.paused { Command::Open } else { Command::Resume }));
        }
        self.meddle(rng, plan)
    }

    /// What they make of a reply.
    pub fn hear(&mut self, command: &Command, reply: Option<&Reply>) {
        let Some(Ok(answer)) = reply else { return };
        match (command, answer.outcome) {
            (Command::Configure(_), Outcome::Configured { .. }) => self.configured = true,
            (Command::Open, _) => self.opened = true,
            (Command::Pause, Outcome::Moved(_)) => self.paused = true,
            _ => {}
        }
    }

    fn meddle(&self, rng: &mut Rng, plan: &SalePlan) -> Option<Act> {
        let tier = rng.pick(&plan.config.tiers)?;
        Some(Act::Ask(match rng.below(100) {
            0..20 => Command::Pause,
            20..40 => Command::SetCapacity { tier: tier.id, capacity: tier.capacity / 2 },
            40..65 => {
                Command::SetCapacity { tier: tier.id, capacity: tier.capacity + rng.small(0, 9) }
            }
            65..85 => {
                let hold = HoldKey::from_number(rng.between(1, 60) * 1_024);
                Command::Cancel { hold, buyer: None }
            }
            85..88 => Command::SetCapacity { tier: tier.id, capacity: CAPACITY_MAX + 1 },
            88..90 => Command::Open,
            90..93 => Command::Configure(Box::new(plan.config.clone())),
            93..97 => Command::Resume,
            _ => Command::Close,
        }))
    }
}

/// Before the opening there is nothing to pause yet.
fn prepare(rng: &mut Rng, plan: &SalePlan) -> Act {
    match rng.below(20) {
        0 => Act::Ask(Command::Pause),
        1 => Act::Ask(Command::Resume),
        _ => change_config(rng, plan),
    }
}

/// Before the opening everything can change.
fn change_config(rng: &mut Rng, plan: &SalePlan) -> Act {
    let mut config = plan.config.clone();
    if rng.percent(50) {
        let capacity = rng.small(0, 9);
        config.tiers.iter_mut().for_each(|tier| tier.capacity = capacity);
    }
    if rng.percent(10) {
        break_config(rng, &mut config);
    }
    Act::Ask(Command::Configure(Box::new(config)))
}

/// Something in it is out of its range.
fn break_config(rng: &mut Rng, config: &mut SaleConfig) {
    match rng.below(4) {
        0 => config.terms.hold_seconds = [0, HOLD_SECONDS_MAX + 1][rng.index(2)],
        1 => config.terms.max_per_buyer = 0,
        2 => config.tiers.extend(config.tiers.last().cloned()),
        _ => config.tiers.iter_mut().for_each(|tier| tier.capacity = CAPACITY_MAX + 1),
    }
}
