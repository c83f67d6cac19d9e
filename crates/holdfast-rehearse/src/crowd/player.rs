//! A thread that plays buyers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::{Semaphore, mpsc};

use super::Buy;
use super::buyer::Visit;
use crate::Stop;
use crate::shop::Shop;

/// A buyer whose moment has come.
pub(super) struct Call {
    pub(super) buyer: u32,
    /// The moment, counted from the start.
    pub(super) due: Duration,
}

/// How hard a player had it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Effort {
    /// Time not idle: at work, or ready to work.
    pub(crate) active: Duration,
    /// The part of it in which every core was busy with something else.
    pub(crate) starved: Duration,
}

/// Plays the buyers it is called for, each on a connection of their own.
pub(super) struct Player {
    pub(super) shop: Arc<Shop>,
    pub(super) calls: mpsc::Receiver<Call>,
    /// Connections this player may have open.
    pub(super) connections: usize,
    pub(super) start: Instant,
    pub(super) patience: Duration,
    pub(super) stop: Stop,
    /// Buyers of all players who have begun.
    pub(super) started: Arc<AtomicU32>,
    pub(super) results: Sender<Buy>,
}

impl Player {
    /// Plays until there are no more calls and every buyer is done, or until all are to stop.
    pub(super) fn play(self) -> io::Result<Effort> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let stop = self.stop.clone();
        runtime.block_on(async {
            tokio::select! { () = stop.given() => {}, () = self.serve() => {} }
        });
        let active = runtime.metrics().worker_total_busy_duration(0);
        Ok(Effort { active, starved: starved().unwrap_or_default().min(active) })
    }

    async fn serve(mut self) {
        let free = Arc::new(Semaphore::new(self.connections));
        while let Some(call) = self.calls.recv().await {
            let waited = free.available_permits() == 0;
            let Ok(connection) = Arc::clone(&free).acquire_owned().await else { return };
            self.started.fetch_add(1, Ordering::Relaxed);
            let visit = Visit {
                buyer: call.buyer,
                start: self.start,
                due: call.due,
                patience: self.patience,
                waited,
            };
            let (shop, results) = (Arc::clone(&self.shop), self.results.clone());
            tokio::spawn(async move {
                let buy = visit.buy(&shop).await;
                drop(connection);
                // Nobody to tell means that the rehearsal has been given up.
                let _ = results.send(buy);
            });
        }
        let all = u32::try_from(self.connections).unwrap_or(u32::MAX);
        let _ = free.acquire_many(all).await;
    }
}

/// How long this thread has been ready to run but was not, as Linux counts it.
fn starved() -> Option<Duration> {
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(counts.split_whitespace().nth(1)?.parse().ok()?))
}
