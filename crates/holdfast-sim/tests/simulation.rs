//! Whole sales under seeded faults, a few of them; `holdfast-sim run` plays as many as one likes.

use holdfast_sim::report::{Report, Stats};
use holdfast_sim::rng::seed_of;
use holdfast_sim::run::simulate;

const SERIES: u64 = 20_261_124;
const RUNS: u64 = 300;

fn play(number: u64) -> Report {
    simulate(seed_of(SERIES, number), None)
}

#[test]
fn hundreds_of_runs_keep_every_promise() {
    let mut sum = Stats::default();
    for number in 0..RUNS {
        let report = play(number);
        let seed = report.seed;
        assert_eq!(report.breach, None, "holdfast-sim replay --seed {seed}");
        sum.add(&report.stats);
    }
    // A run in which nothing happens keeps every promise too.
    assert!(sum.commands > 10_000, "{sum:#?}");
    for promise in 1..=10 {
        assert!(sum.checks[promise] > 1_000, "promise {promise}: {sum:#?}");
    }
    for path in [
        "nothing to repair",
        "torn tail without its first sector cut",
        "last frame made durable, which was not",
        "an earlier process's spare used",
        "unfinished file removed",
        "from a snapshot",
        "from entries alone",
        "in doubt, then restarted",
    ] {
        assert!(sum.recoveries.get(path).is_some_and(|&count| count > 2), "{path}: {sum:#?}");
    }
    for path in [
        "full, then room",
        "damaged segment, refused",
        "damaged snapshot, refused",
        "damaged spare, harmless",
        "died while starting",
    ] {
        assert!(sum.recoveries.contains_key(path), "{path}: {sum:#?}");
    }
    for answer in [
        "limit reached: holds",
        "limit reached: keys",
        "out of range",
        "wrong state",
        "at the checkout",
        "declined",
        "sold",
        "recorded",
        "money came too late",
    ] {
        assert!(sum.answers.contains_key(answer), "{answer}: {sum:#?}");
    }
    for fault in ["killed", "power lost", "died while flushing", "engine deposed"] {
        assert!(sum.faults.contains_key(fault), "{fault}: {sum:#?}");
    }
    assert!(sum.snapshots > 50 && sum.freed > 0, "{sum:#?}");
}

#[test]
fn a_seed_is_the_whole_input() {
    for number in 0..20 {
        let (first, again) = (play(number), play(number));
        assert_eq!(first.hash, again.hash, "seed {}", first.seed);
        assert_eq!(first.stats.turns, again.stats.turns);
    }
    assert_ne!(play(0).hash, play(1).hash);
}

/// The auditor's controls, one for each crate; `holdfast-sim bugs` has them all.
#[cfg(feature = "planted")]
mod controls {
    use super::*;

    fn promise_that_breaks() -> Option<u8> {
        (0..RUNS).find_map(|number| play(number).breach).map(|breach| breach.promise)
    }

    #[test]
    fn a_unit_sold_twice_is_found() {
        holdfast_core::planted::set(Some(holdfast_core::planted::Bug::OneTooMany));
        // Whoever is told of the unit that is not there hears a lie, too.
        assert!(matches!(promise_that_breaks(), Some(1 | 10)));
        holdfast_core::planted::set(None);
    }

    #[test]
    fn an_engine_that_sleeps_is_found() {
        holdfast_engine::planted::set(Some(holdfast_engine::planted::Bug::NeedsTraffic));
        assert_eq!(promise_that_breaks(), Some(6));
        holdfast_engine::planted::set(None);
    }

    #[test]
    fn a_flush_left_out_is_found() {
        holdfast_store::planted::set(Some(holdfast_store::planted::Bug::SkipSync));
        assert_eq!(promise_that_breaks(), Some(3));
        holdfast_store::planted::set(None);
    }
}
