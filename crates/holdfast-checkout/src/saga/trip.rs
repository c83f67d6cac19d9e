//! What is remembered on the way, and may be forgotten.

use std::time::Duration;

use holdfast_engine::EngineError;
use holdfast_ledger::LedgerError;

use crate::budget::Slot;
use crate::provider::ProviderError;

/// The first rest before another try, and the longest.
const REST: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What comes after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another step, at once.
    On,
    /// The same again in a while.
    Wait,
    /// Nothing is to be done any more.
    Done,
}

/// Why a step did not come about.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The engine has stopped.
    Stopped,
    /// Asked too often: again after this.
    Busy(Duration),
    /// The engine could not: again in a while.
    Engine(EngineError),
    /// The ledger could not: again in a while, unless another reign has begun.
    Ledger(LedgerError),
    /// The provider could not, or said what makes no sense: again in a while.
    Provider(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stopped => f.write_str("the engine has stopped"),
            Self::Busy(_) => f.write_str("the provider is asked too often"),
            Self::Engine(error) => error.fmt(f),
            Self::Ledger(error) => error.fmt(f),
            Self::Provider(why) => f.write_str(why),
        }
    }
}

/// What one life remembers of a case. Nothing rests on it.
#[derive(Debug, Default)]
pub(super) struct Trip {
    /// How often a step was answered and has not come about: it changes the idempotency key.
    pub(super) calls: u32,
    /// An answer was lost: look before anything else.
    pub(super) must_look: bool,
    /// A place in the provider's budget. It goes back if it is not needed after all.
    pub(super) slot: Option<Slot>,
    tries: u32,
}

impl Trip {
    /// A step has come about: the next one begins afresh.
    pub(super) fn progress(&mut self) -> Next {
        (self.calls, self.must_look, self.tries) = (0, false, 0);
        Next::On
    }

    /// A step was answered and has not come about.
    pub(super) fn again(&mut self) -> Next {
        self.calls += 1;
        Next::Wait
    }

    /// How long to rest: twice as long each time.
    pub(super) fn rest(&mut self) -> Duration {
        let rest = REST.0.saturating_mul(1 << self.tries.min(16)).min(REST.1);
        self.tries += 1;
        rest
    }

    /// A call failed. The next one goes under another key, for the provider may keep the failure
    /// under this one; and before money is asked for anew, it is looked for.
    pub(super) fn failed(&mut self, error: ProviderError) -> Trouble {
        if !matches!(error, ProviderError::Busy { .. }) {
            self.calls += 1;
            self.must_look = true;
        }
        error.into()
    }
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Stopped => Self::Stopped,
            other => Self::Engine(other),
        }
    }
}

impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<ProviderError> for Trouble {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Busy { retry_after } => Self::Busy(retry_after),
            other => Self::Provider(other.to_string()),
        }
    }
}
