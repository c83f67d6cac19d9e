//! Every schedule of a sale with one unit, or two, and two buyers, that loses the end of its log once:
//! where it was known last, what happened after that, and who shows what afterwards.
//!
//! Breadth first; states in which the rules cannot behave differently are merged. At every edge the
//! product is compared with the naive model, and the promises are counted.

mod support;

use std::collections::BTreeSet;

use holdfast_core::{Checkout, Command, HoldStatus, HoldView, Receipt, Reserve, Restore};
use holdfast_sim::model::Verdict;
use support::{Pair, WALL_MS, buyer, config, tier};

const BUYERS: usize = 2;
const HOLD_MS: u64 = 2_000;
/// Sequences between what may be lost and the epoch after it.
const GAP: u64 = 100;
/// Capacities, and how many steps of them are gone through.
const SCOPES: [(u32, usize); 2] = [(1, 8), (2, 7)];

/// A sale, and what the world around it remembers whatever the sale loses.
#[derive(Clone)]
struct World {
    pair: Pair,
    /// Every hold that a buyer was told of.
    told: Vec<(Receipt, usize)>,
    /// The ledger's orders, as places in `told`.
    orders: BTreeSet<usize>,
    /// The sale as it will be known after the loss.
    known: Option<Box<Pair>>,
    has_lost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Reserve {
        buyer: usize,
    },
    Cancel {
        buyer: usize,
    },
    /// Checkout, call, confirmation, and the order in the ledger.
    Buy {
        buyer: usize,
    },
    /// Half the time of a hold passes, and what is due is done.
    Wait,
    /// Whatever lives runs out, and the doubt.
    Expire,
    /// From here on nothing survives.
    Fork,
    Lose,
    Claim {
        told: usize,
    },
    Restore {
        told: usize,
    },
}

impl World {
    fn new(capacity: u32) -> Self {
        let mut pair = Pair::new();
        let seconds = u32::try_from(HOLD_MS / 1_000).expect("fits");
        pair.apply(&Command::Configure(Box::new(config(&[capacity], seconds, 1))));
        pair.apply(&Command::Open);
        pair.apply(&Command::Tick { wall_ms: WALL_MS });
        let (told, orders) = (Vec::new(), BTreeSet::new());
        Self { pair, told, orders, known: None, has_lost: false }
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions = vec![Action::Wait, Action::Expire];
        for buyer in 0..BUYERS {
            actions.extend([Action::Reserve { buyer }, Action::Cancel { buyer }]);
            actions.push(Action::Buy { buyer });
        }
        if self.has_lost {
            actions.extend((0..self.told.len()).map(|told| Action::Claim { told }));
            actions.extend(self.orders.iter().map(|&told| Action::Restore { told }));
        } else {
            actions.push(if self.known.is_some() { Action::Lose } else { Action::Fork });
        }
        actions
    }

    /// The world after an action; `None` if there is nothing to be done.
    fn step(&self, action: Action) -> Option<Self> {
        let mut after = self.clone();
        match action {
            Action::Reserve { buyer } => after.reserve(buyer),
            Action::Cancel { buyer } => after.cancel(buyer)?,
            Action::Buy { buyer } => after.buy(buyer)?,
            Action::Wait => after.wait(HOLD_MS / 2),
            Action::Expire => {
                let until_ms = after.pair.sale.doubt_until_ms().unwrap_or(0);
                after.wait(until_ms.saturating_sub(after.pair.stamp.clock_ms).max(HOLD_MS));
            }
            Action::Fork => after.known = Some(Box::new(after.pair.clone())),
            Action::Lose => after.lose()?,
            Action::Claim { told } => drop(after.claim(told)),
            Action::Restore { told } => drop(after.restore(told)),
        }
        after.check(self, action);
        Some(after)
    }

    fn reserve(&mut self, number: usize) {
        let request = Reserve { buyer: buyer(number), tier: tier(0), quantity: 1, key: None };
        if let Verdict::Reserved(key) = self.pair.apply(&Command::Reserve(request)) {
            let hold = self.pair.sale.hold_by_key(key, 0).expect("it is there");
            assert!(
                self.pair.sale.doubt_until_ms().is_none(),
                "promise 4: nothing is sold in doubt"
            );
            self.told.push((hold.receipt, number));
        }
    }

    fn cancel(&mut self, number: usize) -> Option<()> {
        let hold = self.live(number)?.key;
        self.pair.apply(&Command::Cancel { hold, buyer: Some(buyer(number)) });
        Some(())
    }

    fn buy(&mut self, number: usize) -> Option<()> {
        let hold = self.live(number)?.key;
        let checkout = Checkout { hold, buyer: None, key: None, note: None };
        self.pair.apply(&Command::Checkout(checkout));
        self.pair.apply(&Command::Call { hold, attempt: 1 });
        self.pair.apply(&Command::Confirm { hold, attempt: 1 });
        let told = self.told.iter().position(|(receipt, _)| receipt.key == hold);
        self.orders.insert(told.expect("whoever buys was told"));
        Some(())
    }

    fn wait(&mut self, ms: u64) {
        self.pair.wait(ms);
        self.pair.apply(&Command::Tick { wall_ms: WALL_MS + self.pair.stamp.clock_ms });
    }

    fn lose(&mut self) -> Option<()> {
        let known = self.known.take()?;
        let lost = std::mem::replace(&mut self.pair, *known);
        let ran_ms = lost.stamp.clock_ms - self.pair.stamp.clock_ms;
        let command = self.pair.lose(ran_ms, GAP);
        self.pair.apply(&command);
        self.has_lost = true;
        self.everyone_can_have_theirs(&lost);
        Some(())
    }

    fn claim(&mut self, told: usize) -> Verdict {
        let (receipt, number) = self.told[told];
        self.pair.apply(&Command::Claim { receipt, buyer: buyer(number) })
    }

    fn restore(&mut self, told: usize) -> Verdict {
        let (source, number) = self.told[told];
        let (hold, buyer) = (source.key, buyer(number));
        let restore = Restore { hold, buyer, source, attempt: 1, paid: false };
        self.pair.apply(&Command::Restore(Box::new(restore)))
    }

    fn live(&self, number: usize) -> Option<HoldView> {
        let hold = self.pair.sale.hold_of(&buyer(number), self.pair.stamp.clock_ms)?;
        hold.status.is_live().then_some(hold)
    }

    /// If everyone says what is true of what was lost, everyone gets what they had.
    fn everyone_can_have_theirs(&self, lost: &Pair) {
        let mut world = self.clone();
        let was = |receipt: &Receipt| lost.sale.hold_by_key(receipt.key, 0).expect("it was told");
        for &told in &self.orders {
            let (receipt, _) = self.told[told];
            let verdict = world.restore(told);
            let is_sold = matches!(verdict, Verdict::Restored(_) | Verdict::Confirmed(_));
            assert!(is_sold || world.waits_for(lost), "promise 5: {receipt:?}: {verdict:?}");
        }
        for (receipt, number) in &self.told {
            let (clock_ms, hold) = (world.pair.stamp.clock_ms, receipt.key);
            let now = world.pair.sale.hold_by_key(hold, clock_ms);
            if was(receipt).status == HoldStatus::Cancelled && now.is_some() {
                world.pair.apply(&Command::Cancel { hold, buyer: Some(buyer(*number)) });
            }
        }
        for &told in &self.orders {
            let verdict = world.restore(told);
            let is_sold = matches!(verdict, Verdict::Restored(_) | Verdict::Confirmed(_));
            assert!(is_sold || world.waits_for(lost), "promise 5: {verdict:?}");
        }
        for told in 0..self.told.len() {
            let (receipt, _) = self.told[told];
            if was(&receipt).status.is_live() {
                let verdict = world.claim(told);
                let has = matches!(verdict, Verdict::Claimed(_) | Verdict::Existing(_));
                assert!(has || world.waits_for(lost), "promise 4: {receipt:?}: {verdict:?}");
            }
        }
    }

    /// Whether a hold lives that had run out in what was lost: whoever has its unit waits until it does
    /// once more.
    fn waits_for(&self, lost: &Pair) -> bool {
        (0..BUYERS).filter_map(|number| self.live(number)).any(|hold| {
            let was = lost.sale.hold_by_key(hold.key, 0);
            was.is_some_and(|was| !was.status.is_live())
        })
    }

    fn check(&self, before: &Self, action: Action) {
        let clock_ms = self.pair.stamp.clock_ms;
        let view = self.pair.sale.view(clock_ms).expect("it is configured");
        let holds: Vec<_> = self.pair.sale.holds_after(None, usize::MAX, clock_ms).collect();
        let count = |status: fn(HoldStatus) -> bool| {
            holds.iter().filter(|hold| status(hold.status)).count()
        };
        let one = &view.tiers[0];
        assert_eq!(one.free + one.held + one.sold + one.withheld, one.config.capacity, "promise 1");
        assert_eq!(one.held as usize, count(HoldStatus::is_live), "promises 1 and 6");
        assert_eq!(one.sold as usize, count(|it| it == HoldStatus::Sold), "promises 1 and 6");
        assert!(view.doubt_until_ms.is_none() || one.free == 0, "promise 4");
        if action == Action::Expire {
            assert_eq!(one.free + one.sold, one.config.capacity, "promise 6: all units are back");
        }
        for number in 0..BUYERS {
            let theirs = holds.iter().filter(|hold| hold.buyer == buyer(number));
            let live = theirs.filter(|hold| hold.status.is_live()).count();
            assert!(live <= 1, "promise 7: one live hold a buyer");
        }
        for hold in &holds {
            let told = self.told.iter().find(|(receipt, _)| receipt.key == hold.key);
            let &(receipt, number) = told.expect("whoever has a hold was told of it");
            assert_eq!((hold.receipt, hold.buyer), (receipt, buyer(number)), "promise 3: one id");
        }
        if action != Action::Lose {
            check_endings(&before.pair, &self.pair, action);
        }
    }

    /// What the future depends on.
    fn key(&self) -> String {
        let orders = &self.orders;
        let known = self.known.as_ref().map(|known| self.key_of(known));
        format!("{:?} {orders:?} {known:?} {}", self.key_of(&self.pair), self.has_lost)
    }

    fn key_of(&self, pair: &Pair) -> String {
        let clock_ms = pair.stamp.clock_ms;
        let from_now = |at_ms: u64| at_ms.saturating_sub(clock_ms);
        let hold = |&(receipt, number): &(Receipt, usize)| {
            let known = pair.sale.hold_by_key(receipt.key, clock_ms).map(|hold| hold.status);
            (number, from_now(receipt.deadline_ms), known)
        };
        let told: Vec<_> = self.told.iter().map(hold).collect();
        format!("{told:?} {:?}", pair.sale.doubt_until_ms().map(from_now))
    }
}

/// Promise 2: what has ended stays ended, unless the ledger has its order.
fn check_endings(before: &Pair, after: &Pair, action: Action) {
    for hold in before.sale.holds_after(None, usize::MAX, 0) {
        let now = after.sale.hold_by_key(hold.key, 0).expect("it was there");
        let is_restored =
            matches!(action, Action::Restore { .. }) && now.status == HoldStatus::Sold;
        if !hold.status.is_live() && !is_restored {
            assert_eq!(now.status, hold.status, "promise 2");
        }
    }
}

/// Goes through every schedule; returns how many states and steps there were.
fn every_schedule((capacity, depth): (u32, usize)) -> (usize, usize) {
    let mut layer = vec![World::new(capacity)];
    let (mut seen, mut edges) = (BTreeSet::from([layer[0].key()]), 0);
    for _ in 0..depth {
        let mut next = Vec::new();
        for world in &layer {
            for after in world.actions().into_iter().filter_map(|action| world.step(action)) {
                edges += 1;
                if seen.insert(after.key()) {
                    next.push(after);
                }
            }
        }
        layer = next;
    }
    (seen.len(), edges)
}

#[test]
fn every_loss_of_a_small_sale_keeps_the_promises() {
    for scope in SCOPES {
        let (states, edges) = every_schedule(scope);
        assert!(states > 1_000 && edges > 10_000, "{states} states, {edges} edges");
    }
}

/// Without these controls a test that compares nothing would pass as well.
#[cfg(feature = "planted")]
mod controls {
    use std::panic::catch_unwind;

    use holdfast_core::planted::{self, Bug};

    use super::{SCOPES, every_schedule};

    fn finds(bug: Bug) -> bool {
        planted::set(Some(bug));
        let found = catch_unwind(|| SCOPES.map(every_schedule)).is_err();
        planted::set(None);
        found
    }

    #[test]
    fn every_bug_in_what_follows_a_loss_is_found() {
        // The panics of the runs that fail are expected and would only hide what matters.
        std::panic::set_hook(Box::new(|_| ()));
        let bugs = [
            Bug::SellsInDoubt,
            Bug::DoubtEndsEarly,
            Bug::ClaimsTwice,
            Bug::ClaimsOversell,
            Bug::KeepsWhatEnded,
            Bug::RestoreOversells,
        ];
        let missed: Vec<Bug> = bugs.into_iter().filter(|&bug| !finds(bug)).collect();
        let _ = std::panic::take_hook();
        assert_eq!(missed, []);
    }
}
