//! One file per resource.

pub(crate) mod audit;
pub(crate) mod buyers;
pub(crate) mod checkout;
pub(crate) mod description;
pub(crate) mod health;
pub(crate) mod holds;
pub(crate) mod orders;
pub(crate) mod sales;
pub(crate) mod webhooks;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;

use crate::problem::{PRIVATE, Refused};

/// What a route answers.
pub(crate) type Answer = Result<Response, Refused>;

/// An answer for this caller alone.
fn private<T: Serialize>(status: StatusCode, body: &T) -> Response {
    (status, [(header::CACHE_CONTROL, PRIVATE)], Json(body)).into_response()
}
