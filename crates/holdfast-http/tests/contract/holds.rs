//! Holds: taken, seen, repeated, given back, run out, listed.

use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::support::{Shop, code, read, token};

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
async fn two_keys_are_none() {
    let shop = Shop::open(5, 300).await;
    let request = Request::post("/v1/sales/club/holds")
        .header("authorization", format!("Bearer {}", token("alice")))
        .header("content-type", "application/json")
        .header("idempotency-key", "k-1")
        .header("idempotency-key", "k-2")
        .body(Body::from(json!({ "tier": "ga", "quantity": 1 }).to_string()));
    let answer = read(shop.send(request.unwrap()).await).await;
    assert_eq!(code(&answer), (422, "invalid_request"));
    assert_eq!(answer.1["field"], "Idempotency-Key");
}

#[tokio::test]
async fn a_unit_comes_back_without_traffic() {
    let shop = Shop::open(1, 1).await;
    let (_, hold) = shop.reserve("alice", "ga", 1).await;
    let held = shop.holds_on_disk();
    assert_eq!((held.held, held.expired), (1, 0));
    // Any request would make the engine look at what is due; so the journal is asked instead.
    tokio::time::sleep(Duration::from_millis(1_250)).await;
    let expired = shop.holds_on_disk();
    assert_eq!((expired.held, expired.expired), (0, 1));

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
