//! What can go wrong with a ledger.

/// What a ledger returns.
pub type Result<T> = std::result::Result<T, LedgerError>;

/// Why the ledger did not do what it was asked. A refusal by its rules is an answer, not an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Another reign over the sale has begun: whoever asked may write no more.
    #[error("epoch {reigning} reigns over the sale")]
    Fenced {
        /// The reign that the ledger knows.
        reigning: u32,
    },
    /// Nobody has reigned over such a sale.
    #[error("the ledger knows no such sale")]
    NoSale,
    /// The database cannot be reached, or has no time. Nothing was changed.
    #[error("the ledger does not answer: {0}")]
    Unavailable(String),
    /// The transaction may or may not have been committed: ask again.
    #[error("what came of it is not known: {0}")]
    Unknown(String),
    /// The database holds, or refuses, what no version of this program does.
    #[error("the ledger is damaged, or not ours: {0}")]
    Broken(String),
}
