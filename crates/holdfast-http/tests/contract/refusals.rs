//! What the rules refuse.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Shop, code, sale};

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
