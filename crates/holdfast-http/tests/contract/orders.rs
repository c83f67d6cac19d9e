//! Orders: who sees them, in which lists, given back; and what is said when the ledger is gone.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::support::{KEY, Shop, code, eventually, read, token};

#[tokio::test]
async fn an_order_is_its_buyers_and_the_merchants() {
    let shop = Shop::open(5, 300).await;
    let (order, hold) = shop.buy("alice", 1).await;
    let other = shop.buyer("bob", "GET", &order, Value::Null).await;
    assert_eq!(code(&other), (404, "order_not_found"));
    assert_eq!(code(&shop.ask("", "GET", &order, Value::Null).await), (401, "unauthorised"));
    let forged = format!("{}A", &order[..order.len() - 1]);
    let forged = if forged == order { format!("{}B", &order[..order.len() - 1]) } else { forged };
    let as_hold = order.replace("orders/order_", "orders/hold_");
    let other_kind = hold.replace("holds", "orders");
    for path in [&*forged, &as_hold, &other_kind, "/v1/orders/order_", "/v1/orders/x"] {
        let answer = shop.merchant("GET", path, Value::Null).await;
        assert_eq!(code(&answer), (404, "order_not_found"), "{path}");
        let answer = shop.merchant("POST", &format!("{path}/refund"), Value::Null).await;
        assert_eq!(code(&answer), (404, "order_not_found"), "{path}");
    }
    let listed = shop.buyer("alice", "GET", "/v1/sales/club/orders", Value::Null).await;
    assert_eq!(code(&listed), (403, "forbidden"));
    let listed = shop.merchant("GET", "/v1/sales/gala/orders", Value::Null).await;
    assert_eq!(code(&listed), (404, "sale_not_found"));
}

#[tokio::test]
async fn an_order_is_refunded_once_and_its_unit_is_free_again() {
    let shop = Shop::open(1, 300).await;
    let (order, hold) = shop.buy("alice", 1).await;
    let path = format!("{order}/refund");
    let buyer = shop.buyer("alice", "POST", &path, Value::Null).await;
    assert_eq!(code(&buyer), (403, "forbidden"));
    for reason in ["", "a\nb", &"x".repeat(201)] {
        let wrong = shop.merchant("POST", &path, json!({ "reason": reason })).await;
        assert_eq!((code(&wrong), &wrong.1["field"]), ((422, "invalid_request"), &json!("reason")));
    }
    assert_eq!(code(&shop.reserve("bob", "ga", 1).await), (409, "sold_out"));
    let (status, asked) = shop.merchant("POST", &path, json!({ "reason": "ill" })).await;
    assert_eq!((status, &asked["reason"]), (StatusCode::ACCEPTED, &json!("ill")));
    assert!(asked["refund_asked_at"].is_string());
    assert_eq!(asked["hold"].as_str().unwrap(), hold.rsplit('/').next().unwrap());
    let refunded = eventually("the order is refunded", async || {
        let (status, order) = shop.merchant("POST", &path, json!({ "reason": "well" })).await;
        assert_eq!((status, &order["reason"]), (StatusCode::ACCEPTED, &json!("ill")));
        (order["status"] == "refunded").then_some(order)
    });
    let refunded = refunded.await;
    assert_eq!(refunded["refund_asked_at"], asked["refund_asked_at"]);
    shop.payment(&hold, "refunded").await;
    assert_eq!(code(&shop.reserve("bob", "ga", 1).await), (201, ""));
    let (_, audit) = shop.merchant("GET", "/v1/sales/club/audit", Value::Null).await;
    assert_eq!((&audit["ok"], &audit["money"]["captured"]), (&json!(true), &json!(0)), "{audit}");
}

#[tokio::test]
async fn what_is_not_paid_yet_is_not_refunded() {
    let mut shop = Shop::open(1, 300).await;
    // The order is confirmed and the ledger cannot record it: it is another reign's.
    shop.take_the_reign_away().await;
    let (hold, _) = shop.check_out("alice", 1, json!({ "simulate": "approve" })).await;
    let sold = shop.payment(&hold, "authorised").await;
    let order = format!("/v1/orders/{}", sold["order"].as_str().unwrap());
    let (status, seen) = shop.buyer("alice", "GET", &order, Value::Null).await;
    assert_eq!((status, &seen["status"]), (StatusCode::OK, &json!("authorised")));
    assert_eq!((&seen["hold"], seen.get("number")), (&sold["id"], None));
    assert_eq!(
        code(&shop.buyer("bob", "GET", &order, Value::Null).await),
        (404, "order_not_found")
    );
    let (_, me) = shop.buyer("alice", "GET", "/v1/sales/club/me", Value::Null).await;
    assert_eq!(me["orders"], json!([seen]));
    let refund = shop.merchant("POST", &format!("{order}/refund"), Value::Null).await;
    assert_eq!(code(&refund), (503, "store_unavailable"), "who is fenced writes nothing");
    shop.stop_till();
}

#[tokio::test]
async fn while_the_ledger_does_not_answer_holds_go_on_and_nothing_else_is_said_to_be_well() {
    let mut shop = Shop::open(5, 300).await;
    let (order, _) = shop.buy("alice", 1).await;
    shop.stop_till();
    for path in [&*order, "/v1/sales/club/orders", "/v1/sales/club/audit"] {
        let answer = shop.merchant("GET", path, Value::Null).await;
        assert_eq!(code(&answer), (503, "overloaded"), "{path}");
    }
    // What was begun may have been done.
    let refunded = shop.merchant("POST", &format!("{order}/refund"), Value::Null).await;
    assert_eq!(code(&refunded), (503, "outcome_unknown"));
    let patch = json!({ "capacity": 6 });
    let patched = shop.merchant("PATCH", "/v1/sales/club/tiers/ga", patch).await;
    assert_eq!(code(&patched), (503, "outcome_unknown"));
    let (status, me) = shop.buyer("alice", "GET", "/v1/sales/club/me", Value::Null).await;
    assert_eq!((status, &me["hold"]["status"]), (StatusCode::OK, &json!("sold")));
    assert_eq!(me["orders"], Value::Null, "it cannot be known");
    assert_eq!(code(&shop.reserve("bob", "ga", 1).await), (201, ""));
    let (_, me) = shop.buyer("carol", "GET", "/v1/sales/club/me", Value::Null).await;
    assert_eq!(me, json!({ "buyer": "carol", "hold": null, "orders": [] }));
}

#[tokio::test]
async fn a_database_that_is_gone_is_not_named_to_anybody() {
    let shop = Shop::open(5, 300).await;
    let (order, _) = shop.buy("alice", 1).await;
    shop.break_the_ledger().await;
    for path in [&*order, "/v1/sales/club/orders", "/v1/sales/club/audit"] {
        let answer = shop.merchant("GET", path, Value::Null).await;
        assert_eq!(code(&answer), (503, "store_unavailable"), "{path}");
        let detail = answer.1["detail"].as_str().unwrap();
        assert!(!detail.contains("orders") && !detail.contains("SQL"), "{detail}");
    }
    let patch = json!({ "capacity": 6 });
    let patched = shop.merchant("PATCH", "/v1/sales/club/tiers/ga", patch).await;
    assert_eq!(code(&patched), (503, "outcome_unknown"));
}

#[tokio::test]
async fn a_capacity_that_grows_is_sold_and_one_that_is_sold_is_not_taken_away() {
    let shop = Shop::open(1, 300).await;
    shop.buy("alice", 1).await;
    assert_eq!(code(&shop.reserve("bob", "ga", 1).await), (409, "sold_out"));
    let tier = "/v1/sales/club/tiers/ga";
    let (status, sale) = shop.merchant("PATCH", tier, json!({ "capacity": 2 })).await;
    assert_eq!((status, &sale["tiers"][0]["free"]), (StatusCode::OK, &json!(1)));
    // The ledger's guard has heard of it: the order is paid, not void.
    shop.buy("bob", 1).await;
    let less = shop.merchant("PATCH", tier, json!({ "capacity": 1 })).await;
    assert_eq!(code(&less), (409, "wrong_state"));
    let other = shop.merchant("PATCH", "/v1/sales/club/tiers/vip", json!({ "capacity": 1 })).await;
    assert_eq!(code(&other), (404, "tier_not_found"));
    let other = shop.merchant("PATCH", "/v1/sales/gala/tiers/ga", json!({ "capacity": 1 })).await;
    assert_eq!(code(&other), (404, "sale_not_found"));
    let (_, audit) = shop.merchant("GET", "/v1/sales/club/audit", Value::Null).await;
    assert_eq!(audit["ok"], true, "{audit}");
}

#[tokio::test]
async fn orders_come_in_pages() {
    let shop = Shop::open(5, 300).await;
    let mut bought = Vec::new();
    for name in ["ann", "ben", "cat", "dan", "eve"] {
        let (order, _) = shop.buy(name, 1).await;
        bought.push(json!(order.rsplit('/').next().unwrap()));
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/sales/club/orders?limit=2".to_owned());
    loop {
        let (_, page) = shop.merchant("GET", &path, Value::Null).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|order| order["id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/sales/club/orders?limit=2&after={next}");
    }
    assert_eq!(seen, bought);
    let wrong = shop.merchant("GET", "/v1/sales/club/orders?after=x", Value::Null).await;
    assert_eq!((code(&wrong), &wrong.1["field"]), ((422, "invalid_request"), &json!("after")));
}

#[tokio::test]
async fn a_difference_in_the_money_is_told() {
    let shop = Shop::open(5, 300).await;
    shop.buy("alice", 1).await;
    let (_, audit) = shop.merchant("GET", "/v1/sales/club/audit", Value::Null).await;
    assert_eq!((&audit["ok"], &audit["differences"]), (&json!(true), &json!([])));
    // The control: an order that nobody has paid for.
    shop.record(1, 0).await;
    let (_, audit) = shop.merchant("GET", "/v1/sales/club/audit", Value::Null).await;
    assert_eq!(audit["ok"], false);
    assert_eq!(audit["money"]["orders"], 2);
    let found = audit["differences"].as_array().unwrap();
    assert!(found.iter().any(|it| it["what"].as_str().unwrap().contains("order")), "{audit}");
}

#[tokio::test]
async fn identity_answers_are_kept_by_no_cache() {
    let shop = Shop::open(5, 300).await;
    let (order, hold) = shop.buy("alice", 1).await;
    for (credential, method, path) in [
        (&*token("alice"), "POST", format!("{hold}/checkout")),
        (&token("alice"), "GET", order.clone()),
        (KEY, "GET", "/v1/sales/club/orders".to_owned()),
        (KEY, "POST", format!("{order}/refund")),
    ] {
        let request = Request::builder().method(method).uri(&path);
        let request = request.header("authorization", format!("Bearer {credential}"));
        let answer = shop.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.headers()["cache-control"], "private, no-store", "{method} {path}");
        assert!(read(answer).await.0.is_success(), "{method} {path}");
    }
}

#[tokio::test]
async fn a_buyer_is_forgotten_once_their_sales_are_closed() {
    let shop = Shop::open(2, 300).await;
    let (order, hold) = shop.buy("alice", 1).await;
    let path = "/v1/buyers/alice";
    assert_eq!(code(&shop.buyer("alice", "DELETE", path, Value::Null).await), (403, "forbidden"));
    let early = shop.merchant("DELETE", path, Value::Null).await;
    assert_eq!(code(&early), (409, "wrong_state"));
    assert!(early.1["detail"].as_str().unwrap().starts_with("club: "), "{}", early.1);
    let wrong = shop.merchant("DELETE", "/v1/buyers/%00", Value::Null).await;
    assert_eq!((code(&wrong), &wrong.1["field"]), ((422, "invalid_request"), &json!("buyer")));

    shop.merchant("POST", "/v1/sales/club/close", Value::Null).await;
    let gone = shop.merchant("DELETE", path, Value::Null).await;
    assert_eq!(gone, (StatusCode::OK, json!({ "sales": 1, "orders": 1 })));
    let again = shop.merchant("DELETE", path, Value::Null).await;
    assert_eq!(again, (StatusCode::OK, json!({ "sales": 0, "orders": 0 })));
    let (_, order) = shop.merchant("GET", &order, Value::Null).await;
    assert!(order["buyer"].as_str().unwrap().starts_with("forgotten-"), "{order}");
    assert_eq!(order.get("metadata"), None);
    // The hold's id was signed with the name.
    assert_eq!(code(&shop.merchant("GET", &hold, Value::Null).await), (404, "hold_not_found"));
    let (_, audit) = shop.merchant("GET", "/v1/sales/club/audit", Value::Null).await;
    assert_eq!((&audit["ok"], &audit["money"]["paid"]), (&json!(true), &json!(1)), "{audit}");
}
