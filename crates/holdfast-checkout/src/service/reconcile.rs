//! What nobody carries is found, at start and while running, and carried.

use std::time::Duration;

use holdfast_store::Outage;
use tokio::time::Instant;

use super::Checkout;
use crate::error::CheckoutError;
use crate::saga::{Case, Way};
use crate::world::World;

/// How soon it tries again when it could not look.
const AGAIN: Duration = Duration::from_secs(1);

/// How often it looks for what has come from other nodes.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What has been looked at, and when.
#[derive(Default)]
struct Watch {
    /// When everything was looked at last; `None`: it is time.
    all_at: Option<Instant>,
    /// Whether it was since this node has started and the last of the others has gone.
    is_after_crash_done: bool,
}

impl<W: World + 'static> Checkout<W> {
    /// For ever.
    pub(super) async fn mind(&self, every: Duration) {
        let (begun, mut outage) = (Instant::now(), Outage::default());
        let mut watch = Watch::default();
        loop {
            let looked = self.look_around(&mut watch, every).await;
            if looked.is_ok()
                && let Some(after) = outage.ends(begun.elapsed())
            {
                tracing::info!(?after, "what is left to do can be looked up again");
            }
            let rest = looked.unwrap_or_else(|error| {
                if let Some(unsaid) = outage.is_on(&error.to_string(), begun.elapsed()) {
                    tracing::warn!(%error, unsaid, "what is left to do cannot be looked up");
                }
                AGAIN
            });
            tokio::time::sleep(rest).await;
        }
    }

    fn carry_all(&self, cases: Vec<(Case, Way)>) {
        for (case, way) in cases {
            if !self.cases.is_in(case, way) {
                self.carry(case, way);
            }
        }
    }

    /// Carries what is left to this node. Returns when to look again.
    async fn look_around(
        &self,
        watch: &mut Watch,
        every: Duration,
    ) -> Result<Duration, CheckoutError> {
        let left = self.saga.open().await?;
        if left.has_anyone_gone {
            *watch = Watch::default();
        }
        self.carry_all(left.cases);
        if watch.all_at.is_none_or(|at| at.elapsed() >= every) {
            self.carry_all(self.saga.returns(!watch.is_after_crash_done).await?);
            *watch = Watch { all_at: Some(Instant::now()), is_after_crash_done: true };
        }
        Ok(if left.is_shared { LOOK_EVERY.min(every) } else { every })
    }
}
