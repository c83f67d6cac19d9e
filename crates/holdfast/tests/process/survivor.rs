//! kill -9 of nodes that carry payments, one at each place between two steps: those that live bring all
//! of it to its end, without a restart of anybody.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::servers::{Cluster, audit_at_rest, check_out, open_sale, order, payment};
use crate::support::{Server, ask};

/// How long all of it may take: a node that is silent is missed after five seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Places that a payment comes by.
const PAYING: [&str; 7] =
    ["called", "authorised", "confirmed", "recorded", "captured", "ledger_paid", "paid"];

/// Those that money comes by which is too late.
const LATE: [&str; 2] = ["too_late", "given_back"];

/// Those of a refund.
const REFUNDING: [&str; 3] = ["refund_asked", "refunded", "ledger_refunded"];

/// A cluster in which one node lives.
struct Field {
    cluster: Cluster,
    survivor: Server,
    buyers: u32,
    sales: Vec<String>,
    paying: Vec<String>,
}

impl Field {
    fn new() -> Self {
        let cluster = Cluster::start();
        let survivor = cluster.server();
        open_sale(&survivor, "club", 100_000, 60);
        let sales = vec!["club".to_owned()];
        Self { cluster, survivor, buyers: 0, sales, paying: Vec::new() }
    }

    /// Nodes that are killed when they get to these places.
    fn deadly(&self, places: &[&str]) -> Vec<Server> {
        let start = |place: &str| {
            let mut command = self.cluster.command();
            Server::spawn(command.env("HOLDFAST_KILL_AT", place))
        };
        thread::scope(|scope| {
            let starting = places.iter().map(|place| scope.spawn(move || start(place)));
            let starting: Vec<_> = starting.collect();
            starting.into_iter().map(|it| it.join().unwrap()).collect()
        })
    }

    /// A buyer's hold that is at the checkout; `None`: there is no unit for it any more.
    fn buy(&mut self, sale: &str, simulate: &str) -> Option<String> {
        self.buyers += 1;
        let buyer = format!("buyer-{}", self.buyers);
        check_out(&self.survivor.address, sale, &buyer, simulate)
    }

    /// Whoever is asked for a refund carries it. It may be killed before it has answered.
    fn refund(&mut self, node: &Server, hold: &str) {
        let order = order(&self.survivor.address, hold);
        let path = format!("/v1/orders/{order}/refund");
        let _ = ask(&node.address, "POST", &path, &json!({}));
    }

    /// Money comes when the units are others'.
    fn pay_too_late(&mut self) {
        let sale = format!("late-{}", self.sales.len());
        open_sale(&self.survivor, &sale, 12, 1);
        let holds: Vec<_> = (0..12).map(|_| self.buy(&sale, "late").unwrap()).collect();
        let is_over = |hold: &String| {
            let path = format!("/v1/holds/{hold}");
            self.survivor.ask("GET", &path, &Value::Null).1["status"] == "expired"
        };
        // Whoever's payment is queued at a node that was killed stays until that one is missed.
        wait_long("their holds end", || holds.iter().all(is_over).then_some(()));
        (0..12).for_each(|_| drop(self.buy(&sale, "approve")));
        self.sales.push(sale);
    }

    /// Sends payments until all these nodes are dead.
    fn pay_until_dead(&mut self, mut paying: Vec<Server>, mut late: Vec<Server>) {
        let begun = Instant::now();
        loop {
            paying.retain_mut(|node| !is_dead(node));
            late.retain_mut(|node| !is_dead(node));
            if paying.is_empty() && late.is_empty() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{} live", paying.len() + late.len());
            if !paying.is_empty() {
                let paid: Vec<_> = (0..20).map(|_| self.buy("club", "approve").unwrap()).collect();
                self.paying.extend(paid);
            }
            if !late.is_empty() {
                self.pay_too_late();
            }
        }
    }
}

/// Waits longer than [`wait_for`] does.
#[track_caller]
fn wait_long<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(done) = done() {
            return done;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn is_dead(node: &mut Server) -> bool {
    node.child.try_wait().unwrap().is_some()
}

#[test]
fn whoever_is_killed_the_others_bring_it_to_its_end() {
    let mut field = Field::new();
    let to_refund: Vec<_> = REFUNDING.map(|_| field.buy("club", "approve").unwrap()).into();
    let late = field.deadly(&LATE);
    field.pay_until_dead(Vec::new(), late);
    let (paying, refunding) = thread::scope(|scope| {
        let paying = scope.spawn(|| field.deadly(&PAYING));
        let refunding = field.deadly(&REFUNDING);
        (paying.join().unwrap(), refunding)
    });
    for (node, hold) in refunding.iter().zip(&to_refund) {
        field.refund(node, hold);
    }
    field.pay_until_dead(paying.into_iter().chain(refunding).collect(), Vec::new());

    let at = &field.survivor.address;
    for sale in &field.sales {
        let audit = wait_long("nothing is under way", || audit_at_rest(at, sale));
        assert_eq!(audit["ok"], true, "{sale}: {audit}");
    }
    assert!(field.paying.iter().all(|hold| payment(at, hold) == "paid"));
    let payments = field.cluster.payments();
    let refunded = payments.iter().filter(|status| *status == "refunded").count();
    assert_eq!(refunded, REFUNDING.len());
    assert!(
        payments
            .iter()
            .all(|status| ["captured", "cancelled", "refunded"].contains(&status.as_str()))
    );
}
