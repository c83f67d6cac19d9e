//! The bare handler: the same listener, the same check of tokens, the same JSON in and out, and no
//! decision in between.

use std::net::IpAddr;
use std::path::Path as File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use axum::extract::{FromRequest, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post, put};
use axum::{Json, Router};
use holdfast_api::{Code, Hold, PostHold, Problem, Time};
use holdfast_core::{Currency, HoldStatus, Money, SaleId};
use holdfast_front::{Body, Front, Options, Stop};
use holdfast_http::BuyerKeys;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use tower::Service;

use crate::buys::GONE;

const HOLD_SECONDS: u64 = 300;
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

#[derive(Clone)]
struct Bare {
    buyers: Arc<BuyerKeys>,
    holds: Arc<AtomicU64>,
    units: u64,
    price: Money,
}

pub(super) fn serve(buyer_key: &File, units: u64) -> anyhow::Result<()> {
    let mut buyers = BuyerKeys::default();
    buyers.add(&std::fs::read_to_string(buyer_key)?)?;
    let currency = Currency::new("EUR").context("EUR is a currency")?;
    let price = Money { amount: 4_500, currency };
    let bare = Bare { buyers: Arc::new(buyers), holds: Arc::default(), units, price };
    let front = Front::bind(([127, 0, 0, 1], 0).into(), Options::default())?;
    super::announce(front.address())?;
    // To make, open and close a sale does nothing: a rehearsal's crowd finds the sale that it asks for.
    let routes = Router::new()
        .route("/v1/sales/{sale}", put(StatusCode::OK))
        .route("/v1/sales/{sale}/{step}", any(StatusCode::OK))
        .route("/v1/sales/{sale}/holds", post(reserve))
        .with_state(bare);
    let site = Site(routes);
    Ok(front.run(&move || site.clone(), &Stop::new())?)
}

#[derive(Clone)]
struct Site(Router);

impl holdfast_front::Site for Site {
    type Body = axum::body::Body;

    async fn answer(&self, _: IpAddr, request: Request<Body>) -> Response {
        match self.0.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    fn busy(&self) -> Response {
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    }

    fn busy_bytes(&self) -> &[u8] {
        b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    }

    fn lane(&self, _: &Uri) -> Option<u64> {
        None
    }
}

async fn reserve(
    State(bare): State<Bare>,
    Path(sale): Path<String>,
    request: axum::extract::Request,
) -> Result<Response, Response> {
    let wrong = |status: StatusCode| status.into_response();
    let token = bearer(request.headers()).ok_or_else(|| wrong(StatusCode::UNAUTHORIZED))?;
    let buyer = bare.buyers.buyer(token).map_err(|_| wrong(StatusCode::UNAUTHORIZED))?;
    let sale = SaleId::new(&sale).map_err(|_| wrong(StatusCode::NOT_FOUND))?;
    let asked = Json::<PostHold>::from_request(request, &()).await;
    let Json(PostHold { tier, quantity, .. }) = asked.map_err(IntoResponse::into_response)?;
    let ends = Time(now_ms() + HOLD_SECONDS * 1_000);
    let is_gone = tier.as_str() == GONE;
    let number = if is_gone { 0 } else { bare.holds.fetch_add(1, Ordering::Relaxed) };
    if is_gone || number >= bare.units {
        let problem = Problem { next_return_at: Some(ends), ..Problem::new(Code::AllHeld) };
        let headers = [(header::CONTENT_TYPE, PROBLEM), (header::CACHE_CONTROL, PRIVATE)];
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        return Ok((StatusCode::CONFLICT, headers, body).into_response());
    }
    let hold = Hold {
        // As long as an id that can be proved.
        id: format!("hold_{number:038}"),
        sale,
        tier,
        quantity,
        buyer,
        status: HoldStatus::Held,
        expires_at: Some(ends),
        remaining_ms: HOLD_SECONDS * 1_000,
        total: bare.price,
        payment: None,
        order: None,
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, PRIVATE)], Json(hold)).into_response())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
