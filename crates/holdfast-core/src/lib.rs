//! The rules of a sale.
//!
//! A [`Sale`] is the whole state of one sale. [`Sale::apply`] takes one stamped [`Command`] and
//! gives its [`Outcome`]: synchronous, total and deterministic. The same commands under the same
//! stamps make the same sale on every machine, so whoever has the log has the sale.
//!
//! Invariants, stated as absences: nothing here does I/O, reads a clock, draws a random number,
//! starts a thread or depends on the order of a hash table. "Sold out" is an outcome, not an error.

#[macro_use]
pub mod planted;

mod anchor;
mod arena;
mod audit;
mod buyers;
mod checkout;
mod claim;
mod codec;
mod command;
mod config;
mod doubt;
mod forget;
mod holds;
mod id;
mod index;
mod limits;
mod merchant;
mod money;
mod order_id;
mod outcome;
mod payments;
mod receipt;
mod recovered;
mod reserve;
mod restore;
mod sale;
mod slab;
mod snapshot;
mod tick;
mod tier;
mod view;
mod warm;

pub use audit::Difference;
pub use codec::CodecError;
pub use command::{Checkout, Command, Reserve, Restore, Stamp};
pub use config::{Admission, SaleConfig, Terms, TierConfig};
pub use holds::{HoldIndex, HoldKey, HoldStatus};
pub use id::{BuyerId, InvalidId, KeyDigest, SaleId, TierId};
pub use limits::*;
pub use money::{Currency, Money};
pub use order_id::{OrderName, SignedOrderName};
pub use outcome::{Invalid, Limit, Outcome, Refusal, Ticked};
pub use payments::PaymentStatus;
pub use receipt::{Receipt, ReceiptKey, SignedReceipt};
pub use sale::{Sale, Status};
pub use view::{Availability, HoldView, PaymentView, SaleView, TierView};
