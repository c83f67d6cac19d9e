//! After a loss: what the ledger and the provider know comes right by itself.

use std::time::Duration;

use super::Checkout;
use crate::saga::Way;
use crate::world::World;

/// How soon it tries again when it could not.
const AGAIN: Duration = Duration::from_secs(1);

impl<W: World + 'static> Checkout<W> {
    /// For ever.
    pub(super) async fn mend(&self, every: Duration) {
        loop {
            let rest = match self.saga.mend().await {
                Ok(cases) => {
                    for case in cases {
                        self.carry(case, Way::Back);
                    }
                    every
                }
                Err(error) => {
                    tracing::warn!(%error, "what a sale has lost could not be brought back yet");
                    AGAIN
                }
            };
            tokio::time::sleep(rest).await;
        }
    }
}
