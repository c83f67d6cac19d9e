//! What a bank does not take, and what a client does not take from a bank.

use holdfast_checkout::provider::simulated::{Client, ClientOptions};
use holdfast_checkout::provider::{Provider, ProviderError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Peer, charge, options, reference};

#[tokio::test]
async fn nobody_without_the_secret_is_told_anything() {
    let peer = Peer::start(options()).await;
    let body = r#"{"reference":"hold_a","amount":1,"currency":"EUR"}"#;
    for (method, path) in [
        ("POST", "/payments"),
        ("GET", "/payments"),
        ("POST", "/payments/hold_a/capture"),
        ("GET", "/manners"),
        ("PUT", "/manners"),
        ("GET", "/"),
    ] {
        for header in
            [None, Some("Bearer"), Some("Bearer wrong"), Some("Basic a-secret-of-the-bank")]
        {
            let headers: Vec<_> =
                header.map(|value| ("authorization", value)).into_iter().collect();
            let reply = peer.raw(method, path, &headers, body).await.unwrap();
            assert_eq!(reply.status, 401, "{method} {path} {header:?}");
        }
    }
    assert!(peer.payments().await.is_empty());
    let client = Client::new(&peer.url, "wrong", ClientOptions::default()).unwrap();
    for error in [
        client.authorise(&charge("hold_a"), 0).await.unwrap_err(),
        client.find(&reference("hold_a")).await.unwrap_err(),
    ] {
        let ProviderError::Broken(why) = error else { panic!("{error}") };
        assert!(why.contains("401") && why.contains("the provider's secret"), "{why}");
    }
}

#[tokio::test]
async fn bad_requests_are_refused_with_what_is_wrong() {
    let peer = Peer::start(options()).await;
    let good = r#"{"reference":"a","amount":1,"currency":"EUR"}"#;
    let long_key = "k".repeat(256);
    for (path, key, body, words) in [
        ("/payments", "", "", "the body"),
        ("/payments", "", "[]", "the body"),
        ("/payments", "", r#"{"reference":"a","amount":1}"#, "currency"),
        ("/payments", "", r#"{"reference":"a b","amount":1,"currency":"EUR"}"#, "visible ASCII"),
        ("/payments", "", r#"{"reference":"a","amount":-1,"currency":"EUR"}"#, "-1"),
        ("/payments", "", r#"{"reference":"a","amount":1,"currency":"eur"}"#, "capital"),
        (
            "/payments",
            "",
            r#"{"reference":"a","amount":1,"currency":"EUR","manner":"x"}"#,
            "decline",
        ),
        ("/payments", "", r#"{"reference":"a","amount":1,"currency":"EUR","maner":"x"}"#, "maner"),
        (
            "/payments",
            "",
            r#"{"reference":"a","amount":1,"currency":"EUR","manner":"late","late_ms":86400001}"#,
            "86400000",
        ),
        ("/payments", &long_key, good, "Idempotency-Key"),
        ("/payments/a/capture", "", r#"{"amount":1}"#, "amount"),
    ] {
        let reply = peer.ask("POST", path, key, body).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.text);
        assert!(reply.text.contains(words), "{body}: {}", reply.text);
    }
    for (query, words) in [
        ("reference=a&limit=1", "stands alone"),
        ("limit=0", "1 to 100"),
        ("limit=101", "1 to 100"),
        ("limit=x", "1 to 100"),
        ("limt=1", "limt"),
        ("limit=1&limit=2", "twice"),
    ] {
        let reply = peer.ask("GET", &format!("/payments?{query}"), "", "").await;
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.text.contains(words), "{query}: {}", reply.text);
    }
    for path in ["/", "/payments/a", "/payments/a/settle"] {
        let reply = peer.ask("POST", path, "", "").await;
        assert!(reply.status == 404, "{path} {}", reply.status);
    }
    assert!(peer.payments().await.is_empty());
}

#[tokio::test]
async fn a_body_without_end_is_refused() {
    let peer = Peer::start(options()).await;
    let reply = peer.ask("POST", "/payments", "", &" ".repeat(70_000)).await;
    assert_eq!(reply.status, 400);
}

/// Something that answers every request so.
async fn impostor(answer: &'static str) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            while let Ok(1..) = stream.read(&mut request).await {
                let length = answer.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
                let answer = answer.replace("LENGTH", &length.to_string());
                let _ = stream.write_all(answer.as_bytes()).await;
                if answer.contains("connection: close") {
                    break;
                }
            }
        }
    });
    Client::new(&url, "secret", ClientOptions::default()).unwrap()
}

#[tokio::test]
async fn a_client_takes_nothing_for_a_payment_that_is_not_one() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n\r\nhello",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\ncontent-length: LENGTH\r\n\r\n<html>",
        "HTTP/1.1 409 Conflict\r\ncontent-length: LENGTH\r\n\r\n{\"message\":\"no\"}",
        // Another one's payment.
        "HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n\r\n{\"id\":\"pay_1\",\"reference\":\"hold_b\",\
         \"amount\":4500,\"currency\":\"EUR\",\"status\":\"authorised\"}",
        // A status that nobody knows.
        "HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n\r\n{\"id\":\"pay_1\",\"reference\":\"hold_a\",\
         \"amount\":4500,\"currency\":\"EUR\",\"status\":\"perhaps\"}",
    ] {
        let client = impostor(answer).await;
        let said = client.authorise(&charge("hold_a"), 0).await;
        assert!(matches!(said, Err(ProviderError::Broken(_))), "{answer}: {said:?}");
        let found = client.find(&reference("hold_a")).await;
        assert!(matches!(found, Err(ProviderError::Broken(_))), "{answer}: {found:?}");
    }
    // Control: the right one is taken.
    let client = impostor(
        "HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n\r\n{\"id\":\"pay_1\",\"reference\":\"hold_a\",\
         \"amount\":4500,\"currency\":\"EUR\",\"status\":\"authorised\",\"new\":1}",
    );
    assert!(client.await.authorise(&charge("hold_a"), 0).await.is_ok());
    // An answer that breaks off may stand for anything.
    let client =
        impostor("HTTP/1.1 200 OK\r\ncontent-length: 99\r\nconnection: close\r\n\r\n{").await;
    let cut = client.authorise(&charge("hold_a"), 0).await;
    assert!(matches!(cut, Err(ProviderError::Unknown(_))), "{cut:?}");
}

#[tokio::test]
async fn nobody_there_is_an_unknown_outcome() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&url, "secret", ClientOptions::default()).unwrap();
    let said = client.authorise(&charge("hold_a"), 0).await;
    assert!(matches!(said, Err(ProviderError::Unknown(_))), "{said:?}");
}
