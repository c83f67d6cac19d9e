//! The shop's checkout over HTTP.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Shop, Ways, merchant, problem};

pub(super) async fn checkout(
    State(shop): State<Shop>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let simulate = body["simulate"].as_str();
    match shop.ways {
        Ways::HasNoCheckout => return problem(404, "not_found"),
        Ways::ChargesForReal if simulate.is_some() => {
            let problem = json!({ "code": "invalid_request", "field": "simulate" });
            return (axum::http::StatusCode::UNPROCESSABLE_ENTITY, Json(problem)).into_response();
        }
        Ways::TillIsCrowded if shop.book(&id).is_first_checkout(&id) => {
            return ([("retry-after", "0")], problem(503, "overloaded")).into_response();
        }
        _ => {}
    }
    let hold = shop.book(&id).checkout(&id, simulate.unwrap_or("approve"));
    match hold {
        Some(hold) => Json(json!({ "payment": hold["payment"], "hold": hold })).into_response(),
        None => problem(404, "hold_not_found"),
    }
}

/// Two orders on a page.
pub(super) async fn orders(
    State(shop): State<Shop>,
    Path(sale): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if !merchant(&headers) {
        return problem(401, "unauthorised");
    }
    let after = query.get("after").map_or(0, |after| after.parse::<usize>().unwrap());
    let orders = shop.book(&sale).list(shop.ways);
    let items: Vec<_> = orders.iter().skip(after).take(2).collect();
    let end = after + items.len();
    let next = (end < orders.len()).then(|| end.to_string());
    Json(json!({ "items": items, "next": next })).into_response()
}
