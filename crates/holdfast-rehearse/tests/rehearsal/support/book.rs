//! The shop's book of holds, and every way in which it can be cooked.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Ways;

mod money;

/// What a buyer is told instead of a hold.
pub(crate) enum Refusal {
    Problem(u16, &'static str),
    ComeBack,
    /// Nothing at all.
    Silence,
}

/// Who holds what.
#[derive(Default)]
pub(crate) struct Book {
    sale: String,
    capacity: usize,
    /// Units that it gives away, if it cheats.
    stock: usize,
    hold_seconds: i64,
    holds: Vec<Value>,
    by_buyer: HashMap<String, usize>,
    by_id: HashMap<String, usize>,
    keys: HashMap<String, String>,
    seen: HashMap<String, u32>,
    /// Units that came back while all were held.
    given_back: usize,
    views: usize,
    orders: Vec<Value>,
    /// What was captured of each payment.
    captured: Vec<u64>,
    checkouts: usize,
}

/// Tries that who limits each buyer takes of one.
const TRIES_MAX: u32 = 2;
/// Give-backs until who sold a unit before it came back has made up for it.
const MADE_UP_AFTER: usize = 10;
/// Views until who miscounts for a while counts right.
const RIGHT_AFTER: usize = 3;

impl Book {
    pub(crate) fn create(&mut self, ways: Ways, sale: &str, body: &Value) {
        let capacity = usize::try_from(body["tiers"][0]["capacity"].as_u64().unwrap()).unwrap();
        let stock = match ways {
            Ways::OversellsByOne => capacity + 1,
            Ways::SellsOneShort => capacity - 1,
            _ => capacity,
        };
        let hold_seconds = body["hold_seconds"].as_i64().unwrap();
        *self = Self { sale: sale.into(), capacity, stock, hold_seconds, ..Self::default() };
    }

    /// The hold, and whether it is new.
    pub(crate) fn reserve(
        &mut self,
        ways: Ways,
        buyer: &str,
        key: Option<&str>,
    ) -> Result<(bool, Value), Refusal> {
        if let Some(key) = key {
            let first = self.keys.entry(buyer.into()).or_insert_with(|| key.into());
            if first != key {
                return Err(Refusal::Problem(422, "key_reused"));
            }
        }
        let visits = self.seen.entry(buyer.into()).or_default();
        *visits += 1;
        let (visits, first_visit) = (*visits, *visits == 1);
        let first_of_all = self.seen.len() == 1;
        match ways {
            Ways::Overloaded if first_visit => return Err(Refusal::ComeBack),
            Ways::LeavesOneUnanswered if first_of_all => return Err(Refusal::Silence),
            Ways::LimitsTheRate if first_of_all => {
                return Err(Refusal::Problem(429, "rate_limited"));
            }
            Ways::RefusesTheFirst if first_of_all => return Err(Refusal::Problem(409, "all_held")),
            Ways::RefusesFirstTries if first_visit => {
                return Err(Refusal::Problem(409, "all_held"));
            }
            _ => {}
        }
        if let Some(hold) = self.by_buyer.get(buyer) {
            let mut hold = self.holds[*hold].clone();
            let another = match key {
                Some(_) => ways == Ways::AnotherHoldForTheSameKey,
                None => ways == Ways::AnotherHoldWithoutAKey,
            };
            if another {
                hold["id"] = "hold_another".into();
            }
            return Ok((false, hold));
        }
        if ways == Ways::LimitsEachBuyer && visits > TRIES_MAX {
            return Err(Refusal::Problem(429, "rate_limited"));
        }
        if self.taken(ways) >= self.stock {
            let code = if ways == Ways::SaysSoldOut { "sold_out" } else { "all_held" };
            return Err(Refusal::Problem(409, code));
        }
        let hold = self.give(ways, buyer);
        match ways {
            Ways::LeavesAWinnerUnanswered if first_of_all => Err(Refusal::Silence),
            Ways::HoldsForWhoIsSentAway if first_of_all => {
                Err(Refusal::Problem(429, "rate_limited"))
            }
            _ => Ok((true, hold)),
        }
    }

    /// Units that nobody else may have.
    fn taken(&self, ways: Ways) -> usize {
        match ways {
            Ways::KeepsWhatIsGivenBack => self.holds.len(),
            Ways::SellsBeforeItIsGivenBack if self.given_back < MADE_UP_AFTER => {
                self.held().saturating_sub(1)
            }
            _ => self.held(),
        }
    }

    /// Takes a hold back.
    pub(crate) fn give_back(&mut self, ways: Ways, id: &str) -> Result<(), (u16, &'static str)> {
        let number = *self.by_id.get(id).ok_or((404, "hold_not_found"))?;
        let is_full = self.held() >= self.stock;
        let hold = &mut self.holds[number];
        match ways {
            Ways::RefusesWhatIsGivenBack => return Err((409, "wrong_state")),
            Ways::ForgetsWhatIsGivenBack => return Ok(()),
            Ways::TakesBackOnce if hold["status"] == "cancelled" => {
                return Err((404, "hold_not_found"));
            }
            _ => {}
        }
        if hold["status"] == "held" {
            hold["status"] = "cancelled".into();
            self.given_back += usize::from(is_full);
            self.by_buyer.remove(hold["buyer"].as_str().unwrap());
        }
        Ok(())
    }

    fn give(&mut self, ways: Ways, buyer: &str) -> Value {
        let number = self.holds.len();
        let twice = ways == Ways::GivesOneHoldTwice && number == 1;
        let half = ways == Ways::GivesHalfTheTime;
        let seconds = if half { self.hold_seconds / 2 } else { self.hold_seconds };
        // Nobody waits for the end of a hold whose money comes late.
        let seconds = if self.is_late() { 0 } else { seconds };
        let late = if self.is_late() { "late_" } else { "" };
        let id = format!("hold_{late}{}", if twice { 0 } else { number });
        let hold = json!({
            "id": id,
            "sale": self.sale,
            "tier": "general",
            "quantity": if ways == Ways::GivesTwoUnits { 2 } else { 1 },
            "buyer": buyer,
            "status": "held",
            "expires_at": (Timestamp::now() + SignedDuration::from_secs(seconds)).to_string(),
            "remaining_ms": seconds * 1_000,
            "total": { "amount": 1_000, "currency": "EUR" },
        });
        self.by_buyer.insert(buyer.into(), number);
        self.by_id.insert(id, number);
        self.holds.push(hold.clone());
        hold
    }

    pub(crate) fn me(&self, ways: Ways, buyer: &str) -> Value {
        let hold = self.by_buyer.get(buyer).map(|hold| &self.holds[*hold]);
        let hold = hold.or_else(|| self.holds.first().filter(|_| ways == Ways::GivesLosersAHold));
        json!({ "buyer": buyer, "hold": hold })
    }

    pub(crate) fn hold(&mut self, ways: Ways, id: &str) -> Option<Value> {
        let number = *self.by_id.get(id)?;
        self.collect(ways, number);
        let mut hold = self.holds[number].clone();
        match ways {
            Ways::ForgetsHolds => return None,
            Ways::EndsHoldsEarlier => {
                let told: Timestamp = hold["expires_at"].as_str().unwrap().parse().unwrap();
                hold["expires_at"] = (told - SignedDuration::from_millis(1)).to_string().into();
            }
            _ => {}
        }
        Some(hold)
    }

    /// Holds that the books show.
    pub(crate) fn held(&self) -> usize {
        self.holds.iter().filter(|hold| hold["status"] == "held").count()
    }

    pub(crate) fn view(&mut self, ways: Ways) -> Value {
        self.views += 1;
        let mut held = self.held().min(self.capacity);
        if ways == Ways::CountsOneHeldTooFew {
            held = held.saturating_sub(1);
        }
        let sold = self.sold(ways);
        let mut free = self.capacity.saturating_sub(held + sold);
        let miscounts = ways == Ways::MiscountsForAWhile && self.views <= RIGHT_AFTER;
        if ways == Ways::CountsOneFreeTooMany || miscounts {
            free += 1;
        }
        let counts = json!({ "held": held, "free": free, "sold": sold, "withheld": 0 });
        let mut tier = json!({ "id": "general", "capacity": self.capacity });
        tier.as_object_mut().unwrap().extend(counts.as_object().unwrap().clone());
        json!({ "id": self.sale, "tiers": [tier] })
    }
}
