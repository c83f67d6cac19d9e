//! Bugs planted in what several nodes share, and the stories that must find them.
#![cfg(feature = "planted")]
#![expect(clippy::print_stdout, reason = "a test says what it saw")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use holdfast_sim::cluster::{Fault, story, whole};
use holdfast_store::planted as store;

/// Stories in which a bug must show itself at least once.
const STORIES_MAX: u64 = 60;

/// Whether something is wrong in a story.
fn is_wrong(seed: u64) -> bool {
    let bare = || story::tell(seed, Fault::ALL, 200).is_err();
    let sale = |faults| whole::tell(seed, faults, 150, None).breach.is_some();
    let told = || bare() || sale(Fault::MINORITY) || sale(Fault::ALL);
    // A bug may also trip what the code asserts of itself.
    catch_unwind(AssertUnwindSafe(told)).unwrap_or(true)
}

/// In which story a bug was found, if in any: one in which nothing is wrong without it.
fn found(name: &str, set: impl Fn(bool)) -> Option<u64> {
    let found = (0..STORIES_MAX).find(|&seed| {
        set(true);
        let is_found = is_wrong(seed);
        set(false);
        is_found && !is_wrong(seed)
    });
    match found {
        Some(seed) => println!("{name}: found in story {}", seed + 1),
        None => println!("{name}: not found"),
    }
    found
}

#[test]
fn without_a_bug_nothing_is_found() {
    let found = (0..10).find(|&seed| is_wrong(seed));
    assert_eq!(found, None);
}

#[test]
fn bugs_in_the_shared_store_are_caught() {
    use store::Bug;
    let missed = [Bug::CountsUnheard, Bug::NoJump, Bug::NewStamps].into_iter().filter(|&bug| {
        found(&format!("{bug:?}"), |is_on| store::set(is_on.then_some(bug))).is_none()
    });
    let missed: Vec<_> = missed.collect();
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
