//! What whoever asks has sent, read strictly.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use holdfast_core::{Currency, Money};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answer::Answer;
use crate::provider::{Charge, LIST_MAX, Manner, Reference};

/// Bytes in a body, at most.
const BODY_BYTES_MAX: usize = 64 << 10;

/// How long a body may take to arrive.
const BODY: Duration = Duration::from_secs(10);

/// Bytes in an idempotency key, at most.
const KEY_BYTES_MAX: usize = 255;

/// The longest that a late payment may be pending: a day.
const LATE_MS_MAX: u64 = 86_400_000;

/// The body of `POST /payments`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Authorise {
    reference: Reference,
    amount: u64,
    currency: Currency,
    #[serde(default)]
    manner: Option<Manner>,
    #[serde(default)]
    late_ms: u64,
}

/// The body of the other steps, which are for the full amount always.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Which payments are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Find(Reference),
    List { after: Option<String>, limit: NonZeroU32 },
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret)
}

pub(super) async fn body(body: Body) -> Result<Bytes, Answer> {
    let whole = tokio::time::timeout(BODY, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let whole = whole.map_err(|_| Answer::bad_request("the body does not arrive"))?;
    let whole = whole.map_err(|error| {
        let message =
            format!("the body cannot be read, of at most {BODY_BYTES_MAX} bytes: {error}");
        Answer::bad_request(&message)
    })?;
    Ok(whole.to_bytes())
}

pub(super) fn charge(body: &[u8]) -> Result<Charge, Answer> {
    let Authorise { reference, amount, currency, manner, late_ms } = json(body)?;
    if late_ms > LATE_MS_MAX {
        return Err(Answer::bad_request(&format!("late_ms is at most {LATE_MS_MAX}, a day")));
    }
    Ok(Charge { reference, total: Money { amount, currency }, manner, late_ms })
}

pub(super) fn nothing(body: &[u8]) -> Result<(), Answer> {
    if body.is_empty() {
        return Ok(());
    }
    json(body).map(|Nothing {}| ())
}

pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Answer> {
    serde_json::from_slice(body).map_err(|error| Answer::bad_request(&format!("the body: {error}")))
}

pub(super) fn reference(text: &str) -> Result<Reference, Answer> {
    Reference::new(text).map_err(|error| Answer::bad_request(&error.to_string()))
}

/// The idempotency key, if there is one.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Answer> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let is_good = |key: &&str| (1..=KEY_BYTES_MAX).contains(&key.len());
    let key = key.to_str().ok().filter(is_good).filter(|_| keys.next().is_none());
    let key = key.ok_or_else(|| {
        let message = format!("Idempotency-Key has 1 to {KEY_BYTES_MAX} visible ASCII characters");
        Answer::bad_request(&message)
    })?;
    Ok(Some(key.to_owned()))
}

pub(super) fn look(query: &str) -> Result<Look, Answer> {
    let (mut found, mut after, mut limit) = (None, None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let slot = match name.as_ref() {
            "reference" => &mut found,
            "after" => &mut after,
            "limit" => &mut limit,
            _ => return Err(Answer::bad_request(&format!("{name}: there is no such parameter"))),
        };
        if slot.replace(value.into_owned()).is_some() {
            return Err(Answer::bad_request(&format!("{name} is there twice")));
        }
    }
    match (found, after, limit) {
        (Some(text), None, None) => Ok(Look::Find(reference(&text)?)),
        (Some(_), ..) => Err(Answer::bad_request("reference stands alone")),
        (None, after, limit) => Ok(Look::List { after, limit: self::limit(limit.as_deref())? }),
    }
}

fn limit(text: Option<&str>) -> Result<NonZeroU32, Answer> {
    let limit = text.map_or(Some(LIST_MAX), |text| text.parse().ok());
    let limit = limit.filter(|limit| *limit <= LIST_MAX).and_then(NonZeroU32::new);
    limit.ok_or_else(|| Answer::bad_request(&format!("limit is a number from 1 to {LIST_MAX}")))
}
