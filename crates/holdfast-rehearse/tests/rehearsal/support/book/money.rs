//! The shop's orders and what it took for them, and every way in which that can be cooked.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::Ways;
use super::Book;

impl Book {
    /// Whether it is the sale in which money comes late.
    pub(super) fn is_late(&self) -> bool {
        self.sale.ends_with("late")
    }

    /// Whether nobody has tried to take this hold to the checkout before.
    pub(crate) fn is_first_checkout(&mut self, id: &str) -> bool {
        self.seen.insert(format!("checkout of {id}"), 1).is_none()
    }

    /// Takes a hold to the checkout.
    pub(crate) fn checkout(&mut self, id: &str, simulate: &str) -> Option<Value> {
        let hold = &mut self.holds[*self.by_id.get(id)?];
        if hold["status"] == "held" {
            hold["status"] = "paying".into();
            hold["payment"] = json!({ "status": "queued", "simulate": simulate });
            self.checkouts += 1;
        }
        Some(hold.clone())
    }

    /// What the provider does about a hold at the checkout, until its buyer looks.
    pub(super) fn collect(&mut self, ways: Ways, number: usize) {
        let hold = &mut self.holds[number];
        if hold["payment"]["status"] == "cancelled" && hold["order"].is_null() {
            return self.decide(ways, number);
        }
        if hold["status"] != "paying" || ways == Ways::NeverSaysHowItEnds {
            return;
        }
        let simulate = hold["payment"]["simulate"].as_str().unwrap().to_owned();
        if simulate == "late" && ways == Ways::MovesEnds && hold["payment"]["moved"].is_null() {
            hold["payment"]["moved"] = true.into();
            hold["expires_at"] =
                (Timestamp::now() + SignedDuration::from_secs(60)).to_string().into();
            return;
        }
        let simulate = match ways {
            Ways::ChargesTheDeclined => "approve",
            Ways::MovesEnds | Ways::HeedsNoEnd if simulate == "late" => "approve",
            _ => &simulate,
        };
        let (status, payment) = match simulate {
            "approve" => ("sold", "paid"),
            "late" => ("expired", "cancelled"),
            _ if ways == Ways::EndsDeclinedHolds => ("expired", "declined"),
            _ => ("held", "declined"),
        };
        hold["status"] = status.into();
        hold["payment"]["status"] = payment.into();
        if simulate == "approve" {
            self.holds[number]["order"] = self.sell(ways, number).into();
        }
    }

    /// Whether late money buys another unit: for the first who comes there is none.
    fn decide(&mut self, ways: Ways, number: usize) {
        if number == 0 {
            self.holds[number]["payment"]["status"] = "declined".into();
            return;
        }
        let buyer = self.holds[number]["buyer"].as_str().unwrap().to_owned();
        let another = self.holds.len();
        self.give(ways, &buyer);
        self.holds[another]["status"] = "sold".into();
        self.holds[number]["order"] = self.sell(ways, another).into();
        self.holds[number]["payment"]["status"] = "moved".into();
    }

    /// Makes a hold's order, and takes the money for it.
    fn sell(&mut self, ways: Ways, number: usize) -> String {
        let first = self.orders.is_empty() && !self.is_late();
        let hold = &self.holds[number];
        let id = format!("order_{}", hold["id"].as_str().unwrap());
        let cheaper = ways == Ways::SellsForAnotherAmount && first;
        let amount = if cheaper { 900 } else { 1_000 };
        let uncaptured = ways == Ways::ForgetsToCapture && first;
        let order = json!({
            "id": id,
            "hold": hold["id"],
            "buyer": hold["buyer"],
            "quantity": 1,
            "total": { "amount": amount, "currency": "EUR" },
            "status": if uncaptured { "authorised" } else { "paid" },
        });
        if ways == Ways::OrdersTwice && first {
            let mut twice = order.clone();
            twice["id"] = format!("{id}_again").into();
            self.orders.push(twice);
            self.captured.push(amount);
        }
        self.orders.push(order);
        if !uncaptured {
            self.captured.push(amount);
        }
        id
    }

    /// The list of orders.
    pub(crate) fn list(&self, ways: Ways) -> Vec<Value> {
        let lost = usize::from(ways == Ways::LosesAnOrder && !self.is_late());
        self.orders.iter().skip(lost).cloned().collect()
    }

    /// Units that the books show as sold.
    pub(super) fn sold(&self, ways: Ways) -> usize {
        let more = ways == Ways::SellsWithoutAnOrder && self.checkouts > 0 && !self.is_late();
        self.orders.len() + usize::from(more)
    }

    /// What the audit counts.
    pub(crate) fn money(&mut self, ways: Ways) -> Value {
        let is_open = self.checkouts > 0 && !self.is_late();
        if ways == Ways::ChargesWhoOnlyHolds && is_open {
            self.charge_a_holder(ways);
        }
        let (mut captured, mut amount) = (self.captured.len(), self.captured.iter().sum::<u64>());
        match ways {
            Ways::CapturesWithoutAnOrder if is_open => {
                captured += 1;
                amount += 1_000;
            }
            Ways::CapturesAnotherAmount if is_open => amount -= 1,
            _ => {}
        }
        let paid = self.orders.iter().filter(|order| order["status"] == "paid");
        let amounts: Vec<_> = paid.map(|paid| paid["total"]["amount"].as_u64().unwrap()).collect();
        json!({
            "orders": self.orders.len(),
            "paid": amounts.len(),
            "paid_amount": amounts.iter().sum::<u64>(),
            "captured": captured,
            "captured_amount": amount,
            "under_way": u64::from(ways == Ways::NeverSettles && is_open),
        })
    }

    /// Takes the money of the first who has a hold and has not paid, once.
    fn charge_a_holder(&mut self, ways: Ways) {
        let is_charged = self.holds.iter().any(|hold| hold["charged"] == true);
        let holder = self.holds.iter().position(|hold| hold["status"] == "held");
        if let Some(number) = holder.filter(|_| !is_charged) {
            self.holds[number]["status"] = "sold".into();
            self.holds[number]["charged"] = true.into();
            self.sell(ways, number);
        }
    }
}
