//! After a loss: what the ledger and the provider know comes right by itself.

use std::time::Duration;

use holdfast_store::Outage;
use tokio::time::Instant;

use super::Checkout;
use crate::saga::Way;
use crate::world::World;

/// How soon it tries again when it could not.
const AGAIN: Duration = Duration::from_secs(1);

impl<W: World + 'static> Checkout<W> {
    /// For ever.
    pub(super) async fn mend(&self, every: Duration) {
        let (begun, mut outage) = (Instant::now(), Outage::default());
        loop {
            match self.saga.mend().await {
                Ok(cases) => {
                    let _ = outage.ends(begun.elapsed());
                    for case in cases {
                        self.carry(case, Way::Back);
                    }
                    tokio::select! {
                        () = tokio::time::sleep(every) => {}
                        () = self.saga.is_mending_awaited() => {}
                    }
                }
                Err(error) => {
                    if let Some(unsaid) = outage.is_on(&error.to_string(), begun.elapsed()) {
                        tracing::warn!(%error, unsaid, "what a sale has lost cannot be brought back yet");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}
