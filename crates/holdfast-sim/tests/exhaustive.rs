//! Every schedule of a small sale: two tiers, three units, three buyers, eight steps.
//!
//! Breadth first; states in which the rules cannot behave differently are merged. At every edge
//! the product is compared with the naive model, and the promises are counted.

mod support;

use std::collections::BTreeSet;

use holdfast_core::{Command, HoldStatus, HoldView, Reserve, Status};
use holdfast_sim::model::Verdict;
use support::{Pair, WALL_MS, buyer, config, tier};

const BUYERS: usize = 3;
const TIERS: usize = 2;
const CAPACITIES: [u32; TIERS] = [2, 1];
const HOLD_SECONDS: u32 = 2;
const DEPTH: usize = 8;

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
type Key = (Status, Vec<u32>, Vec<Option<(HoldStatus, usize, u64)>>);

fn key(pair: &Pair) -> Key {
    let view = pair.sale.view(pair.stamp.clock_ms).expect("it is configured");
    let place = |id| (0..TIERS).find(|&place| tier(place) == id).unwrap_or(TIERS);
    let hold = |number| {
        let hold = pair.sale.hold_of(&buyer(number), pair.stamp.clock_ms)?;
        Some((hold.status, place(hold.tier), hold.remaining_ms))
    };
    let capacities = view.tiers.iter().map(|tier| tier.config.capacity).collect();
    (view.status, capacities, (0..BUYERS).map(hold).collect())
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
        Action::Expire => pair.wait(hold_ms),
        _ => {}
    }
    let command = command(&pair, action)?;
    let verdict = pair.apply(&command);
    check_promises(before, &pair, Some(action));
    if matches!(verdict, Verdict::Reserved(_) | Verdict::Existing(_)) {
        check_repeated(&pair, &command, &verdict);
    }
    Some(pair)
}

fn check_promises(before: &Pair, after: &Pair, action: Option<Action>) {
    let clock_ms = after.stamp.clock_ms;
    let view = after.sale.view(clock_ms).expect("it is configured");
    let holds: Vec<_> = after.sale.holds_after(None, usize::MAX, clock_ms).collect();
    let live = |hold: &&HoldView| hold.status == HoldStatus::Held;
    for tier in &view.tiers {
        let held = holds.iter().filter(live).filter(|hold| hold.tier == tier.config.id).count();
        let sum = tier.free + tier.held + tier.sold + tier.withheld;
        assert_eq!(sum, tier.config.capacity, "promise 1");
        assert_eq!(tier.held as usize, held, "promises 1 and 6");
        if matches!(action, Some(Action::Expire)) {
            assert_eq!(tier.free, tier.config.capacity, "promise 6: all units are back");
        }
    }
    for hold in before.sale.holds_after(None, usize::MAX, clock_ms) {
        let now = after.sale.hold_by_key(hold.key, clock_ms).map(|hold| hold.status);
        if hold.status != HoldStatus::Held {
            assert_eq!(now, Some(hold.status), "promise 2");
        }
    }
    for number in 0..BUYERS {
        let theirs = holds.iter().filter(live).filter(|hold| hold.buyer == buyer(number));
        assert!(theirs.count() <= 1, "promises 7 and 9: one live hold for a buyer");
    }
}

/// Promise 7: the same request once more gets the same hold, and nothing changes.
fn check_repeated(pair: &Pair, command: &Command, first: &Verdict) {
    let mut again = pair.clone();
    let (Verdict::Reserved(hold) | Verdict::Existing(hold)) = first else { return };
    assert_eq!(again.apply(command), Verdict::Existing(*hold), "promise 7");
    assert_eq!(key(&again), key(pair), "promise 7");
}

#[test]
fn every_schedule_of_a_small_sale_keeps_the_promises() {
    let mut start = Pair::new();
    start.apply(&Command::Configure(Box::new(config(&CAPACITIES, HOLD_SECONDS, 1))));
    let mut seen = BTreeSet::from([hash(&key(&start))]);
    let mut edges = 0_usize;
    let mut layer = vec![start];
    for depth in 1..=DEPTH {
        let mut next = Vec::new();
        for pair in &layer {
            for after in actions().into_iter().filter_map(|action| step(pair, action)) {
                edges += 1;
                if seen.insert(hash(&key(&after))) {
                    next.push(after);
                }
            }
        }
        println!("depth {depth}: {} new states, {edges} edges so far", next.len());
        layer = next;
    }
    println!("{} states, {edges} edges", seen.len());
    assert!(seen.len() > 5_000 && edges > 50_000, "{} states, {edges} edges", seen.len());
}

/// Keys are compared as text: simple, and quick enough.
fn hash(key: &Key) -> String {
    format!("{key:?}")
}
