//! Ctrl-C and SIGTERM: servers are stopped and folders removed before this program ends.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};

static IS_TOLD: AtomicBool = AtomicBool::new(false);

/// From here on a signal is only noted, for [`check`] to find.
///
/// # Errors
/// When the system takes no handler, or has no thread to give.
pub fn note() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = {
        let _guard = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let wait = move || {
        runtime.block_on(async {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            IS_TOLD.store(true, Ordering::Relaxed);
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).context("start a thread")?;
    Ok(())
}

/// Fails once a signal has come.
///
/// # Errors
/// Then.
pub fn check() -> anyhow::Result<()> {
    if IS_TOLD.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    Ok(())
}
