//! Who asks too often hears so; nobody else does.

use holdfast_http::{LimitOptions, Rate};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{KEY, SECRET, Shop, code, sale, token};

/// So few that a test is not slow, so many that a slow test does not get new ones meanwhile.
fn few() -> Option<Rate> {
    Some("5/h".parse().unwrap())
}

/// Of `few`, twice as many come at once.
const BURST: usize = 10;

async fn open(limits: LimitOptions) -> Shop {
    let shop = Shop::with(&[KEY], &[SECRET], limits);
    shop.merchant("PUT", "/v1/sales/club", sale(100, 300)).await;
    shop.merchant("POST", "/v1/sales/club/open", Value::Null).await;
    shop
}

fn none() -> LimitOptions {
    LimitOptions { buyer: None, ..LimitOptions::default() }
}

async fn refused(shop: &Shop, buyer: &str, times: usize) -> usize {
    let mut refused = 0;
    for _ in 0..times {
        let answer = shop.buyer(buyer, "GET", "/v1/sales/club/me", Value::Null).await;
        refused += usize::from(code(&answer) == (429, "rate_limited"));
    }
    refused
}

#[tokio::test]
async fn a_buyer_who_hammers_is_refused_and_no_other() {
    let shop = open(LimitOptions { buyer: few(), ..none() }).await;
    assert_eq!(refused(&shop, "bot", BURST + 5).await, 5);
    assert_eq!(code(&shop.reserve("bot", "ga", 1).await), (429, "rate_limited"));
    assert_eq!(shop.reserve("alice", "ga", 1).await.0, StatusCode::CREATED);
    // A shop that buys for everyone is not one buyer.
    for number in 0..BURST * 3 {
        let body = json!({ "tier": "ga", "quantity": 1, "buyer": format!("b{number}") });
        let answer = shop.merchant("POST", "/v1/sales/club/holds", body).await;
        assert_eq!(answer.0, StatusCode::CREATED);
    }
    // Nothing was done for the one who was refused.
    let (_, sale) = shop.merchant("GET", "/v1/sales/club", Value::Null).await;
    assert_eq!(sale["tiers"][0]["held"], 1 + BURST * 3);
}

#[tokio::test]
async fn by_default_a_buyer_is_limited_and_a_shop_is_not() {
    let shop = open(LimitOptions::default()).await;
    assert!(refused(&shop, "bot", 200).await > 100);
    for _ in 0..200 {
        let answer = shop.merchant("GET", "/v1/sales", Value::Null).await;
        assert_eq!(answer.0, StatusCode::OK);
    }
    // The control.
    assert_eq!(refused(&open(none()).await, "bot", 200).await, 0);
}

#[tokio::test]
async fn a_merchant_key_is_limited_where_that_is_set() {
    let shop =
        Shop::with(&[KEY, "another-key-of-16"], &[SECRET], LimitOptions { key: few(), ..none() });
    let mut answers = Vec::new();
    for _ in 0..=BURST {
        answers.push(shop.merchant("GET", "/v1/sales", Value::Null).await.0);
    }
    assert_eq!(answers.pop(), Some(StatusCode::TOO_MANY_REQUESTS));
    assert!(answers.iter().all(|status| *status == StatusCode::OK));
    let other = shop.ask("another-key-of-16", "GET", "/v1/sales", Value::Null).await;
    assert_eq!(other.0, StatusCode::OK);
}

#[tokio::test]
async fn a_refusal_says_after_how_long_to_come_back() {
    let shop = open(LimitOptions { buyer: few(), ..none() }).await;
    refused(&shop, "bot", BURST).await;
    let request = Request::get("/v1/sales/club/me")
        .header("authorization", format!("Bearer {}", token("bot")));
    let response = shop.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u32 = response.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((700..=720).contains(&wait), "five an hour are one in 720 s: {wait}");
}

#[test]
fn a_rate_is_written_as_it_is_read() {
    for text in ["10/s", "60/m", "1000/h"] {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
    }
    for text in ["", "10", "0/s", "-1/s", "10/d", "10 /s", "1000001/s", "off"] {
        assert!(text.parse::<Rate>().is_err(), "{text}");
    }
    assert_eq!(Rate::parse_or_off("off"), Ok(None));
}
