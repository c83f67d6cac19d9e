//! Every schedule of two small sales: one of two tiers, three units, three buyers and eight steps;
//! and one whose two buyers go to the checkout.
//!
//! Breadth first; states in which the rules cannot behave differently are merged. At every edge
//! the product is compared with the naive model, and the promises are counted.

mod support;

use std::collections::BTreeSet;

use holdfast_core::{
    Checkout, Command, HoldStatus, HoldView, PAY_QUEUE_MAX_MS, PaymentStatus, Reserve, Status,
};
use holdfast_sim::model::Verdict;
use support::{Pair, WALL_MS, buyer, config, tier};

const BUYERS: usize = 3;
const TIERS: usize = 2;
const HOLD_SECONDS: u32 = 2;
const GRACE_SECONDS: u32 = 1;
const CHECKOUT_DEPTH: usize = 8;

#[derive(Clone, Copy, Debug)]
enum Action {
    Reserve {
        buyer: usize,
        tier: usize,
    },
    Cancel {
        buyer: usize,
    },
    CancelAnothers {
        buyer: usize,
    },
    /// Time passes and nobody ticks: a deadline may go by unnoticed.
    Wait,
    /// Time passes beyond any deadline, and a tick does what is due.
    Expire,
    Tick,
    SetCapacity {
        tier: usize,
        capacity: u32,
    },
    Open,
    Pause,
    Resume,
    Close,
    Checkout {
        buyer: usize,
    },
    /// What the till says of a buyer's payment.
    Till {
        buyer: usize,
        says: Says,
    },
}

#[derive(Clone, Copy, Debug)]
enum Says {
    Call,
    Decline,
    Confirm,
    Pay,
    Void { withheld: bool },
    Refund,
}

/// What can be done where two buyers go to the checkout for what one of them can have.
fn checkout_actions() -> Vec<Action> {
    let mut actions = vec![
        Action::Wait,
        Action::Expire,
        Action::Tick,
        Action::SetCapacity { tier: 0, capacity: 1 },
        Action::SetCapacity { tier: 0, capacity: 2 },
        Action::Pause,
        Action::Resume,
        Action::Close,
    ];
    let says = [
        Says::Call,
        Says::Decline,
        Says::Confirm,
        Says::Pay,
        Says::Void { withheld: false },
        Says::Void { withheld: true },
        Says::Refund,
    ];
    for buyer in 0..2 {
        actions.extend([Action::Reserve { buyer, tier: 0 }, Action::Cancel { buyer }]);
        actions.push(Action::Checkout { buyer });
        actions.extend(says.map(|says| Action::Till { buyer, says }));
    }
    actions
}

fn actions() -> Vec<Action> {
    let mut actions = vec![
        Action::Wait,
        Action::Expire,
        Action::Tick,
        Action::SetCapacity { tier: 0, capacity: 1 },
        Action::SetCapacity { tier: 0, capacity: 2 },
        Action::SetCapacity { tier: 1, capacity: 0 },
        Action::SetCapacity { tier: 1, capacity: 2 },
        Action::Open,
        Action::Pause,
        Action::Resume,
        Action::Close,
    ];
    for buyer in 0..BUYERS {
        actions.extend((0..TIERS).map(|tier| Action::Reserve { buyer, tier }));
        actions.extend([Action::Cancel { buyer }, Action::CancelAnothers { buyer }]);
    }
    actions
}

/// What the future depends on. Keys, sequences and how often a buyer has had a hold do not matter
/// within so few steps.
type Key = (Status, Vec<[u32; 3]>, Vec<[Option<HoldKey>; 3]>);

/// What matters of a hold.
type HoldKey = (HoldStatus, usize, u64, Option<(PaymentStatus, u8, Option<u64>)>);

fn key(pair: &Pair) -> Key {
    let clock_ms = pair.stamp.clock_ms;
    let view = pair.sale.view(clock_ms).expect("it is configured");
    let place = |id| (0..TIERS).find(|&place| tier(place) == id).unwrap_or(TIERS);
    let hold = |hold: HoldView| {
        let payment = hold.payment.map(|payment| {
            let pay_by_ms = payment.pay_by_ms.map(|at_ms| at_ms.saturating_sub(clock_ms));
            (payment.status, payment.attempt, pay_by_ms)
        });
        (hold.status, place(hold.tier), hold.remaining_ms, payment)
    };
    let holds = |number| {
        let latest = pair.sale.hold_of(&buyer(number), clock_ms);
        let [open, last] = payments(pair, number);
        [latest, open, last].map(|found| found.map(hold))
    };
    let tiers = view.tiers.iter().map(|tier| [tier.config.capacity, tier.sold, tier.withheld]);
    (view.status, tiers.collect(), (0..BUYERS).map(holds).collect())
}

/// A buyer's first hold about whose payment something is still to be done, and the last one that
/// has been at the checkout.
fn payments(pair: &Pair, number: usize) -> [Option<HoldView>; 2] {
    let holds = pair.sale.holds_after(None, usize::MAX, pair.stamp.clock_ms);
    let theirs = |hold: &HoldView| hold.buyer == buyer(number) && hold.payment.is_some();
    let theirs: Vec<_> = holds.filter(theirs).collect();
    let is_open = |hold: &&HoldView| hold.payment.is_some_and(|payment| payment.status.is_open());
    [theirs.iter().find(is_open).copied(), theirs.last().copied()]
}

fn command(pair: &Pair, action: Action) -> Option<Command> {
    let latest = |number: usize| pair.sale.hold_of(&buyer(number), 0).map(|hold| hold.key);
    Some(match action {
        Action::Reserve { buyer: number, tier: place } => Command::Reserve(Reserve {
            buyer: buyer(number),
            tier: tier(place),
            quantity: 1,
            key: None,
        }),
        Action::Cancel { buyer: number } => {
            Command::Cancel { hold: latest(number)?, buyer: Some(buyer(number)) }
        }
        Action::CancelAnothers { buyer: number } => {
            let other = latest((number + 1) % BUYERS)?;
            Command::Cancel { hold: other, buyer: Some(buyer(number)) }
        }
        Action::Wait | Action::Expire | Action::Tick => {
            Command::Tick { wall_ms: WALL_MS + pair.stamp.clock_ms }
        }
        Action::SetCapacity { tier: place, capacity } => {
            Command::SetCapacity { tier: tier(place), capacity }
        }
        Action::Open => Command::Open,
        Action::Pause => Command::Pause,
        Action::Resume => Command::Resume,
        Action::Close => Command::Close,
        Action::Checkout { buyer: number } => {
            let (hold, buyer) = (latest(number)?, Some(buyer(number)));
            Command::Checkout(Checkout { hold, buyer, key: None, note: None })
        }
        Action::Till { buyer: number, says } => {
            let [open, last] = payments(pair, number);
            let found = open.or(last)?;
            let (hold, attempt) = (found.key, found.payment?.attempt);
            match says {
                Says::Call => Command::Call { hold, attempt },
                Says::Decline => Command::Decline { hold, attempt },
                Says::Confirm => Command::Confirm { hold, attempt },
                Says::Pay => Command::Pay { hold },
                Says::Void { withheld } => Command::Void { hold, withheld },
                Says::Refund => Command::Refund { hold },
            }
        }
    })
}

/// The state after an action; `None` if it is not enabled.
fn step(before: &Pair, action: Action) -> Option<Pair> {
    let mut pair = before.clone();
    let hold_ms = u64::from(HOLD_SECONDS) * 1_000;
    match action {
        Action::Wait => {
            pair.wait(hold_ms / 2);
            check_promises(before, &pair, None);
            return Some(pair);
        }
        Action::Expire => {
            let grace_ms = u64::from(GRACE_SECONDS) * 1_000;
            pair.wait(hold_ms + grace_ms + u64::from(PAY_QUEUE_MAX_MS));
        }
        _ => {}
    }
    let command = command(&pair, action)?;
    let verdict = pair.apply(&command);
    check_promises(before, &pair, Some(action));
    check_repeated(&pair, &command, &verdict);
    Some(pair)
}

fn check_promises(before: &Pair, after: &Pair, action: Option<Action>) {
    let clock_ms = after.stamp.clock_ms;
    let view = after.sale.view(clock_ms).expect("it is configured");
    let holds: Vec<_> = after.sale.holds_after(None, usize::MAX, clock_ms).collect();
    let live = |hold: &&HoldView| hold.status.is_live();
    let ordered = |hold: &&HoldView| {
        hold.payment.is_some_and(|payment| payment.status.has_units())
            && hold.status == HoldStatus::Sold
    };
    for tier in &view.tiers {
        let held = holds.iter().filter(live).filter(|hold| hold.tier == tier.config.id).count();
        let sum = tier.free + tier.held + tier.sold + tier.withheld;
        assert_eq!(sum, tier.config.capacity, "promise 1");
        assert_eq!(tier.held as usize, held, "promises 1 and 6");
        let sold = holds.iter().filter(ordered).filter(|hold| hold.tier == tier.config.id).count();
        assert_eq!(tier.sold as usize, sold, "promises 1 and 6");
        if matches!(action, Some(Action::Expire)) {
            assert_eq!(tier.held, 0, "promise 6: all units are back");
        }
    }
    for hold in before.sale.holds_after(None, usize::MAX, clock_ms) {
        let now = after.sale.hold_by_key(hold.key, clock_ms).expect("it was there");
        if !hold.status.is_live() {
            assert_eq!(now.status, hold.status, "promise 2");
        } else if now.status.is_live() {
            assert!(now.expires_at_ms >= hold.expires_at_ms, "promise 8: {hold:?}, then {now:?}");
        }
    }
    for number in 0..BUYERS {
        let theirs = holds.iter().filter(live).filter(|hold| hold.buyer == buyer(number));
        let orders = holds.iter().filter(ordered).filter(|hold| hold.buyer == buyer(number));
        let units = theirs.count() + orders.count();
        assert!(units <= 1, "promises 7 and 9: one live hold or order for a buyer");
    }
}

/// Promise 7: the same request once more gets the same answer, and nothing changes.
fn check_repeated(pair: &Pair, command: &Command, first: &Verdict) {
    let same = match first {
        Verdict::Reserved(hold) => Verdict::Existing(*hold),
        Verdict::Existing(_)
        | Verdict::CheckedOut(_)
        | Verdict::Declined(_)
        | Verdict::Confirmed(_)
        | Verdict::TooLate(_)
        | Verdict::Recorded(_) => first.clone(),
        _ => return,
    };
    let mut again = pair.clone();
    assert_eq!(again.apply(command), same, "promise 7");
    assert_eq!(key(&again), key(pair), "promise 7");
}

/// Goes through every schedule from a sale that is configured; returns how many states and steps
/// there were.
fn every_schedule(start: Pair, actions: &[Action], depths: usize) -> (usize, usize) {
    let mut seen = BTreeSet::from([hash(&key(&start))]);
    let mut edges = 0_usize;
    let mut layer = vec![start];
    for _ in 0..depths {
        let mut next = Vec::new();
        for pair in &layer {
            for after in actions.iter().filter_map(|action| step(pair, *action)) {
                edges += 1;
                if seen.insert(hash(&key(&after))) {
                    next.push(after);
                }
            }
        }
        layer = next;
    }
    (seen.len(), edges)
}

fn configured(capacities: &[u32]) -> Pair {
    let mut config = config(capacities, HOLD_SECONDS, 1);
    config.terms.checkout_grace_seconds = GRACE_SECONDS;
    let mut pair = Pair::new();
    pair.apply(&Command::Configure(Box::new(config)));
    pair
}

#[test]
fn every_schedule_of_a_small_sale_keeps_the_promises() {
    let (states, edges) = every_schedule(configured(&[2, 1]), &actions(), 8);
    assert!(states > 5_000 && edges > 50_000, "{states} states, {edges} edges");
}

#[test]
fn every_schedule_of_a_small_checkout_keeps_the_promises() {
    let mut start = configured(&[1]);
    start.apply(&Command::Open);
    start.apply(&Command::Tick { wall_ms: WALL_MS });
    let (states, edges) = every_schedule(start, &checkout_actions(), CHECKOUT_DEPTH);
    assert!(states > 1_000 && edges > 30_000, "{states} states, {edges} edges");
}

/// Keys are compared as text: simple, and quick enough.
fn hash(key: &Key) -> String {
    format!("{key:?}")
}
