//! Requests that are not as they must be.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes};
use http::{Request, StatusCode};
use hyper::body::{Frame, SizeHint};
use serde_json::{Value, json};

use crate::support::{BODY_DEADLINE, KEY, Shop, code, read, sale, token};

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

/// What is asked, and which field of it is wrong.
async fn check_field(shop: &Shop, path: &str, field: &str) {
    let answer = shop.merchant("GET", path, Value::Null).await;
    assert_eq!(code(&answer), (422, "invalid_request"), "{path}");
    assert_eq!(answer.1["field"], field, "{path}");
}

#[tokio::test]
async fn an_address_that_is_wrong_is_a_problem() {
    let shop = Shop::open(3, 300).await;
    for path in ["/v1/sales/%ff", "/v1/holds/%ff", "/v1/sales/%ff/holds", "/v1/sales/%ff/audit"] {
        let answer = shop.merchant("GET", path, Value::Null).await;
        assert_eq!(code(&answer), (404, "not_found"), "{path}");
    }
    for (path, field) in [
        ("/v1/sales?after=a%20b", "after"),
        ("/v1/sales?after=", "after"),
        ("/v1/sales?after=%ff", "after"),
        ("/v1/sales?limit=x", "limit"),
        ("/v1/sales?limit=", "limit"),
        ("/v1/sales?limit=1001", "limit"),
        ("/v1/sales?limit=-1", "limit"),
        ("/v1/sales?limit=1&%6cimit=2", "limit"),
        ("/v1/sales/club/holds?after=x", "after"),
        ("/v1/sales/club/holds?limit=x", "limit"),
        ("/v1/sales/club/me?buyer=%ff", "buyer"),
        ("/v1/sales/club/me?buyer=", "buyer"),
        ("/v1/sales/club/me?buyer=a&buyer=b", "buyer"),
        ("/v1/sales/club/me", "buyer"),
    ] {
        check_field(&shop, path, field).await;
    }
}

#[tokio::test]
async fn an_address_may_be_written_as_forms_write_it() {
    let shop = Shop::open(3, 300).await;
    for (path, buyer) in [
        ("/v1/sales/club/me?buyer=Zo%C3%AB+M%2B&x=%ff", "Zo\u{eb} M+"),
        ("/v1/sales/club/me?&b%75yer=a=b&", "a=b"),
    ] {
        let (status, me) = shop.merchant("GET", path, Value::Null).await;
        assert_eq!((status, &me["buyer"]), (StatusCode::OK, &json!(buyer)));
    }
}

#[tokio::test]
async fn a_word_is_a_word() {
    let shop = Shop::open(3, 300).await;
    for wrong in [json!(null), json!(1), json!({ "refuse": null })] {
        let body = json!({ "tier": "ga", "quantity": 1, "if_held": wrong });
        let answer = shop.buyer("alice", "POST", "/v1/sales/club/holds", body).await;
        assert_eq!(code(&answer), (422, "invalid_request"), "{wrong}");
        assert_eq!(answer.1["field"], "if_held");
    }
    let mut body = sale(1, 300);
    body["admission"] = Value::Null;
    let answer = shop.merchant("PUT", "/v1/sales/other", body).await;
    assert_eq!(code(&answer), (422, "invalid_request"));
    assert_eq!(answer.1["field"], "admission");
}

#[tokio::test]
async fn an_opening_is_a_time_as_the_standard_writes_it() {
    let shop = Shop::new();
    let mut body = sale(1, 300);
    body["opens_at"] = json!("2099-01-01T02:00:00+02:00");
    let (status, answer) = shop.merchant("PUT", "/v1/sales/late", body.clone()).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(answer["opens_at"], "2099-01-01T00:00:00.000Z");
    body["opens_at"] = json!("2099-01-01 00:00Z");
    let answer = shop.merchant("PUT", "/v1/sales/late", body).await;
    assert_eq!(code(&answer), (422, "invalid_request"));
    assert_eq!(answer.1["field"], "opens_at");
}

#[tokio::test]
async fn a_packed_body_is_not_called_malformed() {
    let shop = Shop::open(3, 300).await;
    for (encodings, expected) in [
        (vec!["gzip"], (415, "unsupported_media_type")),
        (vec!["identity", "br"], (415, "unsupported_media_type")),
        (vec!["identity, gzip"], (415, "unsupported_media_type")),
        (vec!["Identity"], (201, "")),
    ] {
        let mut request = Request::post("/v1/sales/club/holds")
            .header("authorization", format!("Bearer {}", token("alice")))
            .header("content-type", "application/json");
        for encoding in &encodings {
            request = request.header("content-encoding", *encoding);
        }
        let body = Body::from(json!({ "tier": "ga", "quantity": 1 }).to_string());
        let answer = read(shop.send(request.body(body).unwrap()).await).await;
        assert_eq!(code(&answer), expected, "{encodings:?}");
    }
}

/// A body that begins and never ends, and says at first how long it will be if that is known.
struct Endless {
    begins: Option<Bytes>,
    size: SizeHint,
}

impl Endless {
    fn body(size: SizeHint) -> Body {
        Body::new(Self { begins: Some(Bytes::from_static(b"{\"tier\":")), size })
    }
}

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.begins.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let shop = Shop::open(3, 300).await;
    for (size, told) in [
        (SizeHint::new(), (408, "request_timeout")),
        (SizeHint::with_exact(64 << 10), (408, "request_timeout")),
        // That it is too large is known before it comes.
        (SizeHint::with_exact((64 << 10) + 1), (413, "too_large")),
    ] {
        let begun = Instant::now();
        let request = Request::post("/v1/sales/club/holds")
            .header("authorization", format!("Bearer {}", token("alice")))
            .header("content-type", "application/json")
            .body(Endless::body(size));
        let answer = read(shop.send(request.unwrap()).await).await;
        assert_eq!(code(&answer), told);
        assert_eq!(told.0 == 408, begun.elapsed() >= BODY_DEADLINE);
    }
}
