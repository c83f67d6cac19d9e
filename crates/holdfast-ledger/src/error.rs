//! What can go wrong with a ledger.

use holdfast_core::TierId;

use crate::OrderId;

/// What a ledger returns.
pub type Result<T> = std::result::Result<T, LedgerError>;

/// Why the ledger did not do what it was asked. A refusal by its rules is an answer, not an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Another reign over the sale has begun: whoever asked may write no more.
    #[error("epoch {reigning} reigns")]
    Fenced {
        /// The reign that the ledger knows.
        reigning: u32,
    },
    /// Nobody has reigned over such a sale.
    #[error("the ledger knows no such sale")]
    NoSale,
    /// The sale has no such tier: its capacity has to be set first. Nothing of the batch was
    /// recorded.
    #[error("the ledger knows no tier {0} of the sale")]
    NoTier(TierId),
    /// Another hold has an order under this id. Nothing of the batch was recorded.
    #[error("order {0} is another hold's")]
    IdTaken(OrderId),
    /// Its hold has an order under another id: it is another's hold, or another's ledger. Nothing of
    /// the batch was recorded.
    #[error("the hold of order {0} has an order under another id: is it the right ledger?")]
    NotOurs(OrderId),
    /// No ledger takes this, and why. Nothing was changed, and a repeat says the same.
    #[error("{0}")]
    Invalid(String),
    /// The database cannot be reached, or has no time, or no room. Nothing was changed.
    #[error("the ledger does not answer: {0}")]
    Unavailable(String),
    /// The transaction may or may not have been committed: ask again.
    #[error("what came of it is not known: {0}")]
    Unknown(String),
    /// The database holds, or refuses, what no version of this program does.
    #[error("the ledger is damaged, or not ours: {0}")]
    Broken(String),
}
