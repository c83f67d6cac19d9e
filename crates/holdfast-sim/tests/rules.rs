//! The product's rules against the naive ones, over random commands and random time.

mod support;

use holdfast_core::{
    Checkout, Command, EXPIRE_BATCH_MAX, HOLDS_PER_BUYER_MAX, HoldKey, KEYS_PER_BUYER_MAX,
    KeyDigest, Limit, Reserve, Sale, SaleConfig, Stamp,
};
use holdfast_sim::model::{Reason, Verdict};
use proptest::prelude::*;
use support::lost::{Lost, lost};
use support::{Pair, WALL_MS, buyer, config, tier};

/// One step of a test: time passes, then something is asked.
#[derive(Clone, Debug)]
struct Step {
    wait_ms: u64,
    /// How far the wall clock is off just now, in milliseconds.
    wall_off_ms: u64,
    ask: Ask,
}

#[derive(Clone, Debug)]
enum Ask {
    Command(Command),
    Reserve {
        buyer: usize,
        tier: usize,
        quantity: u32,
        key: Option<u8>,
    },
    /// Cancels one of the last few holds, or one that is not there.
    Cancel {
        back: u64,
        buyer: Option<usize>,
    },
    /// Takes one of the last few holds to the checkout.
    Checkout {
        back: u64,
        buyer: Option<usize>,
        key: Option<u8>,
        note: Option<u8>,
    },
    /// What the till says of one of the last few holds.
    Till {
        back: u64,
        says: Says,
        attempt: u8,
    },
    Lost(Lost),
    Tick,
    Restart,
    NextReign,
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

fn configs() -> impl Strategy<Value = SaleConfig> {
    let capacities = prop::collection::vec(0_u32..7, 1..4);
    let opens_in = prop::option::of(0_u64..8_000);
    let times = (1_u32..6, 0_u32..3);
    (capacities, times, 1_u32..5, opens_in).prop_map(|(capacities, times, max, opens_in)| {
        let mut config = config(&capacities, times.0, max);
        config.terms.opens_at_ms = opens_in.map(|ms| WALL_MS + ms);
        config.terms.checkout_grace_seconds = times.1;
        config
    })
}

fn asks() -> impl Strategy<Value = Ask> {
    let key = prop::option::of(0_u8..4);
    let reserve = (0_usize..5, 0_usize..4, 0_u32..6, key)
        .prop_map(|(buyer, tier, quantity, key)| Ask::Reserve { buyer, tier, quantity, key });
    let cancel = (0_u64..12, prop::option::of(0_usize..5));
    let capacity = (0_usize..4, 0_u32..9);
    let note = prop::option::of(0_u8..2);
    let checkout = (0_u64..8, prop::option::of(0_usize..5), prop::option::of(0_u8..8), note)
        .prop_map(|(back, buyer, key, note)| Ask::Checkout { back, buyer, key, note });
    let says = prop_oneof![
        6 => Just(Says::Call),
        3 => Just(Says::Decline),
        6 => Just(Says::Confirm),
        2 => Just(Says::Pay),
        2 => any::<bool>().prop_map(|withheld| Says::Void { withheld }),
        2 => Just(Says::Refund),
    ];
    let attempt = prop_oneof![8 => Just(1_u8), 2 => 0_u8..4];
    let till = (0_u64..12, says, attempt).prop_map(|(back, says, attempt)| Ask::Till {
        back,
        says,
        attempt,
    });
    prop_oneof![
        24 => reserve,
        16 => checkout,
        24 => till,
        8 => cancel.prop_map(|(back, buyer)| Ask::Cancel { back, buyer }),
        8 => Just(Ask::Tick),
        8 => lost().prop_map(Ask::Lost),
        2 => capacity.prop_map(|(number, capacity)| {
            Ask::Command(Command::SetCapacity { tier: tier(number), capacity })
        }),
        1 => configs().prop_map(|config| Ask::Command(Command::Configure(Box::new(config)))),
        2 => Just(Ask::Command(Command::Open)),
        1 => Just(Ask::Command(Command::Pause)),
        2 => Just(Ask::Command(Command::Resume)),
        1 => prop_oneof![
            8 => Just(Ask::Tick),
            1 => Just(Ask::Command(Command::Close)),
        ],
        // Once the sale is closed that is all that happens to names.
        2 => (0_usize..5, 0_usize..7).prop_map(|(one, other)| {
            Ask::Command(Command::Forget { buyer: buyer(one), alias: buyer(other) })
        }),
        2 => Just(Ask::Restart),
        1 => Just(Ask::NextReign),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait_ms = prop_oneof![
        30 => Just(0_u64),
        30 => 0_u64..400,
        10 => 0_u64..4_000,
        // As long as a payment may wait for the provider.
        1 => 290_000_u64..310_000,
    ];
    let wall_off_ms = prop_oneof![3 => Just(20_000_u64), 1 => 0_u64..40_000];
    let step = (wait_ms, wall_off_ms, asks());
    let step = step.prop_map(|(wait_ms, wall_off_ms, ask)| Step { wait_ms, wall_off_ms, ask });
    prop::collection::vec(step, 1..120)
}

fn command(ask: &Ask, pair: &mut Pair, wall_off_ms: u64) -> Option<Command> {
    // One of the last few holds; if there is none, one that nobody has.
    let recent = |back: u64| {
        let holds: Vec<_> = pair.model.holds(pair.stamp.clock_ms).map(|hold| hold.key).collect();
        let back = usize::try_from(back).unwrap_or(0).checked_rem(holds.len());
        back.map_or(HoldKey::from_number(5), |back| holds[holds.len() - 1 - back])
    };
    Some(match ask {
        Ask::Command(command) => command.clone(),
        Ask::Lost(lost) => lost.command(pair),
        Ask::Reserve { buyer: number, tier: place, quantity, key } => Command::Reserve(Reserve {
            buyer: buyer(*number),
            tier: tier(*place),
            quantity: *quantity,
            key: key.map(|key| KeyDigest::of(&format!("key-{key}"))),
        }),
        Ask::Cancel { back, buyer: number } => Command::Cancel {
            hold: HoldKey::from_number(pair.stamp.sequence.saturating_sub(*back) * 1_024),
            buyer: number.map(buyer),
        },
        Ask::Checkout { back, buyer: number, key, note } => Command::Checkout(Checkout {
            hold: recent(*back / 2),
            buyer: number.map(buyer).filter(|_| back % 2 == 0),
            key: key.map(|key| KeyDigest::of(&format!("key-{key}"))),
            note: note.map(|note| format!("note-{note}").into()),
        }),
        Ask::Till { back, says, attempt } => {
            let (hold, attempt) = (recent(*back / 3), *attempt);
            match *says {
                Says::Call => Command::Call { hold, attempt },
                Says::Decline => Command::Decline { hold, attempt },
                Says::Confirm => Command::Confirm { hold, attempt },
                Says::Pay => Command::Pay { hold },
                Says::Void { withheld } => Command::Void { hold, withheld },
                Says::Refund => Command::Refund { hold },
            }
        }
        Ask::Tick => {
            Command::Tick { wall_ms: WALL_MS - 20_000 + pair.stamp.clock_ms + wall_off_ms }
        }
        Ask::Restart | Ask::NextReign => return None,
    })
}

fn play(config: SaleConfig, steps: &[Step]) -> (Pair, Vec<(Stamp, Command)>) {
    let (mut pair, mut log) = (Pair::new(), Vec::new());
    let first = Step {
        wait_ms: 0,
        wall_off_ms: 0,
        ask: Ask::Command(Command::Configure(Box::new(config))),
    };
    // Most sales are open before anything else happens.
    let open = Step { ask: Ask::Command(Command::Open), ..first.clone() };
    let open = (!steps.len().is_multiple_of(5)).then_some(&open);
    let steps = std::iter::once(&first).chain(open).chain(steps);
    for Step { wait_ms, wall_off_ms, ask } in steps {
        pair.wait(*wait_ms);
        match command(ask, &mut pair, *wall_off_ms) {
            Some(command) => {
                pair.apply(&command);
                log.push((pair.stamp, command));
            }
            None if matches!(ask, Ask::Restart) => pair.restart(),
            None => pair.stamp.epoch += 1,
        }
    }
    (pair, log)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_rules_agree_with_the_naive_ones(config in configs(), steps in steps()) {
        play(config, &steps);
    }

    #[test]
    fn the_same_log_makes_the_same_bytes(config in configs(), steps in steps()) {
        let (pair, log) = play(config, &steps);
        let mut again = Sale::new(3, 99);
        for (stamp, command) in &log {
            let mut bytes = Vec::new();
            command.encode(&mut bytes);
            prop_assert_eq!(&Command::decode(&bytes).unwrap(), command);
            again.apply(*stamp, command);
        }
        prop_assert_eq!(again.to_snapshot(), pair.sale.to_snapshot());
    }
}

fn open(capacity: u32, hold_seconds: u32) -> Pair {
    let mut pair = Pair::new();
    pair.apply(&Command::Configure(Box::new(config(&[capacity], hold_seconds, 2))));
    pair.apply(&Command::Open);
    pair
}

fn reserve(number: usize, key: Option<usize>) -> Command {
    let key = key.map(|key| KeyDigest::of(&format!("key-{key}")));
    Command::Reserve(Reserve { buyer: buyer(number), tier: tier(0), quantity: 1, key })
}

#[test]
fn a_buyer_has_so_many_holds_and_no_more() {
    let mut pair = open(5, 10);
    for _ in 0..HOLDS_PER_BUYER_MAX {
        let Verdict::Reserved(hold) = pair.apply(&reserve(0, None)) else { panic!("refused") };
        pair.apply(&Command::Cancel { hold, buyer: Some(buyer(0)) });
    }
    let verdict = pair.apply(&reserve(0, None));
    assert_eq!(verdict, Verdict::Refused(Reason::LimitReached(Limit::Holds)));
}

#[test]
fn nobody_is_their_own_alias_not_even_after_a_loss() {
    let mut pair = open(5, 10);
    let Verdict::Reserved(hold) = pair.apply(&reserve(0, None)) else { panic!("refused") };
    pair.apply(&Command::Cancel { hold, buyer: Some(buyer(0)) });
    let first_lost = pair.stamp.sequence + 1;
    pair.apply(&Command::Doubt { lost_ms: 0, first_lost });
    pair.apply(&Command::Close);
    let verdict = pair.apply(&Command::Forget { buyer: buyer(0), alias: buyer(0) });
    assert_eq!(verdict, Verdict::Refused(Reason::WrongState));
}

#[test]
fn a_buyer_has_so_many_keys_and_no_more() {
    let mut pair = open(5, 10);
    for key in 0..usize::from(KEYS_PER_BUYER_MAX) {
        pair.apply(&reserve(0, Some(key)));
    }
    pair.restart();
    let verdict = pair.apply(&reserve(0, Some(1_000)));
    assert_eq!(verdict, Verdict::Refused(Reason::LimitReached(Limit::Keys)));
    assert!(matches!(pair.apply(&reserve(0, Some(0))), Verdict::Existing(_)));
}

#[test]
fn a_crowd_expires_in_batches() {
    let (batch, rest) = (EXPIRE_BATCH_MAX, 300);
    let crowd = 2 * batch + rest;
    let mut pair = open(crowd, 1);
    for number in 0..crowd {
        pair.stamp.sequence += 1;
        let command = reserve(number as usize, None);
        pair.sale.apply(pair.stamp, &command);
        pair.model.apply(pair.stamp, &command);
    }
    pair.wait(1_000);
    let tick = Command::Tick { wall_ms: WALL_MS };
    for (expired, more) in [(batch, true), (batch, true), (rest, false), (0, false)] {
        assert_eq!(pair.apply(&tick), Verdict::Ticked { expired, opened: false, more });
    }
}

/// Without these controls a test that compares nothing would pass as well.
#[cfg(feature = "planted")]
mod controls {
    use holdfast_core::planted::{self, Bug};
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    fn finds(bug: Bug) -> bool {
        let config = Config {
            cases: 400,
            failure_persistence: None,
            max_shrink_iters: 0,
            ..Config::default()
        };
        let mut runner = TestRunner::new_with_rng(config.clone(), deterministic(&config));
        planted::set(Some(bug));
        let run = runner.run(&(configs(), steps()), |(config, steps)| {
            play(config, &steps);
            Ok(())
        });
        planted::set(None);
        run.is_err()
    }

    fn deterministic(config: &Config) -> proptest::test_runner::TestRng {
        proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm)
    }

    #[test]
    fn every_bug_in_the_rules_is_found() {
        // The panics of the runs that fail are expected and would only hide what matters.
        std::panic::set_hook(Box::new(|_| ()));
        let bugs = [
            Bug::OneTooMany,
            Bug::EndsTwice,
            Bug::LosesUnits,
            Bug::EndsEarly,
            Bug::AnchorGoesBack,
            Bug::SecondHold,
            Bug::ForgetsKeys,
            Bug::NoLimit,
            Bug::SoldOutTooSoon,
            Bug::CancelsPaying,
            Bug::QueueEatsTime,
            Bug::LateMoneyOversells,
            Bug::VoidLosesUnits,
            Bug::OrdersUncounted,
            Bug::SellsInDoubt,
            Bug::DoubtEndsEarly,
            Bug::ForgetsDoubt,
            Bug::ClaimsUnlost,
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
