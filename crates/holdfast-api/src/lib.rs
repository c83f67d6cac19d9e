//! What goes over the wire: requests, answers, and problems with their codes.
//!
//! Plain data with serde; whoever serves or calls the HTTP API shares these types, so a name in
//! the contract is spelled once. Invariants, stated as absences: nothing here knows a web
//! framework, and nothing here decides anything about a sale.

mod audit;
mod code;
mod field;
mod hold;
mod json;
mod order;
mod page;
mod payment;
mod problem;
mod sale;
pub mod schema;
mod time;

pub use audit::{Audit, Difference, HoldCount, MoneyCount};
pub use code::Code;
pub use hold::{Hold, IfHeld, Me, PostHold};
pub use json::{JsonError, Object, from_json};
pub use order::{Forgotten, Order, OrderStatus, PostRefund, Webhook};
pub use page::Page;
pub use payment::{Checkout, Payment, PaymentStatus, PostCheckout, Simulate};
pub use problem::Problem;
pub use sale::{Metadata, PatchTier, PutPrice, PutSale, PutTier, Sale, Tier};
pub use time::Time;
