//! The contract through the router: a real engine on a real journal, no sockets.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use holdfast_core::{BuyerId, ReceiptKey};
use holdfast_engine::{Engine, Options, Service};
use holdfast_http::{App, BuyerKeys, MerchantKeys, router, sign_token};
use holdfast_store::journal::{self, Journal};
use holdfast_store::{SystemClock, SystemDisk};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

const KEY: &str = "a-merchant-key-for-tests";
const SECRET: &str = "a secret of more than thirty-two bytes";

struct Shop {
    router: Router,
    service: Option<Service>,
    _folder: tempfile::TempDir,
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock::new());
        let disk = Arc::new(SystemDisk::open(folder.path()).unwrap());
        let small = journal::Options { segment_bytes: 64 << 10 };
        let journal = Journal::open(disk, clock.clone(), small).unwrap();
        let service =
            Service::start(Engine::open(journal, clock, 1).unwrap(), Options::default()).unwrap();
        let mut buyers = BuyerKeys::default();
        buyers.add(SECRET).unwrap();
        let options = holdfast_http::Options {
            receipts: ReceiptKey::new([7; 32]),
            merchants: MerchantKeys::new([KEY]),
            buyers,
        };
        let app = App::new(service.handle(), options).on_this_runtime();
        Self { router: router(app), service: Some(service), _folder: folder }
    }

    /// A sale that is open, with `capacity` units in tier `ga` and none in `none`.
    async fn open(capacity: u32, hold_seconds: u32) -> Self {
        let shop = Self::new();
        let (status, _) =
            shop.merchant("PUT", "/v1/sales/club", sale(capacity, hold_seconds)).await;
        assert_eq!(status, StatusCode::CREATED);
        let (status, body) = shop.merchant("POST", "/v1/sales/club/open", Value::Null).await;
        assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("open")));
        shop
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn ask(&self, token: &str, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        };
        read(self.send(request.body(body).unwrap()).await).await
    }

    async fn merchant(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(KEY, method, path, body).await
    }

    async fn buyer(
        &self,
        name: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        self.ask(&token(name), method, path, body).await
    }

    async fn reserve(&self, name: &str, tier: &str, quantity: u32) -> (StatusCode, Value) {
        let body = json!({ "tier": tier, "quantity": quantity });
        self.buyer(name, "POST", "/v1/sales/club/holds", body).await
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.service.take().unwrap().stop();
    }
}

async fn read(response: Response<Body>) -> (StatusCode, Value) {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let kind = head.headers.get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    if head.status.is_client_error() || head.status.is_server_error() {
        assert_eq!(kind.as_deref(), Some("application/problem+json"));
        assert_eq!(head.headers["cache-control"], "private, no-store");
    }
    (head.status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

fn token(buyer: &str) -> String {
    sign_token(SECRET, &BuyerId::new(buyer).unwrap(), Duration::from_secs(60)).unwrap()
}

fn sale(capacity: u32, hold_seconds: u32) -> Value {
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

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    let code = answer.1["code"].as_str().unwrap_or_default();
    assert!(code.is_empty() || answer.1["status"] == json!(answer.0.as_u16()));
    (answer.0.as_u16(), code)
}

#[tokio::test]
async fn a_hold_is_taken_seen_repeated_and_given_back() {
    let shop = Shop::open(5, 300).await;
    let (status, hold) = shop.reserve("alice", "ga", 2).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(hold["buyer"], "alice");
    assert_eq!(hold["status"], "held");
    assert_eq!(hold["remaining_ms"], 300_000);
    assert_eq!(hold["total"], json!({ "amount": 9_000, "currency": "EUR" }));
    let (status, again) = shop.reserve("alice", "ga", 2).await;
    assert_eq!((status, &again["id"]), (StatusCode::OK, &hold["id"]));
    assert_eq!(again["expires_at"], hold["expires_at"]);

    let path = format!("/v1/holds/{}", hold["id"].as_str().unwrap());
    assert_eq!(shop.buyer("alice", "GET", &path, Value::Null).await.0, StatusCode::OK);
    assert_eq!(shop.merchant("GET", &path, Value::Null).await.0, StatusCode::OK);
    let other = shop.buyer("bob", "GET", &path, Value::Null).await;
    assert_eq!(code(&other), (404, "hold_not_found"));
    let other = shop.buyer("bob", "DELETE", &path, Value::Null).await;
    assert_eq!(code(&other), (404, "hold_not_found"));
    for _ in 0..2 {
        let (status, _) = shop.buyer("alice", "DELETE", &path, Value::Null).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    }
    let (_, me) = shop.buyer("alice", "GET", "/v1/sales/club/me", Value::Null).await;
    assert_eq!(me["hold"]["status"], "cancelled");
    let (_, sale) = shop.ask("", "GET", "/v1/sales/club", Value::Null).await;
    assert_eq!(
        (&sale["tiers"][0]["free"], &sale["metadata"]["venue"]),
        (&json!(5), &json!("north"))
    );
    let (_, audit) = shop.merchant("GET", "/v1/sales/club/audit", Value::Null).await;
    assert_eq!((&audit["ok"], &audit["holds"]["cancelled"]), (&json!(true), &json!(1)));
}

#[tokio::test]
async fn every_refusal_has_its_code() {
    let shop = Shop::open(3, 300).await;
    assert_eq!(code(&shop.reserve("alice", "none", 1).await), (409, "sold_out"));
    assert_eq!(code(&shop.reserve("alice", "vip", 1).await), (404, "tier_not_found"));
    assert_eq!(code(&shop.reserve("alice", "ga", 5).await), (409, "limit_reached"));
    assert_eq!(code(&shop.reserve("alice", "ga", 2).await), (201, ""));
    let other = shop.reserve("alice", "ga", 1).await;
    assert_eq!((code(&other), &other.1["hold"]["quantity"]), ((409, "hold_exists"), &json!(2)));
    let few = shop.reserve("bob", "ga", 2).await;
    assert_eq!((code(&few), &few.1["free"]), ((409, "not_enough"), &json!(1)));
    assert_eq!(code(&shop.reserve("bob", "ga", 1).await), (201, ""));
    let held = shop.reserve("carol", "ga", 1).await;
    assert_eq!(code(&held), (409, "all_held"));
    assert!(held.1["next_return_at"].is_string());
    let put = shop.merchant("PUT", "/v1/sales/club", sale(9, 300)).await;
    assert_eq!(code(&put), (409, "wrong_state"));
    let less = shop.merchant("PATCH", "/v1/sales/club/tiers/ga", json!({ "capacity": 1 })).await;
    assert_eq!(code(&less), (409, "wrong_state"));
    assert_eq!(shop.merchant("POST", "/v1/sales/club/pause", Value::Null).await.0, StatusCode::OK);
    assert_eq!(code(&shop.reserve("carol", "ga", 1).await), (409, "paused"));
    assert_eq!(shop.merchant("POST", "/v1/sales/club/close", Value::Null).await.0, StatusCode::OK);
    assert_eq!(code(&shop.reserve("carol", "ga", 1).await), (409, "closed"));
    let soon =
        json!({ "name": "Soon", "opens_at": "2099-01-01T00:00:00Z", "tiers": sale(1, 9)["tiers"] });
    assert_eq!(shop.merchant("PUT", "/v1/sales/soon", soon).await.0, StatusCode::CREATED);
    let body = json!({ "tier": "ga", "quantity": 1 });
    let early = shop.buyer("alice", "POST", "/v1/sales/soon/holds", body).await;
    assert_eq!(code(&early), (409, "not_open"));
    assert_eq!(early.1["opens_at"], "2099-01-01T00:00:00.000Z");
}

#[tokio::test]
async fn every_bad_request_has_its_code() {
    let shop = Shop::open(3, 300).await;
    let holds = "/v1/sales/club/holds";
    let wrong = shop.buyer("alice", "POST", holds, json!({ "tier": "ga", "quantity": 0 })).await;
    assert_eq!((code(&wrong), &wrong.1["field"]), ((422, "invalid_request"), &json!("quantity")));
    let body = json!({ "tier": "ga", "quantity": 1, "buyer": "bob" });
    let wrong = shop.buyer("alice", "POST", holds, body).await;
    assert_eq!((code(&wrong), &wrong.1["field"]), ((422, "invalid_request"), &json!("buyer")));
    let wrong = shop.merchant("POST", holds, json!({ "tier": "ga", "quantity": 1 })).await;
    assert_eq!((code(&wrong), &wrong.1["field"]), ((422, "invalid_request"), &json!("buyer")));
    let wrong = shop.merchant("PUT", "/v1/sales/big", sale(10_000_001, 300)).await;
    assert_eq!(wrong.1["field"], "tiers[0].capacity");
    let (status, _) = shop.ask("", "GET", "/v1/sales/big", Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "a sale that was refused is not there");

    for (token, method, path, expected) in [
        ("", "POST", holds, (401, "unauthorised")),
        ("wrong-key", "GET", "/v1/sales", (401, "unauthorised")),
        ("a.b.c", "GET", "/v1/sales/club/me", (401, "unauthorised")),
        (&token("alice"), "GET", "/v1/sales", (403, "forbidden")),
        (&token("alice"), "PUT", "/v1/sales/mine", (403, "forbidden")),
        (&token("alice"), "GET", "/v1/holds/hold_AAAA", (404, "hold_not_found")),
        (KEY, "GET", "/v1/sales/none/audit", (404, "sale_not_found")),
        (KEY, "GET", "/v1/sales?limit=0", (422, "invalid_request")),
        (KEY, "GET", "/v1/sales?limit=x", (422, "invalid_request")),
        (KEY, "GET", "/v2", (404, "not_found")),
        (KEY, "DELETE", "/v1/sales/club", (405, "method_not_allowed")),
        (KEY, "POST", holds, (415, "unsupported_media_type")),
    ] {
        let answer = shop.ask(token, method, path, Value::Null).await;
        assert_eq!(code(&answer), expected, "{method} {path}");
    }
    for (body, expected) in [
        (Body::from("{"), (400, "malformed")),
        (Body::from(format!("{{\"tier\":\"{}\"}}", "x".repeat(70_000))), (413, "too_large")),
    ] {
        let request = Request::post(holds).header("authorization", format!("Bearer {KEY}"));
        let request = request.header("content-type", "application/json").body(body).unwrap();
        assert_eq!(code(&read(shop.send(request).await).await), expected);
    }
}

#[tokio::test]
async fn a_key_makes_one_hold() {
    let shop = Shop::open(5, 300).await;
    let post = |quantity: u32| {
        let body = json!({ "tier": "ga", "quantity": quantity }).to_string();
        Request::post("/v1/sales/club/holds")
            .header("authorization", format!("Bearer {}", token("alice")))
            .header("content-type", "application/json")
            .header("idempotency-key", "k-1")
            .body(Body::from(body))
            .unwrap()
    };
    let (status, hold) = read(shop.send(post(2)).await).await;
    assert_eq!(status, StatusCode::CREATED);
    let path = format!("/v1/holds/{}", hold["id"].as_str().unwrap());
    shop.buyer("alice", "DELETE", &path, Value::Null).await;
    let (status, again) = read(shop.send(post(2)).await).await;
    assert_eq!((status, &again["id"]), (StatusCode::OK, &hold["id"]));
    assert_eq!(again["status"], "cancelled", "a retry makes no second hold");
    assert_eq!(code(&read(shop.send(post(1)).await).await), (422, "key_reused"));
}

#[tokio::test]
async fn a_unit_comes_back_without_traffic() {
    let shop = Shop::open(1, 1).await;
    let (_, hold) = shop.reserve("alice", "ga", 1).await;
    tokio::time::sleep(Duration::from_millis(1_250)).await;
    let path = format!("/v1/holds/{}", hold["id"].as_str().unwrap());
    let (_, hold) = shop.buyer("alice", "GET", &path, Value::Null).await;
    assert_eq!(hold["status"], "expired");
    assert_eq!(code(&shop.reserve("bob", "ga", 1).await), (201, ""));
}

#[tokio::test]
async fn lists_come_in_pages() {
    let shop = Shop::open(5, 300).await;
    for n in 0..5 {
        shop.reserve(&format!("buyer-{n}"), "ga", 1).await;
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/sales/club/holds?limit=2".to_owned());
    loop {
        let (_, page) = shop.merchant("GET", &path, Value::Null).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|hold| hold["buyer"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/sales/club/holds?limit=2&after={next}");
    }
    assert_eq!(json!(seen), json!(["buyer-0", "buyer-1", "buyer-2", "buyer-3", "buyer-4"]));
    let (_, page) = shop.merchant("GET", "/v1/sales", Value::Null).await;
    assert_eq!(page["items"][0]["id"], "club");
}
