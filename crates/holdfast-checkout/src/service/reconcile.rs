//! What nobody carries is found, at start and while running, and carried.

use std::time::Duration;

use super::Checkout;
use crate::world::World;

/// How soon it tries again when it could not look.
const AGAIN: Duration = Duration::from_secs(1);

impl<W: World + 'static> Checkout<W> {
    /// For ever.
    pub(super) async fn mind(&self, every: Duration) {
        let mut is_first = true;
        loop {
            let rest = match self.saga.left(is_first).await {
                Ok(cases) => {
                    for (case, way) in cases {
                        self.carry_if_nobody_does(case, way);
                    }
                    is_first = false;
                    every
                }
                Err(error) => {
                    tracing::warn!(%error, "what is left to do could not be looked up");
                    AGAIN
                }
            };
            tokio::time::sleep(rest).await;
        }
    }
}
