//! A buyer: reserves, asks again, changes their mind, goes to the checkout, gives back, looks,
//! vanishes.

use holdfast_core::{
    BuyerId, Checkout, Command, HoldKey, KeyDigest, NOTE_BYTES_MAX, Outcome, Reserve,
};
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
    /// The last time they went to the checkout.
    paid: Option<Checkout>,
    /// The hold they were last told of, live or not.
    hold: Option<HoldKey>,
}

impl Buyer {
    /// A buyer who will do so many things.
    pub fn new(id: BuyerId, acts: u32) -> Self {
        Self { id, acts, keys: 0, last: None, paid: None, hold: None }
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
        if self.hold.is_some() && rng.percent(plan.pays) {
            return self.pay(rng, plan);
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

    /// Takes the hold to the checkout, or another's; now and then once more as before.
    fn pay(&mut self, rng: &mut Rng, plan: &SalePlan) -> Option<Act> {
        if let Some(paid) = self.paid.clone().filter(|_| rng.percent(25)) {
            return Some(Act::Ask(Command::Checkout(paid)));
        }
        let keyed = rng.percent(plan.keyed);
        self.keys += u32::from(keyed);
        let anothers = HoldKey::from_number(rng.between(1, 40) * 1_024);
        let note = match rng.below(40) {
            0 => Some("n".repeat(NOTE_BYTES_MAX + 1)),
            1..10 => Some(format!("{{\"seat\":{}}}", rng.below(2))),
            _ => None,
        };
        let asked = Checkout {
            hold: if rng.percent(4) { anothers } else { self.hold? },
            buyer: Some(self.id),
            key: keyed.then(|| self.key(rng)),
            note: note.map(String::into_boxed_str),
        };
        self.paid = Some(asked.clone());
        Some(Act::Ask(Command::Checkout(asked)))
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
