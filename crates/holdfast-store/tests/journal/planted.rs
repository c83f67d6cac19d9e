//! The controls: each planted bug is caught by the check that guards against it.

use std::panic::catch_unwind;

use holdfast_store::planted::{Bug, set};

use crate::rig::Rig;
use crate::suite::CHECKS;
use crate::{damage, faults, torn};

/// Runs a check with a bug planted; it must fail.
fn caught(bug: Bug, check: fn()) {
    check();
    set(Some(bug));
    let outcome = catch_unwind(check);
    set(None);
    assert!(outcome.is_err(), "{bug:?} was not caught");
}

fn check(name: &str) {
    let (_, check) = CHECKS.iter().find(|(other, _)| *other == name).expect("the check exists");
    check(&Rig::new(8 << 10));
}

#[test]
fn an_answer_without_a_flush() {
    caught(Bug::SkipSync, faults::what_was_acknowledged_survives_power_loss);
}

#[test]
fn damage_taken_for_a_torn_tail() {
    caught(Bug::CutAnywhere, damage::every_flipped_bit_in_what_was_written_is_refused);
    caught(Bug::CutAnywhere, torn::a_torn_frame_that_another_follows_is_damage);
}

#[test]
fn a_clock_that_takes_any_step() {
    caught(Bug::ClockUncapped, || check("the_clock_moves_in_capped_steps"));
}

#[test]
fn a_fence_that_is_open() {
    caught(Bug::NoFence, || check("only_the_reign_in_force_appends"));
}
