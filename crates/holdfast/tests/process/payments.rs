//! kill -9 between the steps of a checkout: no charge is lost, none is made twice, nobody who paid
//! is without an order, and no human is needed.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use holdfast_testkit::Postgres;
use serde_json::{Value, json};

use crate::support::{Server, ask_as, command, holdfast, wait_for};

const SECRET: &str = "a-secret-for-the-tests";

/// How long a restarted server may take to finish what the kill left.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a buyer and the bank do, so that each step comes about.
#[derive(Clone, Copy, Debug)]
enum Story {
    Pays,
    /// The money comes when the hold has ended and its unit is another's.
    PaysTooLate,
    /// The bank gives the money up before it is captured.
    LosesTheMoney,
    PaysAndIsRefunded,
}

impl Story {
    /// How the order must stand in the end; `None`: there is none. And the bank's payments.
    fn end(self) -> (Option<&'static str>, &'static [&'static str]) {
        match self {
            Self::Pays => (Some("paid"), &["captured"]),
            Self::PaysTooLate => (None, &["cancelled", "captured"]),
            Self::LosesTheMoney => (Some("void"), &["cancelled"]),
            Self::PaysAndIsRefunded => (Some("refunded"), &["refunded"]),
        }
    }
}

/// Every place between two steps, and a story that comes by there.
const PLACES: [(&str, Story); 14] = [
    ("called", Story::Pays),
    ("authorised", Story::Pays),
    ("confirmed", Story::Pays),
    ("recorded", Story::Pays),
    ("captured", Story::Pays),
    ("ledger_paid", Story::Pays),
    ("paid", Story::Pays),
    ("too_late", Story::PaysTooLate),
    ("given_back", Story::PaysTooLate),
    ("voided", Story::LosesTheMoney),
    ("cancelled", Story::LosesTheMoney),
    ("refund_asked", Story::PaysAndIsRefunded),
    ("refunded", Story::PaysAndIsRefunded),
    ("ledger_refunded", Story::PaysAndIsRefunded),
];

/// A server, the bank that it asks, and where its orders are.
struct Shop {
    folder: tempfile::TempDir,
    bank: Server,
    ledger: Option<String>,
}

impl Shop {
    fn new(ledger: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut bank = holdfast(folder.path());
        bank.args(["provider", "--listen", "127.0.0.1:0", "--secret", SECRET]);
        Self { bank: Server::spawn(&mut bank), folder, ledger }
    }

    fn command(&self) -> Command {
        let mut command = command(&self.folder.path().join("data"));
        command.arg("--payments").arg(format!("simulated=http://{}", self.bank.address));
        command.env("HOLDFAST_PROVIDER_SECRET", SECRET);
        if let Some(url) = &self.ledger {
            command.env("HOLDFAST_LEDGER", url);
        }
        command
    }

    /// A server that is killed when it gets to a place.
    fn deadly(&self, place: &str, bug: Option<&str>) -> Command {
        let mut command = self.command();
        command.env("HOLDFAST_KILL_AT", place);
        command.envs(bug.map(|bug| ("HOLDFAST_PLANTED", bug)));
        command
    }

    fn bank(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        ask_as(SECRET, &self.bank.address, method, path, body).unwrap()
    }

    fn payments(&self) -> Vec<Value> {
        let (status, found) = self.bank("GET", "/payments", &Value::Null);
        assert_eq!(status, 200);
        found["payments"].as_array().unwrap().clone()
    }

    /// The bank gives up what it has authorised.
    fn lose_the_money(&self) {
        for payment in self.payments() {
            let reference = payment["reference"].as_str().unwrap();
            let path = format!("/payments/{reference}/cancel");
            assert_eq!(self.bank("POST", &path, &json!({})).0, 200);
        }
    }

    /// Tells a story as far as the server lets it. Whatever it does not answer it is asked again
    /// after its restart.
    fn tell(&self, server: &Server, story: Story) -> Option<String> {
        let ask = |method: &str, path: &str, body: &Value| {
            ask_as(crate::support::KEY, &server.address, method, path, body).ok()
        };
        let hold = |buyer: &str, simulate: &str| -> Option<String> {
            let body = json!({ "tier": "ga", "quantity": 1, "buyer": buyer });
            let (_, hold) = ask("POST", "/v1/sales/club/holds", &body)?;
            let id = hold["id"].as_str()?.to_owned();
            let body = json!({ "simulate": simulate });
            ask("POST", &format!("/v1/holds/{id}/checkout"), &body)?;
            Some(id)
        };
        match story {
            Story::Pays | Story::LosesTheMoney => hold("alice", "approve"),
            Story::PaysTooLate => {
                let late = hold("alice", "late")?;
                wait_for("her hold ends", || {
                    let look = ask("GET", &format!("/v1/holds/{late}"), &Value::Null);
                    look.is_none_or(|(_, hold)| hold["status"] == "expired").then_some(())
                });
                hold("bob", "approve");
                Some(late)
            }
            Story::PaysAndIsRefunded => {
                let hold = hold("alice", "approve")?;
                let order = wait_for("she has paid", || {
                    let (_, hold) = ask("GET", &format!("/v1/holds/{hold}"), &Value::Null)?;
                    let is_paid = hold["payment"]["status"] == "paid";
                    is_paid.then(|| hold["order"].as_str().unwrap().to_owned())
                });
                ask("POST", &format!("/v1/orders/{order}/refund"), &json!({}));
                Some(hold)
            }
        }
    }

    /// Kills the server when it gets to a place, starts it again, and says what is wrong in the end.
    fn kill_at(&self, place: &str, story: Story, bug: Option<&str>) -> Result<(), String> {
        let loses = matches!(story, Story::LosesTheMoney);
        let mut server =
            Server::spawn(&mut self.deadly(if loses { "recorded" } else { place }, bug));
        let price = json!({ "amount": 100, "currency": "EUR" });
        let tier = json!({ "id": "ga", "name": "GA", "capacity": 1, "price": price });
        let seconds = if matches!(story, Story::PaysTooLate) { 1 } else { 60 };
        let sale = json!({
            "name": "Club", "hold_seconds": seconds, "checkout_grace_seconds": 1, "tiers": [tier],
        });
        assert_eq!(server.ask("PUT", "/v1/sales/club", &sale).0, 201);
        assert_eq!(server.ask("POST", "/v1/sales/club/open", &Value::Null).0, 200);
        self.tell(&server, story);
        wait_for("it is killed there", || server.child.try_wait().unwrap());
        if loses {
            self.lose_the_money();
            let mut server = self.deadly(place, bug).stdout(Stdio::null()).spawn().unwrap();
            wait_for("it is killed there too", || server.try_wait().unwrap());
        }

        let mut command = self.command();
        command.envs(bug.map(|bug| ("HOLDFAST_PLANTED", bug)));
        let server = Server::spawn(&mut command);
        let begun = Instant::now();
        loop {
            let (status, audit) = server.ask("GET", "/v1/sales/club/audit", &Value::Null);
            if status == 200 && audit["money"]["under_way"] == 0 {
                return self.judge(&server, &audit, story);
            }
            if begun.elapsed() > PATIENCE {
                let payments = self.payments();
                return Err(format!("it does not come to rest: {audit}, payments {payments:?}"));
            }
            sleep(Duration::from_millis(20));
        }
    }

    fn judge(&self, server: &Server, audit: &Value, story: Story) -> Result<(), String> {
        let (order, payments) = story.end();
        let mut stands: Vec<String> =
            self.payments().iter().map(|it| it["status"].as_str().unwrap().to_owned()).collect();
        stands.sort();
        let (_, orders) = server.ask("GET", "/v1/sales/club/orders", &Value::Null);
        let of_alice = |order: &&Value| order["buyer"] == "alice";
        let found = orders["items"].as_array().unwrap().iter().find(of_alice);
        let found = found.map(|order| order["status"].as_str().unwrap());
        if audit["ok"] != true {
            return Err(format!("the audit says {}", audit["differences"]));
        }
        if found != order || stands != payments {
            return Err(format!("her order is {found:?}, the payments are {stands:?}"));
        }
        Ok(())
    }
}

fn kill_everywhere(ledger: &dyn Fn(usize) -> Option<String>) {
    for (nth, (place, story)) in PLACES.into_iter().enumerate() {
        let shop = Shop::new(ledger(nth));
        let wrong = shop.kill_at(place, story, None);
        assert_eq!(wrong, Ok(()), "killed at {place:?}, where she {story:?}");
    }
}

#[test]
fn caught_nowhere_between_its_steps_with_orders_in_a_file() {
    kill_everywhere(&|_| None);
}

#[test]
fn caught_nowhere_between_its_steps_with_orders_in_postgres() {
    let postgres = Postgres::start().unwrap();
    kill_everywhere(&|nth| Some(postgres.create(&format!("killed_{nth}")).unwrap()));
}

/// The control: to take the money first and then record is caught.
#[test]
fn who_takes_the_money_before_anything_is_recorded_is_caught() {
    let shop = Shop::new(None);
    let wrong = shop.kill_at("captured", Story::Pays, Some("naive"));
    println!("{}", wrong.unwrap_err());
}
