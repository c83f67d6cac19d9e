//! How far an experiment is, for whoever waits for it: on standard error, with the seconds since the
//! first word.

use std::fmt::Display;
use std::io::IsTerminal;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How often something that takes long is talked about.
const EVERY: Duration = Duration::from_secs(5);

/// Says how far it is.
pub(crate) fn say(words: impl Display) {
    eprintln!("{:6.1} s  {words}", BEGUN.elapsed().as_secs_f64());
}

/// Talk about something that goes on for a while and draws itself on a terminal.
pub(crate) struct Talk {
    last: Instant,
    is_drawn: bool,
}

impl Talk {
    pub(crate) fn new() -> Self {
        Self { last: Instant::now(), is_drawn: std::io::stderr().is_terminal() }
    }

    /// Says this now and then, unless it is drawn.
    pub(crate) fn say(&mut self, words: impl FnOnce() -> String) {
        if !self.is_drawn && self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            say(words());
        }
    }
}
