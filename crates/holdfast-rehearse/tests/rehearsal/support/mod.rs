//! A tiny shop that keeps the contract, or breaks it in one chosen way.

mod book;
mod till;
mod ways;

use std::collections::HashMap;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use book::{Book, Refusal};
use holdfast_rehearse::{Arrivals, Options, Payments, Report, run};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;
pub(crate) use ways::Ways;

pub(crate) const MERCHANT_KEY: &str = "the merchant's key";
pub(crate) const BUYER_SECRET: &[u8] = b"the secret that buyers' tokens are signed with";

pub(crate) const BUYERS: u32 = 300;
pub(crate) const CAPACITY: u32 = 60;

/// A small rehearsal against this shop, in which nobody pays.
pub(crate) fn options(server: &Server) -> Options {
    Options {
        arrivals: Arrivals::uniform(BUYERS, Duration::from_millis(300)),
        capacity: CAPACITY,
        patience: Duration::from_secs(2),
        payments: Payments::NONE,
        ..Options::new(server.address.into(), MERCHANT_KEY)
    }
}

pub(crate) fn rehearse(ways: Ways) -> Report {
    let server = Server::start(ways);
    run(&options(&server), |_| {}).unwrap()
}

/// The promises found broken, each once.
pub(crate) fn broken(report: &Report) -> Vec<u8> {
    let mut promises: Vec<_> = report.verdict.broken.iter().map(|broken| broken.promise).collect();
    promises.dedup();
    promises
}

/// A running shop; it stops when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    closed: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Shop {
    ways: Ways,
    /// Whether buyers bring tokens of their own.
    tokens: bool,
    book: Arc<Mutex<Book>>,
    /// Of the sale beside, in which money comes late.
    late_book: Arc<Mutex<Book>>,
    /// How often it was asked to close a sale, and how often it did.
    asked_to_close: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn start(ways: Ways) -> Self {
        Self::with(Shop::new(ways, false))
    }

    pub(crate) fn for_buyers_with_tokens(ways: Ways) -> Self {
        Self::with(Shop::new(ways, true))
    }

    /// How often a sale was closed here.
    pub(crate) fn closed(&self) -> usize {
        self.closed.load(Ordering::Relaxed)
    }

    fn with(shop: Shop) -> Self {
        let (ready, address) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let closed = Arc::clone(&shop.closed);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
                let listener = socket.listen(4_096).unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                let serve = axum::serve(listener, router(shop)).into_future();
                tokio::select! { _ = serve => {}, _ = stopped => {} }
            });
        });
        let address = address.recv().unwrap();
        Self { address, closed, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn router(shop: Shop) -> Router {
    Router::new()
        .route("/v1/sales/{sale}", put(create).get(view))
        .route("/v1/sales/{sale}/open", post(step))
        .route("/v1/sales/{sale}/close", post(close))
        .route("/v1/sales/{sale}/holds", post(reserve))
        .route("/v1/sales/{sale}/me", get(me))
        .route("/v1/sales/{sale}/audit", get(audit))
        .route("/v1/holds/{hold}", get(hold).delete(give_back))
        .route("/v1/holds/{hold}/checkout", post(till::checkout))
        .route("/v1/sales/{sale}/orders", get(till::orders))
        .with_state(shop)
}

impl Shop {
    fn new(ways: Ways, tokens: bool) -> Self {
        let (asked_to_close, closed) = (Arc::default(), Arc::default());
        let (book, late_book) = (Arc::default(), Arc::default());
        Self { ways, tokens, book, late_book, asked_to_close, closed }
    }

    /// The book of this sale, or that in which this hold is.
    fn book(&self, name: &str) -> MutexGuard<'_, Book> {
        let book = if name.contains("late") { &self.late_book } else { &self.book };
        book.lock().unwrap()
    }

    /// Who asks: the token's subject, or whom the merchant names.
    fn buyer(&self, headers: &HeaderMap, named: Option<&str>) -> Option<String> {
        let bearer = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
        if !self.tokens {
            return named.filter(|_| bearer == MERCHANT_KEY).map(str::to_owned);
        }
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_audience(&["holdfast"]);
        let key = DecodingKey::from_secret(BUYER_SECRET);
        let claims = jsonwebtoken::decode::<Value>(bearer, &key, &rules).ok()?.claims;
        claims["sub"].as_str().filter(|_| named.is_none()).map(str::to_owned)
    }
}

fn problem(status: u16, code: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(json!({ "code": code }))).into_response()
}

fn merchant(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value == &format!("Bearer {MERCHANT_KEY}"))
}

async fn create(
    State(shop): State<Shop>,
    Path(sale): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !merchant(&headers) {
        return problem(401, "unauthorised");
    }
    shop.book(&sale).create(shop.ways, &sale, &body);
    StatusCode::CREATED.into_response()
}

async fn step(headers: HeaderMap) -> Response {
    if merchant(&headers) { StatusCode::OK.into_response() } else { problem(401, "unauthorised") }
}

async fn close(State(shop): State<Shop>, headers: HeaderMap) -> Response {
    let before = shop.asked_to_close.fetch_add(1, Ordering::Relaxed);
    let later = |seconds| ([("retry-after", seconds)], problem(429, "rate_limited"));
    match shop.ways {
        Ways::ClosesTheSecondTime if before == 0 => later("0").into_response(),
        Ways::NeverCloses => later("60").into_response(),
        _ => {
            shop.closed.fetch_add(1, Ordering::Relaxed);
            step(headers).await
        }
    }
}

async fn reserve(
    State(shop): State<Shop>,
    Path(sale): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let Some(buyer) = shop.buyer(&headers, body["buyer"].as_str()) else {
        return problem(401, "unauthorised");
    };
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap());
    let answer = shop.book(&sale).reserve(shop.ways, &buyer, key);
    match answer {
        Ok((true, hold)) => (StatusCode::CREATED, Json(hold)).into_response(),
        Ok((false, hold)) => Json(hold).into_response(),
        Err(Refusal::Problem(status, code)) => problem(status, code),
        Err(Refusal::ComeBack) => {
            ([("retry-after", "0")], problem(503, "overloaded")).into_response()
        }
        Err(Refusal::Silence) => pending().await,
    }
}

async fn me(
    State(shop): State<Shop>,
    Path(sale): Path<String>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    match shop.buyer(&headers, query.get("buyer").map(String::as_str)) {
        Some(buyer) => Json(shop.book(&sale).me(shop.ways, &buyer)).into_response(),
        None => problem(401, "unauthorised"),
    }
}

async fn hold(State(shop): State<Shop>, Path(id): Path<String>) -> Response {
    match shop.book(&id).hold(shop.ways, &id) {
        Some(hold) => Json(hold).into_response(),
        None => problem(404, "hold_not_found"),
    }
}

async fn give_back(State(shop): State<Shop>, Path(id): Path<String>) -> Response {
    match shop.book(&id).give_back(shop.ways, &id) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err((status, code)) => problem(status, code),
    }
}

async fn view(State(shop): State<Shop>, Path(sale): Path<String>) -> Response {
    Json(shop.book(&sale).view(shop.ways)).into_response()
}

async fn audit(State(shop): State<Shop>, Path(sale): Path<String>, headers: HeaderMap) -> Response {
    if !merchant(&headers) {
        return problem(401, "unauthorised");
    }
    let mut book = shop.book(&sale);
    let mut held = book.held();
    if shop.ways == Ways::AuditsOneHoldTooFew {
        held -= 1;
    }
    let differences = match shop.ways {
        Ways::FailsItsAudit => json!([{ "promise": 2, "what": "a hold ended twice" }]),
        _ => json!([]),
    };
    let ok = differences == json!([]);
    let (holds, money) = (json!({ "held": held }), book.money(shop.ways));
    let audit = json!({ "ok": ok, "differences": differences, "holds": holds, "money": money });
    Json(audit).into_response()
}
