//! The description of the interface.

use axum::response::IntoResponse;
use http::header;

use crate::router::document;

/// How long a cache may keep it: it changes with the server's version alone.
pub(crate) const KEPT: &str = "public, max-age=60";

/// `OpenAPI` 3.1, made once.
pub(crate) async fn show() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, KEPT)];
    (headers, document())
}
