//! A buyer: reserves, asks again, changes their mind, gives back, looks, vanishes.

use holdfast_core::{BuyerId, Command, HoldKey, KeyDigest, Outcome, Reserve};
use holdfast_engine::Reply;

use super::Act;
use crate::plan::SalePlan;
use crate::rng::Rng;

/// One buyer, with what they know.
#[derive(Clone, Debug)]
pub struct Buyer {
    id: BuyerId,
    /// Times they will still do something.
    acts: u32,
    keys: u32,
    last: Option<Reserve>,
    /// The hold they were last told of, live or not.
    hold: Option<HoldKey>,
}

impl Buyer {
    /// A buyer who will do so many things.
    pub fn new(id: BuyerId, acts: u32) -> Self {
        Self { id, acts, keys: 0, last: None, hold: None }
    }

    /// Their name.
    pub fn id(&self) -> BuyerId {
        self.id
    }

    /// What they do next; `None`: nothing, ever.
    pub fn act(&mut self, rng: &mut Rng, plan: &SalePlan) -> Option<Act> {
        self.acts = self.acts.checked_sub(1)?;
        if self.last.is_none() {
            return self.wish(rng, plan);
        }
        match rng.below(100) {
            0..25 => Some(Act::Ask(Command::Reserve(self.last?))),
            25..35 => self.change_quantity(rng),
            35..60 => self.wish(rng, plan),
            60..82 => self.cancel(),
            82..90 if self.hold.is_some() => self.hold.map(Act::Look),
            90..95 => self.cancel_anothers(rng),
            // The others have had enough.
            _ if plan.eager => self.wish(rng, plan),
            _ => None,
        }
    }

    /// What they make of a reply; `None`: it never came, so they try again.
    pub fn hear(&mut self, reply: Option<&Reply>) {
        match reply {
            Some(Ok(answer)) => {
                if matches!(answer.outcome, Outcome::Reserved(_) | Outcome::Existing(_)) {
                    self.hold = answer.hold.map(|hold| hold.key);
                }
            }
            Some(Err(_)) | None => self.acts += u32::from(self.acts < 100),
        }
    }

    fn wish(&mut self, rng: &mut Rng, plan: &SalePlan) -> Option<Act> {
        let keyed = rng.percent(plan.keyed);
        self.keys += u32::from(keyed);
        // Now and then nothing at all, or more than anybody may have.
        let least = u32::from(!rng.percent(3));
        let request = Reserve {
            buyer: self.id,
            tier: rng.pick(&plan.config.tiers)?.id,
            quantity: rng.small(least, plan.config.terms.max_per_buyer + 1),
            key: keyed.then(|| self.key(rng)),
        };
        self.last = Some(request);
        Some(Act::Ask(Command::Reserve(request)))
    }

    /// A new key; now and then one that was used before.
    fn key(&self, rng: &mut Rng) -> KeyDigest {
        let number = if rng.percent(10) { rng.small(0, self.keys) } else { self.keys };
        KeyDigest::of(&format!("key-{number}"))
    }

    /// The same request but for its quantity: under a key, that is a mistake.
    fn change_quantity(&mut self, rng: &mut Rng) -> Option<Act> {
        let request = Reserve { quantity: rng.small(1, 4), ..self.last? };
        Some(Act::Ask(Command::Reserve(request)))
    }

    fn cancel(&self) -> Option<Act> {
        // Without a hold there is nothing to give back: they ask again instead.
        let Some(hold) = self.hold else { return Some(Act::Ask(Command::Reserve(self.last?))) };
        Some(Act::Ask(Command::Cancel { hold, buyer: Some(self.id) }))
    }

    /// Holds are named by number here, so another's is easily guessed.
    fn cancel_anothers(&self, rng: &mut Rng) -> Option<Act> {
        let hold = HoldKey::from_number(rng.between(1, 40) * 1_024);
        Some(Act::Ask(Command::Cancel { hold, buyer: Some(self.id) }))
    }
}
