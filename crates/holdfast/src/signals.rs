//! SIGTERM and SIGINT.

use std::thread;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// Calls `stop` at the first SIGTERM or SIGINT; a second one ends the process at once.
pub(crate) fn on_stop(stop: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = {
        let _guard = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let wait = move || {
        runtime.block_on(async {
            let mut next = async || {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            };
            next().await;
            stop();
            next().await;
            std::process::exit(1);
        });
    };
    thread::Builder::new().name("signals".into()).spawn(wait).context("start a thread")?;
    Ok(())
}
