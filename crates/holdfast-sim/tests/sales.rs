//! Whole sales on several nodes over Redis: seeded stories, audited as clients see them.

use holdfast_sim::cluster::Fault;
use holdfast_sim::cluster::whole::{Report, tell};

fn series(faults: &[Fault], seeds: std::ops::Range<u64>, steps: usize) -> Report {
    let mut sum = Report::default();
    for seed in seeds {
        let report = tell(seed, faults, steps, None);
        assert_eq!(report.breach, None, "seed {seed}");
        sum.add(&report);
    }
    sum
}

#[test]
fn nothing_fails() {
    let sum = series(&[], 0..10, 100);
    assert_eq!((sum.unknown, sum.refused, sum.doubts), (0, 0, 0));
}

#[test]
fn what_takes_no_node_away_loses_nothing() {
    let sum = series(Fault::HARMLESS, 0..25, 150);
    assert_eq!((sum.doubts, sum.lost, sum.lost_for_good), (0, 0, 0));
}

#[test]
fn a_minority_of_the_data_nodes_takes_no_promise_with_it_whichever_nodes_die() {
    let sum = series(Fault::NODES, 0..30, 150);
    assert_eq!((sum.lost, sum.lost_for_good), (0, 0));
}

#[test]
fn a_minority_of_the_data_nodes_puts_nothing_in_doubt_where_no_node_dies() {
    let sum = series(Fault::MINORITY, 0..25, 150);
    assert_eq!((sum.doubts, sum.lost, sum.lost_for_good), (0, 0, 0));
}

#[test]
fn whatever_fails_what_was_said_is_true_or_in_doubt() {
    let sum = series(Fault::ALL, 0..40, 150);
    assert!(sum.doubts > 0 && sum.true_words > 1_000, "{sum:?}");
}

#[test]
fn one_seed_is_one_story() {
    let one = tell(5, Fault::ALL, 100, None);
    assert_eq!(one, tell(5, Fault::ALL, 100, None));
    assert_ne!(one.hash, tell(6, Fault::ALL, 100, None).hash);
}
