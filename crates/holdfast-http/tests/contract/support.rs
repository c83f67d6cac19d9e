//! A shop: the routes in front of a real engine, and who asks them.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use holdfast_checkout::webhook::{SIGNATURE, sign};
use holdfast_core::{BuyerId, ReceiptKey};
use holdfast_engine::{Engine, HoldCount, Options, Service, audit};
use holdfast_http::{
    App, BuyerKeys, LimitOptions, MerchantKeys, ProviderName, Scrape, registry, router, sign_token,
};
use holdfast_store::journal::{self, Journal};
use holdfast_store::{Epoch, LogId, LogInfo, Records, Stamp, SystemClock, SystemDisk};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::checker::Description;
use crate::till::{PER_SECOND, Till};

pub(crate) const KEY: &str = "a-merchant-key-for-tests";
/// How long a body may take: shorter than any test waits.
pub(crate) const BODY_DEADLINE: Duration = Duration::from_millis(200);
pub(crate) const SECRET: &str = "a secret of more than thirty-two bytes";
/// What the provider's webhooks are signed with.
pub(crate) const WEBHOOK_SECRET: &str = "a-secret-for-webhooks";

pub(crate) struct Shop {
    pub(crate) app: App,
    router: Router,
    service: Option<Service>,
    pub(crate) till: Option<Till>,
    records: Box<dyn Records>,
    _folder: tempfile::TempDir,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self::with_keys(&[KEY], &[SECRET])
    }

    /// One whose provider may be asked once a second.
    pub(crate) fn slow() -> Self {
        let limits = LimitOptions { buyer: None, ..LimitOptions::default() };
        Self::paced(&[KEY], &[SECRET], limits, registry(), 1)
    }

    pub(crate) fn with_keys(merchants: &[&str], buyers: &[&str]) -> Self {
        Self::with(merchants, buyers, LimitOptions { buyer: None, ..LimitOptions::default() })
    }

    pub(crate) fn with(merchants: &[&str], buyers: &[&str], limits: LimitOptions) -> Self {
        Self::scraped(merchants, buyers, limits, registry())
    }

    /// The same, with more to scrape.
    pub(crate) fn scraped(
        merchants: &[&str],
        buyers: &[&str],
        limits: LimitOptions,
        registry: Registry,
    ) -> Self {
        Self::paced(merchants, buyers, limits, registry, PER_SECOND)
    }

    fn paced(
        merchants: &[&str],
        buyers: &[&str],
        limits: LimitOptions,
        registry: Registry,
        per_second: u32,
    ) -> Self {
        let mut keys = BuyerKeys::default();
        buyers.iter().for_each(|key| keys.add(key).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock::new());
        let disk = Arc::new(SystemDisk::open(folder.path()).unwrap());
        let small = journal::Options { segment_bytes: 64 << 10 };
        let journal = Journal::open(disk, clock.clone(), small).unwrap();
        let engine = Engine::open(journal, clock, 1).unwrap();
        let records = engine.records();
        let service = Service::start(engine, Options::default()).unwrap();
        let receipts = receipts();
        let till = Till::start(folder.path(), service.handle(), receipts.clone(), per_second);
        let options = holdfast_http::Options {
            receipts,
            merchants: MerchantKeys::new(merchants).unwrap(),
            buyers: keys,
            limits,
            provider: ProviderName::Simulated,
            webhook_secrets: vec![WEBHOOK_SECRET.into()],
        };
        let app = App::new(service.handle(), till.checkout(), options);
        let app = app.with_body_deadline(BODY_DEADLINE);
        let app = app.with_scrape(Scrape::new(registry, service.handle()));
        let router = router(app.on_this_runtime());
        Self { app, router, service: Some(service), till: Some(till), records, _folder: folder }
    }

    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// Stops the engine under the routes.
    pub(crate) fn stop_engine(&mut self) {
        if let Some(service) = self.service.take() {
            service.stop();
        }
    }

    /// Counts the first sale's holds in the journal, without asking the engine.
    pub(crate) fn holds_on_disk(&self) -> HoldCount {
        let (id, name) = (LogId(1), "club".to_owned());
        let log = LogInfo { id, name, last: Stamp::default(), epoch: Epoch::default(), trimmed: 0 };
        audit(self.records.as_ref(), &log).unwrap().holds
    }

    /// A sale that is open, with `capacity` units in tier `ga` and none in `none`.
    pub(crate) async fn open(capacity: u32, hold_seconds: u32) -> Self {
        let shop = Self::new();
        shop.open_sale(capacity, hold_seconds).await;
        shop
    }

    pub(crate) async fn open_sale(&self, capacity: u32, hold_seconds: u32) {
        let (status, _) =
            self.merchant("PUT", "/v1/sales/club", sale(capacity, hold_seconds)).await;
        assert_eq!(status, StatusCode::CREATED);
        let (status, body) = self.merchant("POST", "/v1/sales/club/open", Value::Null).await;
        assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("open")));
    }

    /// Sends a request. Whatever comes back must be described.
    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        described(&method, &path, self.router().oneshot(request).await.unwrap()).await
    }

    pub(crate) async fn ask(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let bytes = if body.is_null() {
            Body::empty()
        } else {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        };
        let answer = read(self.send(request.body(bytes).unwrap()).await).await;
        if answer.0.is_success() && !body.is_null() {
            let checked = Description::served().check_request(method, path, &body);
            assert_eq!(checked, Ok(()), "{method} {path} takes {body}, which is not described");
        }
        answer
    }

    pub(crate) async fn merchant(
        &self,
        method: &str,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        self.ask(KEY, method, path, body).await
    }

    pub(crate) async fn buyer(
        &self,
        name: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        self.ask(&token(name), method, path, body).await
    }

    /// Stops the checkout under the routes.
    pub(crate) fn stop_till(&mut self) {
        if let Some(till) = self.till.take() {
            till.stop();
        }
    }

    pub(crate) async fn reserve(
        &self,
        name: &str,
        tier: &str,
        quantity: u32,
    ) -> (StatusCode, Value) {
        let body = json!({ "tier": tier, "quantity": quantity });
        self.buyer(name, "POST", "/v1/sales/club/holds", body).await
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.stop_till();
        self.stop_engine();
    }
}

/// The same answer, after a look into the description.
pub(crate) async fn described(
    method: &Method,
    path: &str,
    answer: Response<Body>,
) -> Response<Body> {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let answer = Response::from_parts(head, body);
    if let Err(why) = Description::served().check(method, path, &answer) {
        panic!("{method} {path} answers {answer:?}, which is not described: {why}");
    }
    answer.map(Body::from)
}

pub(crate) async fn read(response: Response<Body>) -> (StatusCode, Value) {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let kind = head.headers.get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    if head.status.is_server_error() {
        assert_ne!(head.headers["retry-after"], "0");
    }
    if head.status.is_client_error() || head.status.is_server_error() {
        assert_eq!(kind.as_deref(), Some("application/problem+json"));
        assert_eq!(head.headers["cache-control"], "private, no-store");
    }
    (head.status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

pub(crate) fn receipts() -> ReceiptKey {
    ReceiptKey::new([7; 32])
}

pub(crate) fn token(buyer: &str) -> String {
    sign_token(SECRET, &BuyerId::new(buyer).unwrap(), Duration::from_secs(60)).unwrap()
}

pub(crate) fn sale(capacity: u32, hold_seconds: u32) -> Value {
    let price = json!({ "amount": 4_500, "currency": "EUR" });
    json!({
        "name": "Club", "hold_seconds": hold_seconds, "max_per_buyer": 4,
        "tiers": [
            { "id": "ga", "name": "General", "capacity": capacity, "price": price },
            { "id": "none", "name": "None", "capacity": 0, "price": price },
        ],
        "metadata": { "venue": "north" },
    })
}

/// A message of the provider, signed at this time.
pub(crate) fn webhook(body: &str, at: u64, secret: &str) -> Request<Body> {
    let signature = sign(secret.as_bytes(), body.as_bytes(), at);
    Request::post("/v1/webhooks/simulated")
        .header("content-type", "application/json")
        .header(SIGNATURE, signature)
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// Seconds since 1970 UTC.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Waits until there is something, ten seconds at most.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    let code = answer.1["code"].as_str().unwrap_or_default();
    assert!(code.is_empty() || answer.1["status"] == json!(answer.0.as_u16()));
    (answer.0.as_u16(), code)
}
