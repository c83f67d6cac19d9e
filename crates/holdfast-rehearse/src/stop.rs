//! Tells a rehearsal to stop.

use tokio::sync::watch;

/// Tells a rehearsal to stop before its time: the buyers go home, its sale is closed, and its
/// report, marked as cut short, says what was so far. Clones are one and the same signal.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// A signal that has not been given.
    #[expect(clippy::new_without_default, reason = "a signal is made, it has no default state")]
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Gives the signal.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_given(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is given.
    pub(crate) async fn given(&self) {
        // It cannot fail: this is the sender.
        let _ = self.0.subscribe().wait_for(|&given| given).await;
    }
}
