//! What goes with an answer: who may keep it, and what it says when the engine is gone.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{KEY, Shop, code, described, read, sale, token};

fn request(credential: &str, method: &str, path: &str, body: &Value) -> Request<Body> {
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {credential}"))
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

fn cache_control(response: &Response<Body>) -> &str {
    assert!(response.status().is_success(), "{}", response.status());
    response.headers()[header::CACHE_CONTROL].to_str().unwrap()
}

#[tokio::test]
async fn only_the_public_sale_may_be_kept_by_a_cache() {
    let shop = Shop::open(5, 300).await;
    let (_, hold) = shop.reserve("alice", "ga", 1).await;
    let hold = format!("/v1/holds/{}", hold["id"].as_str().unwrap());
    let alice = token("alice");
    let reserve = json!({ "tier": "ga", "quantity": 1 });
    for (credential, method, path, body) in [
        (&*alice, "POST", "/v1/sales/club/holds", &reserve),
        (&alice, "GET", "/v1/sales/club/me", &Value::Null),
        (&alice, "GET", &hold, &Value::Null),
        (&alice, "DELETE", &hold, &Value::Null),
        (KEY, "PUT", "/v1/sales/other", &sale(1, 300)),
        (KEY, "POST", "/v1/sales/other/open", &Value::Null),
        (KEY, "PATCH", "/v1/sales/club/tiers/ga", &json!({ "capacity": 6 })),
        (KEY, "GET", "/v1/sales", &Value::Null),
        (KEY, "GET", "/v1/sales/club/holds", &Value::Null),
        (KEY, "GET", "/v1/sales/club/audit", &Value::Null),
    ] {
        let answer = shop.send(request(credential, method, path, body)).await;
        assert_eq!(cache_control(&answer), "private, no-store", "{method} {path}");
    }
    let public = Request::get("/v1/sales/club").body(Body::empty()).unwrap();
    assert_eq!(cache_control(&shop.send(public).await), "public, s-maxage=1");
}

#[tokio::test]
async fn an_engine_that_is_gone_is_said_and_when_to_come_back() {
    let mut shop = Shop::open(5, 300).await;
    shop.stop_engine();
    let body = json!({ "tier": "ga", "quantity": 1 });
    for (credential, method, path, body) in [
        ("", "GET", "/readyz", Value::Null),
        ("", "GET", "/v1/sales/club", Value::Null),
        (KEY, "POST", "/v1/sales/club/pause", Value::Null),
        (&token("alice"), "POST", "/v1/sales/club/holds", body),
    ] {
        // That a 503 has its `Retry-After` is checked of every answer that is read.
        let answer = shop.ask(credential, method, path, body).await;
        assert_eq!(code(&answer), (503, "overloaded"), "{method} {path}");
    }
    assert_eq!(shop.ask("", "GET", "/healthz", Value::Null).await.0, StatusCode::OK);
}

/// Answers a request whose command is done, by an engine that is gone before it is shown.
async fn done_unseen(shop: &mut Shop, request: Request<Body>) -> (StatusCode, Value) {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut answer = pin!(shop.router().oneshot(request));
    assert!(poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx).is_pending())).await);
    tokio::time::sleep(Duration::from_millis(100)).await;
    shop.stop_engine();
    read(described(&method, &path, answer.await.unwrap()).await).await
}

#[tokio::test]
async fn a_move_that_was_made_is_never_said_not_to_be() {
    for (method, path, body) in [
        ("PUT", "/v1/sales/other", sale(1, 300)),
        ("POST", "/v1/sales/club/pause", Value::Null),
        ("POST", "/v1/sales/club/close", Value::Null),
        ("PATCH", "/v1/sales/club/tiers/ga", json!({ "capacity": 6 })),
    ] {
        let mut shop = Shop::open(5, 300).await;
        let answer = done_unseen(&mut shop, request(KEY, method, path, &body)).await;
        assert_eq!(code(&answer), (503, "outcome_unknown"), "{method} {path}");
    }
}
