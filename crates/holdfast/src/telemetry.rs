//! What the operator reads: logs on standard error, `RUST_LOG` chooses how much. Where nobody reads
//! them any more they are lost, and nothing else is.

use std::io::{self, IsTerminal, Write, stderr};

use tracing_subscriber::EnvFilter;

/// What databases notice is for who looks for it.
const DEFAULT: &str = "info,sqlx=warn";

/// Starts logging; [`DEFAULT`] unless `RUST_LOG` says otherwise. In colour on a terminal, unless
/// `NO_COLOR` is set (no-color.org).
pub(crate) fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Lossy)
        .with_ansi(stderr().is_terminal() && !no_color)
        .init();
}

/// Says why a command failed, with every cause on one line.
pub(crate) fn fail(error: &anyhow::Error) {
    note(&format!("error: {error:#}"));
}

/// Says something on standard error, whatever is logged.
pub(crate) fn note(words: &str) {
    let _ = writeln!(Lossy, "{words}");
}

/// Standard error, which never fails. (A log that cannot be written is complained of on standard error
/// otherwise, and that panics: the thread that logs dies because `head` has gone.)
struct Lossy;

impl Write for Lossy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
