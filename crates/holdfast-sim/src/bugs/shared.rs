//! Bugs in what several nodes share: seeded stories look for them, and then the scripted schedules.

use std::panic::{AssertUnwindSafe, catch_unwind};

use holdfast_sim::cluster::{Fault, schedules, story, whole};
use holdfast_sim::rng::seed_of;

use super::{Arguments, Bug, Found};
use crate::stories::{SALES_STEPS, STORE_STEPS};

/// Stories of one kind that are told at most: what is not found by then needs moments that a schedule
/// knows better.
const STORIES_MAX: u64 = 40;

/// In which story or schedule a bug was found: one in which nothing is wrong without it.
pub(super) fn look_for(bug: Bug, arguments: &Arguments) -> Option<Found> {
    let stories = STORIES_MAX.min(arguments.runs);
    // A bug may also trip what the code asserts of itself: that ends the story, not the command.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let told = (0..stories).map(|number| {
        let seed = seed_of(arguments.seed, number);
        (number + 1, Box::new(move || tell(bug, seed)) as Box<dyn Fn() -> Option<(String, String)>>)
    });
    let played = (stories + 1..).zip(schedules::ALL).map(|(run, (name, play))| {
        let play = move || Some((format!("schedule: {name}"), play().err()?.to_string()));
        (run, Box::new(play) as Box<_>)
    });
    let found = told.chain(played).find_map(|(run, tell)| {
        bug.plant();
        let wrong = catch_unwind(AssertUnwindSafe(&tell));
        Bug::pull_out();
        let panicked = |_| Some(("an assertion".to_owned(), "the node panicked".to_owned()));
        let (by, seen) = wrong.unwrap_or_else(panicked)?;
        tell().is_none().then_some(Found { run, by, seen })
    });
    std::panic::set_hook(hook);
    found
}

/// What was wrong in a story: by which check, and what was seen. The store's bugs are looked for in logs
/// alone, the engine's in whole sales.
fn tell(bug: Bug, seed: u64) -> Option<(String, String)> {
    match bug {
        Bug::Store(_) => {
            let breach = story::tell(seed, Fault::ALL, STORE_STEPS).err()?;
            Some(("the log".to_owned(), breach))
        }
        _ => {
            let breach = whole::tell(seed, Fault::ALL, SALES_STEPS, None).breach?;
            Some((format!("promise {}", breach.promise), breach.what))
        }
    }
}
