//! What is printed, whether or not anybody still reads it.

use std::fmt;
use std::io::{self, IsTerminal, Write};

/// Prints a line. Whoever has read enough (`| head -1`) has closed the pipe: that is no failure,
/// and what the series comes to still shows in the exit code.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints a line, given as a text.
pub(crate) fn text(text: &str) {
    line(format_args!("{text}"));
}

/// Says how far it has come, over what it said before: to people, never into a file.
pub(crate) fn progress(text: fmt::Arguments<'_>) {
    let mut err = io::stderr().lock();
    if err.is_terminal() {
        let _ = write!(err, "\r{text}");
    }
}
