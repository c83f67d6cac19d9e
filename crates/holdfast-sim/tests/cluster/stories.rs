//! Seeded stories at the level of the store.

use holdfast_sim::cluster::Fault;
use holdfast_sim::cluster::story::{Report, tell};

fn series(faults: &[Fault], seeds: std::ops::Range<u64>, steps: usize) -> Report {
    let mut sum = Report::default();
    for seed in seeds {
        match tell(seed, faults, steps) {
            Ok(report) => sum.add(&report),
            Err(breach) => panic!("seed {seed}: {breach}"),
        }
    }
    println!("{sum:?}");
    sum
}

#[test]
fn nothing_fails() {
    let sum = series(&[], 0..10, 100);
    assert_eq!((sum.unknown, sum.refused, sum.doubts), (0, 0, 0));
}

#[test]
fn what_takes_no_node_away_loses_nothing() {
    let sum = series(Fault::HARMLESS, 0..100, 200);
    assert_eq!((sum.doubts, sum.lost, sum.lost_for_good), (0, 0, false));
}

#[test]
fn a_minority_of_the_data_nodes_puts_nothing_in_doubt_where_no_node_dies() {
    let sum = series(Fault::MINORITY, 0..60, 200);
    assert_eq!((sum.doubts, sum.lost, sum.lost_for_good), (0, 0, false));
}

#[test]
fn a_minority_of_the_data_nodes_takes_nothing_with_it_whichever_nodes_die() {
    let sum = series(Fault::NODES, 0..60, 200);
    assert_eq!((sum.lost, sum.lost_for_good), (0, false));
}

#[test]
fn whatever_fails_nothing_is_told_twice_and_what_is_lost_is_in_doubt() {
    let sum = series(Fault::ALL, 0..200, 200);
    assert!(sum.doubts > 0 && sum.epochs > 200, "{sum:?}");
}
