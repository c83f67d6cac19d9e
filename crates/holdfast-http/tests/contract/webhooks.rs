//! What a provider tells: believed, forged, replayed, doubled.

use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::support::{Shop, WEBHOOK_SECRET, code, eventually, now, read, sale, webhook};

fn event(reference: &str) -> String {
    let created = now();
    let event = json!({ "id": "evt_1", "type": "payment.authorised", "reference": reference, "created": created });
    event.to_string()
}

#[tokio::test]
async fn only_a_message_that_is_signed_now_is_taken() {
    let shop = Shop::open(5, 300).await;
    let body = event("hold_abc");
    let send = async |request| read(shop.send(request).await).await;
    assert_eq!(send(webhook(&body, now(), WEBHOOK_SECRET)).await.0, StatusCode::NO_CONTENT);
    let forged = send(webhook(&body, now(), "another-secret")).await;
    assert_eq!(code(&forged), (401, "unauthorised"));
    assert_eq!(code(&send(webhook(&body, now(), "")).await), (401, "unauthorised"));
    let mut altered = webhook(&body, now(), WEBHOOK_SECRET);
    *altered.body_mut() = Body::from(body.replace("abc", "abd"));
    assert_eq!(code(&send(altered).await), (401, "unauthorised"));
    let unsigned = Request::post("/v1/webhooks/simulated").body(Body::from(body.clone())).unwrap();
    assert_eq!(code(&send(unsigned).await), (401, "unauthorised"));
    let old = send(webhook(&body, now() - 400, WEBHOOK_SECRET)).await;
    assert_eq!(code(&old), (400, "malformed"));
    for wrong in ["{}", "", "hello", r#"{"id":"e","type":"t","reference":"a b","created":1}"#] {
        let answer = send(webhook(wrong, now(), WEBHOOK_SECRET)).await;
        assert_eq!(code(&answer), (400, "malformed"), "{wrong}");
    }
    let mut other = webhook(&body, now(), WEBHOOK_SECRET);
    *other.uri_mut() = "/v1/webhooks/stripe".parse().unwrap();
    assert_eq!(code(&send(other).await), (404, "not_found"));
}

/// A hint makes a payment be looked at before its time, and a second one changes nothing more.
#[tokio::test]
async fn a_hint_is_followed_at_once_also_when_it_comes_twice() {
    let shop = Shop::new();
    let mut brief = sale(2, 1);
    brief["checkout_grace_seconds"] = json!(0);
    shop.merchant("PUT", "/v1/sales/club", brief).await;
    shop.merchant("POST", "/v1/sales/club/open", Value::Null).await;
    let begun = Instant::now();
    let (hold, _) = shop.check_out("alice", 1, json!({ "simulate": "late" })).await;
    let (other, _) = shop.check_out("bob", 1, json!({ "simulate": "late" })).await;
    let reference = hold.rsplit('/').next().unwrap().to_owned();
    // It is told again and again, as a provider tells that gets no answer.
    let seen = eventually("the late money has come", async || {
        let request = webhook(&event(&reference), now(), WEBHOOK_SECRET);
        assert_eq!(shop.send(request).await.status(), StatusCode::NO_CONTENT);
        let (_, seen) = shop.merchant("GET", &hold, Value::Null).await;
        (seen["payment"]["status"] == "moved").then_some(seen)
    });
    let order = seen.await["order"].as_str().unwrap().to_owned();
    // The control: of bob's nothing was told, and it waits for its next look, three seconds after
    // the first one.
    let (_, control) = shop.merchant("GET", &other, Value::Null).await;
    let is_slow = begun.elapsed() > Duration::from_millis(2_800);
    assert!(control["payment"]["status"] == "processing" || is_slow, "{control}");
    shop.paid_order(&order).await;
    for _ in 0..2 {
        let request = webhook(&event(&reference), now(), WEBHOOK_SECRET);
        assert_eq!(shop.send(request).await.status(), StatusCode::NO_CONTENT);
    }
    let late = shop.payment(&other, "moved").await;
    shop.paid_order(late["order"].as_str().unwrap()).await;
    let (_, me) = shop.buyer("alice", "GET", "/v1/sales/club/me", Value::Null).await;
    assert_eq!(me["orders"].as_array().unwrap().len(), 1);
    let (_, audit) = shop.merchant("GET", "/v1/sales/club/audit", Value::Null).await;
    assert_eq!(audit["ok"], true, "{audit}");
    assert_eq!(audit["money"]["orders"], 2);
}
