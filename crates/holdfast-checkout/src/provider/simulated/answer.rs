//! What the bank says: as it is remembered under an idempotency key, and as it is sent.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::provider::Payment;

/// Says that an answer is the one that this key had before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// An answer, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    /// What was asked is so now.
    pub(super) fn done(status: StatusCode, payment: &Payment) -> Self {
        Self { status: status.as_u16(), body: json!(payment) }
    }

    /// No, and why.
    pub(super) fn refused(status: StatusCode, code: &str, message: &str) -> Self {
        let body = json!({ "error": code, "message": message });
        Self { status: status.as_u16(), body }
    }

    /// No, for the payment is as it is.
    pub(super) fn wrong_state(payment: &Payment, message: &str) -> Self {
        let status = StatusCode::CONFLICT.as_u16();
        let body = json!({ "error": "wrong_state", "message": message, "payment": payment });
        Self { status, body }
    }

    /// The bank fails, as was drawn.
    pub(super) fn failure() -> Self {
        let message = "the provider fails, as it was told to";
        Self::refused(StatusCode::INTERNAL_SERVER_ERROR, "failure", message)
    }

    /// The bank can no longer write down what it does.
    pub(super) fn broken() -> Self {
        let message = "the provider could not write to its file: mend that, and start it again";
        Self::refused(StatusCode::SERVICE_UNAVAILABLE, "broken", message)
    }

    /// Too often.
    pub(super) fn busy() -> Self {
        let message = "this is asked too often: wait as long as Retry-After says";
        Self::refused(StatusCode::TOO_MANY_REQUESTS, "busy", message)
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// As it is sent.
    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body.to_string()));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Marks a response that is not to be sent: the connection breaks instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct BreakOff;
