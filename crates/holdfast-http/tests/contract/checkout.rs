//! A hold at the checkout: paid, declined, late, for nothing, in the queue, repeated.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::support::{KEY, Shop, code, eventually, read, sale, token};

/// A request of alice's under an idempotency key.
fn keyed(path: &str, key: &str, body: &str) -> Request<Body> {
    Request::post(path)
        .header("authorization", format!("Bearer {}", token("alice")))
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(Body::from(body.to_owned()))
        .unwrap()
}

#[tokio::test]
async fn a_hold_is_paid_and_its_order_seen_by_its_buyer_and_the_merchant() {
    let shop = Shop::open(5, 300).await;
    let (hold, (status, begun)) = shop.check_out("alice", 2, Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(begun["payment"]["provider"], "simulated");
    assert_eq!(begun["payment"]["attempt"], 1);
    assert_eq!(begun["hold"]["status"], "paying");
    assert_eq!(begun["payment"]["pay_by"], begun["pay_by"]);
    assert!(begun["pay_by"].as_str() > begun["hold"]["expires_at"].as_str());
    assert_eq!(begun["hold"].get("order"), None, "nothing is ordered yet");

    let sold = shop.paid(&hold).await;
    assert_eq!((&sold["status"], sold.get("expires_at")), (&json!("sold"), None));
    assert_eq!(sold["payment"].get("pay_by"), None);
    let order = format!("/v1/orders/{}", sold["order"].as_str().unwrap());
    let (status, seen) = shop.buyer("alice", "GET", &order, Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(shop.merchant("GET", &order, Value::Null).await.1, seen);
    for (field, value) in [
        ("id", sold["order"].clone()),
        ("sale", json!("club")),
        ("hold", sold["id"].clone()),
        ("buyer", json!("alice")),
        ("tier", json!("ga")),
        ("quantity", json!(2)),
        ("total", json!({ "amount": 9_000, "currency": "EUR" })),
        ("status", json!("paid")),
        ("provider", json!("simulated")),
        ("number", json!(1)),
    ] {
        assert_eq!(seen[field], value, "{field}");
    }
    assert!(seen["created_at"].is_string() && seen["changed_at"].is_string());
    let (_, me) = shop.buyer("alice", "GET", "/v1/sales/club/me", Value::Null).await;
    assert_eq!((&me["orders"], &me["hold"]["order"]), (&json!([seen]), &sold["order"]));
    // What is paid is not given back like a hold, and is not paid twice.
    let cancelled = shop.buyer("alice", "DELETE", &hold, Value::Null).await;
    assert_eq!(code(&cancelled), (409, "wrong_state"));
    let again = shop.buyer("alice", "POST", &format!("{hold}/checkout"), Value::Null).await;
    assert_eq!((again.0, &again.1["payment"]["status"]), (StatusCode::OK, &json!("paid")));
    assert_eq!(again.1.get("pay_by"), None);
}

#[tokio::test]
async fn another_buyers_hold_does_not_go_to_the_checkout() {
    let shop = Shop::open(5, 300).await;
    let (_, hold) = shop.reserve("alice", "ga", 1).await;
    let path = format!("/v1/holds/{}/checkout", hold["id"].as_str().unwrap());
    let other = shop.buyer("bob", "POST", &path, Value::Null).await;
    assert_eq!(code(&other), (404, "hold_not_found"));
    assert_eq!(code(&shop.ask("", "POST", &path, Value::Null).await), (401, "unauthorised"));
    let merchant = shop.merchant("POST", &path, Value::Null).await;
    assert_eq!((merchant.0, &merchant.1["hold"]["buyer"]), (StatusCode::OK, &json!("alice")));
}

#[tokio::test]
async fn who_is_declined_pays_otherwise() {
    let shop = Shop::open(5, 300).await;
    let (hold, _) = shop.check_out("alice", 1, json!({ "simulate": "decline" })).await;
    let held = shop.payment(&hold, "declined").await;
    assert_eq!((&held["status"], held.get("order")), (&json!("held"), None));
    let path = format!("{hold}/checkout");
    let (_, again) = shop.buyer("alice", "POST", &path, json!({ "simulate": "approve" })).await;
    assert_eq!(again["payment"]["attempt"], 2);
    assert_eq!(shop.paid(&hold).await["status"], "sold");
    let (_, audit) = shop.merchant("GET", "/v1/sales/club/audit", Value::Null).await;
    assert_eq!(audit["ok"], true, "{audit}");
    let money = json!({
        "orders": 1, "paid": 1, "paid_amount": 4_500, "captured": 1, "captured_amount": 4_500,
        "under_way": 0,
    });
    assert_eq!(audit["money"], money);
}

#[tokio::test]
async fn money_that_comes_late_buys_a_unit_that_is_left_and_the_old_hold_tells_so() {
    let shop = Shop::new();
    let mut brief = sale(1, 1);
    brief["checkout_grace_seconds"] = json!(0);
    shop.merchant("PUT", "/v1/sales/club", brief).await;
    shop.merchant("POST", "/v1/sales/club/open", Value::Null).await;
    let (hold, _) = shop.check_out("alice", 1, json!({ "simulate": "late" })).await;
    let cancelled = shop.payment(&hold, "moved").await;
    assert_eq!(cancelled["status"], "expired");
    let order = format!("/v1/orders/{}", cancelled["order"].as_str().unwrap());
    let order = shop.buyer("alice", "GET", &order, Value::Null).await;
    assert_eq!(order.0, StatusCode::OK);
    assert_ne!(order.1["hold"], cancelled["id"], "it is another hold's");
    let new = format!("/v1/holds/{}", order.1["hold"].as_str().unwrap());
    assert_eq!(shop.paid(&new).await["order"], cancelled["order"]);
}

#[tokio::test]
async fn money_that_pays_for_another_hold_is_under_way_until_that_has_its_order() {
    let shop = Shop::new();
    let mut brief = sale(1, 1);
    brief["checkout_grace_seconds"] = json!(0);
    shop.merchant("PUT", "/v1/sales/club", brief).await;
    shop.merchant("POST", "/v1/sales/club/open", Value::Null).await;
    shop.take_the_reign_away().await;
    let (hold, _) = shop.check_out("alice", 1, json!({ "simulate": "late" })).await;
    shop.payment(&hold, "moved").await;
    let (_, audit) = shop.merchant("GET", "/v1/sales/club/audit", Value::Null).await;
    assert_eq!((&audit["ok"], &audit["money"]["under_way"]), (&json!(true), &json!(1)), "{audit}");
}

#[tokio::test]
async fn what_costs_nothing_needs_no_provider() {
    let shop = Shop::new();
    let mut free = sale(1, 300);
    free["tiers"][0]["price"]["amount"] = json!(0);
    shop.merchant("PUT", "/v1/sales/club", free).await;
    shop.merchant("POST", "/v1/sales/club/open", Value::Null).await;
    let (hold, begun) = shop.check_out("alice", 1, json!({ "simulate": "never" })).await;
    assert_eq!(begun.1["payment"]["provider"], "none");
    let order = shop.paid(&hold).await["order"].as_str().unwrap().to_owned();
    let (_, order) = shop.buyer("alice", "GET", &format!("/v1/orders/{order}"), Value::Null).await;
    assert_eq!((&order["provider"], &order["status"]), (&json!("none"), &json!("paid")));
}

#[tokio::test]
async fn a_key_begins_one_payment() {
    let shop = Shop::open(5, 300).await;
    let (_, hold) = shop.reserve("alice", "ga", 1).await;
    let hold = format!("/v1/holds/{}", hold["id"].as_str().unwrap());
    let path = format!("{hold}/checkout");
    let post = async |body: &str| read(shop.send(keyed(&path, "k-1", body)).await).await;
    let decline = r#"{"simulate":"decline"}"#;
    assert_eq!(post(decline).await.0, StatusCode::OK);
    shop.payment(&hold, "declined").await;
    let again = post(decline).await;
    assert_eq!((again.0, &again.1["payment"]["attempt"]), (StatusCode::OK, &json!(1)));
    assert_eq!(again.1["hold"]["status"], "held", "a retry makes no second payment");
    // The control: another key does.
    let other = read(shop.send(keyed(&path, "k-2", r#"{"simulate":"never"}"#)).await).await;
    assert_eq!(other.1["payment"]["attempt"], 2);
    let reused = read(shop.send(keyed(&path, "k-2", r#"{"simulate":"approve"}"#)).await).await;
    assert_eq!(code(&reused), (422, "key_reused"));
    let body = r#"{"tier":"ga","quantity":1}"#;
    let reused = read(shop.send(keyed("/v1/sales/club/holds", "k-2", body)).await).await;
    assert_eq!(code(&reused), (422, "key_reused"));
}

#[tokio::test]
async fn what_is_kept_with_an_order_is_the_merchants_to_say() {
    let shop = Shop::open(5, 300).await;
    let (_, hold) = shop.reserve("alice", "ga", 1).await;
    let hold = format!("/v1/holds/{}", hold["id"].as_str().unwrap());
    let path = format!("{hold}/checkout");
    let big = json!({ "metadata": { "x": "y".repeat(4_096) } });
    for (token, body, field) in [
        (&*token("alice"), json!({ "metadata": { "basket": 17 } }), "metadata"),
        (KEY, big, "metadata"),
        (KEY, json!({ "metadata": [1] }), "metadata"),
        (KEY, json!({ "simulate": "smile" }), "simulate"),
        (KEY, json!({ "simulate": { "approve": null } }), "simulate"),
        (KEY, json!({ "buyer": "alice" }), "buyer"),
    ] {
        let answer = shop.ask(token, "POST", &path, body).await;
        assert_eq!(code(&answer), (422, "invalid_request"), "{}", answer.1);
        assert_eq!(answer.1["field"], field);
    }
    // As much as is allowed, to the byte.
    let most = json!({ "x": "y".repeat(4_096 - r#"{"x":""}"#.len()) });
    let (status, _) = shop.merchant("POST", &path, json!({ "metadata": most })).await;
    assert_eq!(status, StatusCode::OK);
    let order = shop.paid(&hold).await["order"].as_str().unwrap().to_owned();
    let (_, order) = shop.merchant("GET", &format!("/v1/orders/{order}"), Value::Null).await;
    assert_eq!(order["metadata"], most);
}

#[tokio::test]
async fn a_body_that_is_not_there_is_none_and_any_other_is_json() {
    let shop = Shop::open(5, 300).await;
    let (_, hold) = shop.reserve("alice", "ga", 1).await;
    let path = format!("/v1/holds/{}/checkout", hold["id"].as_str().unwrap());
    let post = |kind: Option<&str>, body: &str| {
        let request =
            Request::post(&path).header("authorization", format!("Bearer {}", token("alice")));
        let request = kind.into_iter().fold(request, |it, kind| it.header("content-type", kind));
        request.body(Body::from(body.to_owned())).unwrap()
    };
    for (kind, body, expected) in [
        (Some("text/plain"), "{}", (415, "unsupported_media_type")),
        (None, "{}", (415, "unsupported_media_type")),
        (Some("application/json"), "{", (400, "malformed")),
        (Some("application/json"), "[]", (422, "invalid_request")),
        (Some("application/json"), "", (200, "")),
        (None, "", (200, "")),
        (Some("application/json"), "{}", (200, "")),
    ] {
        let answer = read(shop.send(post(kind, body)).await).await;
        assert_eq!(code(&answer), expected, "{kind:?} {body:?}");
    }
}

#[tokio::test]
async fn whoever_would_wait_too_long_for_the_provider_hears_it_and_keeps_their_hold() {
    let shop = Shop::slow();
    let mut rush = sale(1_000, 300);
    rush["tiers"][1] = json!({
        "id": "free", "name": "Free", "capacity": 9, "price": { "amount": 0, "currency": "EUR" },
    });
    shop.merchant("PUT", "/v1/sales/club", rush).await;
    shop.merchant("POST", "/v1/sales/club/open", Value::Null).await;
    let mut waiting = Vec::new();
    // One a second is taken, and who comes last may wait 300 seconds.
    let (hold, refused) = loop {
        let name = format!("buyer-{}", waiting.len());
        let (hold, answer) = shop.check_out(&name, 1, Value::Null).await;
        if answer.0 != StatusCode::OK {
            break (hold, answer);
        }
        waiting.push((name, hold));
        assert!(waiting.len() < 900, "nobody is refused");
    };
    assert_eq!(code(&refused), (503, "overloaded"));
    assert!(waiting.len() > 300, "{} wait", waiting.len());
    let (_, kept) = shop.merchant("GET", &hold, Value::Null).await;
    assert_eq!((&kept["status"], kept.get("payment")), (&json!("held"), None));
    // Who waits already may ask again, and who has nothing to pay does not wait.
    let (name, hold) = waiting.last().unwrap();
    let (status, again) = shop.buyer(name, "POST", &format!("{hold}/checkout"), Value::Null).await;
    assert_eq!((status, &again["payment"]["status"]), (StatusCode::OK, &json!("queued")));
    let (_, free) = shop.reserve("zoe", "free", 1).await;
    let free = format!("/v1/holds/{}", free["id"].as_str().unwrap());
    let (status, _) = shop.buyer("zoe", "POST", &format!("{free}/checkout"), Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    eventually("the free one is sold", async || {
        let (_, free) = shop.buyer("zoe", "GET", &free, Value::Null).await;
        (free["status"] == "sold").then_some(())
    })
    .await;
}
