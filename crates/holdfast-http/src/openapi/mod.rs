//! The description of the interface, in version 3.1 of the standard form.
//!
//! It is made from the router's own list: a route is described or it is not there. Schemas come
//! from the types that are read and written, problems from the register of codes.

mod answer;
mod document;
mod example;
mod operation;
mod parameter;

pub(crate) use answer::Answer;
pub(crate) use document::document;
pub(crate) use example::{capacity, checkout, checkout_for, hold, hold_for, refund, sale, webhook};
pub(crate) use operation::{Operation, Route, delete, get, patch, post, put};
pub(crate) use parameter::{
    AFTER_HOLD, AFTER_ORDER, AFTER_SALE, BUYER, IDEMPOTENCY_KEY, LIMIT, SIGNATURE,
};
