//! What was asked of a sale: what nobody asked for must not happen.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::{BuyerId, Checkout, Command, HoldKey, KeyDigest, Reserve, TierId};

use super::book::Book;

/// What an idempotency key was used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Reserve(Reserve),
    Checkout { hold: HoldKey, note: Option<Box<str>> },
}

/// What was asked about payments, ever.
#[derive(Debug, Default)]
pub(super) struct Asks {
    /// Checkouts of a hold that may each have begun a payment: those without a key, and keys.
    checkouts: BTreeMap<HoldKey, (usize, Vec<KeyDigest>)>,
    pub(super) declines: BTreeSet<(HoldKey, u8)>,
    pub(super) confirms: BTreeSet<(HoldKey, u8)>,
    pub(super) calls: BTreeSet<(HoldKey, u8)>,
    pub(super) pays: BTreeSet<HoldKey>,
    pub(super) voids: BTreeSet<HoldKey>,
    pub(super) withheld: BTreeSet<HoldKey>,
    pub(super) refunds: BTreeSet<HoldKey>,
}

impl Asks {
    fn note(&mut self, command: &Command, is_closed: bool) {
        match command {
            Command::Checkout(Checkout { hold, key, .. }) => {
                let (without, keys) = self.checkouts.entry(*hold).or_default();
                // At the close keys are forgotten.
                match key.filter(|_| !is_closed) {
                    Some(key) if keys.contains(&key) => {}
                    Some(key) => keys.push(key),
                    None => *without += 1,
                }
            }
            Command::Call { hold, attempt } => {
                self.calls.insert((*hold, *attempt));
            }
            Command::Decline { hold, attempt } => {
                self.declines.insert((*hold, *attempt));
            }
            Command::Confirm { hold, attempt } => {
                self.confirms.insert((*hold, *attempt));
            }
            Command::Pay { hold } => {
                self.pays.insert(*hold);
            }
            Command::Void { hold, withheld } => {
                self.voids.insert(*hold);
                if *withheld {
                    self.withheld.insert(*hold);
                }
            }
            Command::Refund { hold } => {
                self.refunds.insert(*hold);
            }
            _ => {}
        }
    }

    /// How many payments of a hold can have begun, at most.
    pub(super) fn payments_of(&self, hold: HoldKey) -> usize {
        self.checkouts.get(&hold).map_or(0, |(without, keys)| without + keys.len())
    }
}

impl Book {
    /// Takes note of what is asked, before any reply.
    pub(super) fn note(&mut self, command: &Command) {
        self.asks.note(command, self.close_asked);
        match command {
            Command::Reserve(request) => {
                self.askers.insert(request.buyer);
                *self.asked_units.entry(request.tier).or_default() += u64::from(request.quantity);
                self.note_key(request.buyer, request.key, || Use::Reserve(*request));
            }
            Command::Cancel { hold, buyer } => {
                self.askers.extend(buyer);
                self.unwanted.insert(*hold);
                self.touch(*hold);
                self.cancels.insert((*hold, *buyer));
            }
            // Nobody in the crowd is forgotten, and one disk that is never exchanged loses nothing.
            Command::Tick { .. }
            | Command::Forget { .. }
            | Command::Doubt { .. }
            | Command::Claim { .. }
            | Command::Restore(_) => {}
            Command::Checkout(asked) => {
                self.pay(asked.hold);
                if let Some(buyer) = self.payer(asked) {
                    self.askers.insert(buyer);
                    let (hold, note) = (asked.hold, asked.note.clone());
                    self.note_key(buyer, asked.key, || Use::Checkout { hold, note });
                }
            }
            Command::Confirm { hold, .. } => {
                self.pay(*hold);
                // Late money takes units.
                if let Some(told) = self.told.get(hold) {
                    let (tier, units) = (told.view.tier, u64::from(told.view.quantity));
                    self.askers.insert(told.view.buyer);
                    *self.asked_units.entry(tier).or_default() += units;
                    *self.confirmed_units.entry(tier).or_default() += units;
                }
            }
            Command::Call { hold, .. }
            | Command::Decline { hold, .. }
            | Command::Pay { hold }
            | Command::Void { hold, .. }
            | Command::Refund { hold } => self.pay(*hold),
            Command::Configure(_)
            | Command::Open
            | Command::Pause
            | Command::Resume
            | Command::Close
            | Command::SetCapacity { .. } => {
                self.merchant_asked = true;
                self.merchant_asks += 1;
                self.configure_asked |= matches!(command, Command::Configure(_));
                self.close_asked |= matches!(command, Command::Close);
            }
        }
    }

    fn pay(&mut self, hold: HoldKey) {
        self.touch(hold);
        self.paid.insert(hold);
        self.unseen.insert(hold);
    }

    fn touch(&mut self, hold: HoldKey) {
        let before = self.told.get(&hold).map(|told| told.view);
        self.touched.entry(hold).or_insert((0, before)).0 += 1;
    }

    /// Whose key a checkout's is: the hold's buyer's, whoever asks.
    pub(super) fn payer(&self, asked: &Checkout) -> Option<BuyerId> {
        self.told.get(&asked.hold).map(|told| told.view.buyer).or(asked.buyer)
    }

    fn note_key(&mut self, buyer: BuyerId, key: Option<KeyDigest>, used: impl FnOnce() -> Use) {
        let (Some(key), sent) = (key, &mut self.buyers.entry(buyer).or_default().sent) else {
            return;
        };
        let used = (key, used());
        if !sent.contains(&used) {
            sent.push(used);
        }
    }

    /// A reply was lost: what was asked may have been done.
    pub(super) fn unsure_of(&mut self, command: &Command) {
        let (buyer, key) = match command {
            Command::Reserve(request) => {
                self.unsure.insert(request.buyer);
                self.buyers.entry(request.buyer).or_default().lost += 1;
                (Some(request.buyer), request.key)
            }
            Command::Checkout(asked) => (self.payer(asked), asked.key),
            _ => (None, None),
        };
        if let (Some(buyer), Some(_)) = (buyer, key) {
            self.buyers.entry(buyer).or_default().lost_keys += 1;
        }
    }

    /// Holds of a tier about whose payment something is asked in this turn.
    pub(super) fn touched_in(&self, tier: TierId) -> impl Iterator<Item = &super::book::Told> {
        let told = self.paid.iter().filter_map(|key| self.told.get(key));
        told.filter(move |told| told.view.tier == tier)
    }

    /// Holds of a buyer about whose payment something is asked in this turn.
    pub(super) fn touched_of(&self, buyer: BuyerId) -> impl Iterator<Item = &super::book::Told> {
        let told = self.paid.iter().filter_map(|key| self.told.get(key));
        told.filter(move |told| told.view.buyer == buyer)
    }
}
