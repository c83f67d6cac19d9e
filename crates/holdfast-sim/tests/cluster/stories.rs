//! Seeded stories at the level of the store.

use holdfast_sim::cluster::Fault;
use holdfast_sim::cluster::story::{Report, tell};

fn series(faults: &[Fault], seeds: std::ops::Range<u64>, steps: usize) -> Report {
    let mut sum = Report::default();
    for seed in seeds {
        match tell(seed, faults, steps) {
            Ok(report) => {
                sum.confirmed += report.confirmed;
                sum.unknown += report.unknown;
                sum.refused += report.refused;
                sum.epochs += report.epochs;
                sum.doubts += report.doubts;
                sum.lost += report.lost;
                sum.lost_for_good |= report.lost_for_good;
                for (name, count) in report.faults {
                    *sum.faults.entry(name).or_default() += count;
                }
            }
            Err(breach) => panic!("seed {seed}: {breach}"),
        }
    }
    println!("{sum:?}");
    sum
}

fn seeds(default: u64) -> std::ops::Range<u64> {
    let from = std::env::var("HOLDFAST_FROM").ok().and_then(|it| it.parse().ok()).unwrap_or(0);
    let count =
        std::env::var("HOLDFAST_STORIES").ok().and_then(|it| it.parse().ok()).unwrap_or(default);
    from..from + count
}

#[test]
fn nothing_fails() {
    let sum = series(&[], seeds(10), 100);
    assert_eq!((sum.unknown, sum.refused, sum.doubts), (0, 0, 0));
}

#[test]
fn what_takes_no_node_away_loses_nothing() {
    let sum = series(Fault::HARMLESS, seeds(100), 200);
    assert_eq!((sum.doubts, sum.lost, sum.lost_for_good), (0, 0, false));
}

#[test]
fn whatever_fails_nothing_is_told_twice_and_what_is_lost_is_in_doubt() {
    let sum = series(Fault::ALL, seeds(200), 200);
    assert!(sum.doubts > 0 && sum.epochs > 200, "{sum:?}");
}
