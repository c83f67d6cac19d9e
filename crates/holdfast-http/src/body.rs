//! Reading a request's body, within bounds of size and time.

use std::time::Duration;

use axum::body::Body;
use axum::body::HttpBody;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use holdfast_api::{Code, Problem, from_json};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

/// Bytes in a body, at most.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 10;

/// Reads a JSON body of at most 64 KiB that has arrived before the deadline.
pub(crate) async fn read<T: DeserializeOwned>(
    request: Request,
    deadline: Duration,
) -> Result<T, Problem> {
    check_type(request.headers())?;
    Ok(from_json(&bytes(request, deadline).await?)?)
}

/// The same of a body that may be left out.
pub(crate) async fn read_if_any<T: DeserializeOwned + Default>(
    request: Request,
    deadline: Duration,
) -> Result<T, Problem> {
    let is_json = check_type(request.headers());
    let body = bytes(request, deadline).await?;
    if body.is_empty() {
        return Ok(T::default());
    }
    is_json?;
    Ok(from_json(&body)?)
}

/// Reads a body of at most 64 KiB that has arrived before the deadline.
pub(crate) async fn bytes(request: Request, deadline: Duration) -> Result<Bytes, Problem> {
    check_encoding(request.headers())?;
    // Known from the head: nobody need send what is not wanted.
    if request.body().size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(Problem::new(Code::TooLarge));
    }
    let body = tokio::time::timeout(deadline, collect(request.into_body())).await;
    body.unwrap_or_else(|_| Err(Problem::new(Code::RequestTimeout)))
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType).because("Content-Type must be application/json"))
}

/// What is packed would be read as if it were JSON, and called malformed.
fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    if encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType).because("Content-Encoding must be identity"))
}

async fn collect(mut body: Body) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let unreadable =
            |error: axum::Error| Problem::new(Code::Malformed).because(error.to_string());
        let Ok(part) = frame.map_err(unreadable)?.into_data() else { continue };
        if whole.len() + part.len() > BODY_BYTES_MAX {
            return Err(Problem::new(Code::TooLarge));
        }
        // Mostly there is but one part.
        if whole.is_empty() && body.is_end_stream() {
            return Ok(part);
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}
