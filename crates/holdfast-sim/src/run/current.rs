//! Which run a thread is playing, for whoever must say so when it ends badly.

use std::cell::Cell;

thread_local! {
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The seed of the run that this thread is playing, if it is playing one.
pub fn current_seed() -> Option<u64> {
    SEED.get()
}

/// Plays something as the run of a seed. A panic leaves the seed in place: it is the one to tell.
pub fn play_as<T>(seed: u64, play: impl FnOnce() -> T) -> T {
    SEED.set(Some(seed));
    let played = play();
    SEED.set(None);
    played
}
