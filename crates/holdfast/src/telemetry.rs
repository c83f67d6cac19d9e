//! What the operator reads: logs on standard error, `RUST_LOG` chooses how much.

use std::io::IsTerminal;

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
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !no_color)
        .init();
}

/// Says why a command failed, with every cause on one line.
#[expect(clippy::print_stderr, reason = "the reason for the exit code belongs on standard error")]
pub(crate) fn fail(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
