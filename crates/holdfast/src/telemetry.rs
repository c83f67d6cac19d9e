//! What the operator reads: logs on standard error, `RUST_LOG` chooses how much.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging; `info` unless `RUST_LOG` says otherwise.
pub(crate) fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

/// Says why a command failed, with every cause on one line.
#[expect(clippy::print_stderr, reason = "the reason for the exit code belongs on standard error")]
pub(crate) fn fail(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
