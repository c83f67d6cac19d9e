//! One file per resource.

pub(crate) mod audit;
pub(crate) mod health;
pub(crate) mod holds;
pub(crate) mod sales;

use axum::Json;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use holdfast_api::Problem;
use holdfast_core::SaleId;
use http::{StatusCode, Uri, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::problem::{PRIVATE, Refused, sale_not_found};

/// What a route answers.
pub(crate) type Answer = Result<Response, Refused>;

/// An answer for this caller alone.
fn private<T: Serialize>(status: StatusCode, body: &T) -> Response {
    (status, [(header::CACHE_CONTROL, PRIVATE)], Json(body)).into_response()
}

/// A sale's id as it stands in the address: what cannot be one is no sale's.
fn sale_id(text: &str) -> Result<SaleId, Problem> {
    SaleId::new(text).map_err(|_| sale_not_found())
}

/// What the address asks for after its `?`.
fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let Query(query) =
        Query::try_from_uri(uri).map_err(|error| Problem::invalid("query", error.body_text()))?;
    Ok(query)
}

/// Which part of a list is asked for.
#[derive(Deserialize)]
pub(crate) struct Cursor {
    /// `next` of the page before.
    after: Option<String>,
    /// Rows on the page; 1 to 1,000.
    limit: Option<usize>,
}

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

impl Cursor {
    fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit @ 1..=LIMIT_MAX => Ok(limit),
            _ => Err(Problem::invalid("limit", "must be 1 to 1000")),
        }
    }
}
