//! Why the checkout could not do what it was asked.

use holdfast_engine::EngineError;
use holdfast_ledger::LedgerError;

use crate::saga::Trouble;

/// Why a request has no answer. Never a refusal: those are answers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CheckoutError {
    /// The engine could not.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The ledger could not.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The provider could not.
    #[error("{0}")]
    Provider(String),
    /// The server is stopping.
    #[error("the checkout has stopped")]
    Stopped,
}

impl From<Trouble> for CheckoutError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Stopped => Self::Stopped,
            Trouble::Busy(_) => Self::Provider("the provider is asked too often".to_owned()),
            Trouble::Engine(error) => Self::Engine(error),
            Trouble::Ledger(error) => Self::Ledger(error),
            Trouble::Provider(why) => Self::Provider(why),
        }
    }
}
