//! A panic ends the command at once, and names the seed of the run it happened in.

use holdfast_sim::run::current_seed;

use crate::{say, stories};

/// The exit code of a program that panicked.
const PANICKED: i32 = 101;

/// From here a panic in any thread ends the process. A hook does this, not the unwinding: other
/// threads would wait for ever for the one that is gone, and a build may abort instead of unwind.
pub(crate) fn end_the_process() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        if let Some(seed) = current_seed() {
            say::line(format_args!("PANICKED    in the run of seed {seed}"));
            say::line(format_args!("replay      holdfast-sim replay --seed {seed}"));
        }
        if let Some(replay) = stories::replay() {
            say::line(format_args!("PANICKED    in a story"));
            say::line(format_args!("replay      {replay}"));
        }
        std::process::exit(PANICKED);
    }));
}
