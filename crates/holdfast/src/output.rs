//! Standard output. A reader that has gone away, such as `head -1`, is no failure: what a command
//! found is in its exit code as well, and a server goes on serving.

use std::io::{ErrorKind, Write};

use anyhow::Context;

/// Writes lines to standard output.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write to standard output"),
    }
}
