//! What a request's address says: its path, and what comes after the `?`.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use holdfast_api::{Code, Problem};
use holdfast_core::SaleId;
use http::Uri;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::problem::{Refused, sale_not_found};

/// The variable parts of a path. A path that is no text leads nowhere.
pub(crate) struct Path<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        let axum::extract::Path(path) = path.map_err(|_| Problem::new(Code::NotFound))?;
        Ok(Self(path))
    }
}

/// A sale's id as it stands in the path: what cannot be one is no sale's.
pub(crate) fn sale_id(text: &str) -> Result<SaleId, Problem> {
    SaleId::new(text).map_err(|_| sale_not_found())
}

/// The value of a parameter after the `?`, if it is there.
pub(crate) fn parameter(uri: &Uri, name: &'static str) -> Result<Option<String>, Problem> {
    let pairs = uri.query().unwrap_or_default().split('&');
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut values = pairs.filter(|(key, _)| percent_decode_str(key).eq(name.bytes()));
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some((_, value)), None) => text(value)
            .map(Some)
            .ok_or_else(|| Problem::invalid(name, "must be UTF-8, percent-encoded")),
        (Some(_), Some(_)) => Err(Problem::invalid(name, "must not be there twice")),
    }
}

/// A value as forms write it. What is no text is refused instead of guessed at.
fn text(value: &str) -> Option<String> {
    let spaced = value.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned)
}

/// Which part of a list is asked for.
pub(crate) struct Cursor<T> {
    /// After which row the page begins; from the first if `None`.
    pub(crate) after: Option<T>,
    /// Rows on the page; 1 to 1,000.
    pub(crate) limit: usize,
}

/// Rows on a page, unless something else is asked for.
pub(crate) const LIMIT_DEFAULT: usize = 100;

/// Rows on a page, at most.
pub(crate) const LIMIT_MAX: usize = 1_000;

impl<T> Cursor<T> {
    /// Reads it, with `row` to read what the page before gave as `next`.
    pub(crate) fn read(uri: &Uri, row: impl FnOnce(&str) -> Option<T>) -> Result<Self, Problem> {
        let limit = match parameter(uri, "limit")?.map(|limit| limit.parse()) {
            None => LIMIT_DEFAULT,
            Some(Ok(limit @ 1..=LIMIT_MAX)) => limit,
            Some(_) => return Err(Problem::invalid("limit", "must be 1 to 1000")),
        };
        let after = parameter(uri, "after")?.map(|after| {
            row(&after).ok_or_else(|| {
                Problem::invalid("after", "must be what the page before gave as next")
            })
        });
        Ok(Self { after: after.transpose()?, limit })
    }
}
