//! The row that says which reign is in force.

/// Which reign is in force over a store that several nodes share, and what they keep there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// How often it has been set, from 1.
    pub version: u64,
    /// The reign; no sale can be written for under an earlier one.
    pub epoch: u32,
    /// What the nodes keep there: at most [`DOCUMENT_BYTES_MAX`](crate::DOCUMENT_BYTES_MAX) bytes
    /// that the ledger does not look into.
    pub document: String,
}
