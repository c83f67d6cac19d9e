//! Whoever scrapes: what they get of many tiers, and that nobody waits for them.

use std::fmt;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use axum::body::Body;
use holdfast_http::{LimitOptions, registry};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tower::ServiceExt;

use crate::support::{KEY, SECRET, Shop, code, read};

fn asked() -> Request<Body> {
    let request = Request::get("/metrics").header("authorization", format!("Bearer {KEY}"));
    request.body(Body::empty()).unwrap()
}

async fn scrape(shop: &Shop) -> (StatusCode, String) {
    let answer = shop.send(asked()).await;
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Something to count that takes until it is told to end; five seconds at most.
#[derive(Debug)]
struct Slow {
    begun: UnboundedSender<()>,
    end: Mutex<Receiver<()>>,
}

impl Collector for Slow {
    fn encode(&self, _: DescriptorEncoder<'_>) -> fmt::Result {
        self.begun.send(()).map_err(|_| fmt::Error)?;
        let told = self.end.lock().unwrap().recv_timeout(Duration::from_secs(5));
        told.map_err(|_| fmt::Error)
    }
}

#[tokio::test]
async fn a_buyer_is_answered_while_the_metrics_are_written() {
    let (begun, mut begins) = unbounded_channel();
    let (end, ends) = channel();
    let mut registry = registry();
    registry.register_collector(Box::new(Slow { begun, end: Mutex::new(ends) }));
    let limits = LimitOptions::default();
    let shop = Shop::scraped(&[KEY], &[SECRET], limits, registry);
    shop.open_sale(5, 300).await;
    let buy = async {
        begins.recv().await.unwrap();
        let (status, _) = shop.reserve("alice", "ga", 1).await;
        assert_eq!(status, StatusCode::CREATED);
        end.send(()).is_ok()
    };
    let ((status, text), bought) = tokio::join!(scrape(&shop), buy);
    assert!(bought && status == StatusCode::OK, "the buyer waited for who scrapes: {text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn of_very_many_tiers_it_is_said_how_many_are_left_out() {
    let shop = Shop::new();
    let price = json!({ "amount": 100, "currency": "EUR" });
    let tier =
        |number| json!({ "id": format!("t{number}"), "name": "T", "capacity": 7, "price": price });
    let tiers: Vec<Value> = (0..100).map(tier).collect();
    for number in 0..22 {
        let sale = json!({ "name": "Many", "tiers": tiers });
        let path = format!("/v1/sales/s{number:02}");
        assert_eq!(shop.merchant("PUT", &path, sale).await.0, StatusCode::CREATED);
        let left_out = match number {
            19 => "holdfast_tiers_left_out 0",
            21 => "holdfast_tiers_left_out 200",
            _ => continue,
        };
        let (_, text) = scrape(&shop).await;
        assert!(text.lines().any(|line| line == left_out), "{left_out} after {number}");
        let shown =
            |sale: &str| text.contains(&format!("holdfast_units{{sale=\"{sale}\",tier=\"t99\""));
        assert!(shown("s00") && shown("s19") && !shown("s20"));
    }
}

#[tokio::test]
async fn who_asks_and_takes_no_answer_costs_no_more_than_four_texts() {
    let shop = Shop::new();
    let mut untaken = Vec::new();
    for _ in 0..4 {
        let answer = shop.router().oneshot(asked()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        untaken.push(answer);
    }
    let answer = shop.send(asked()).await;
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(code(&read(answer).await), (503, "overloaded"));
    untaken.pop();
    assert_eq!(scrape(&shop).await.0, StatusCode::OK);
    // Whoever takes their answers is never refused.
    for _ in 0..8 {
        assert_eq!(scrape(&shop).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_text_counts_while_it_is_written_also_when_who_asked_has_gone() {
    let (begun, mut begins) = unbounded_channel();
    let (end, ends) = channel();
    let mut registry = registry();
    registry.register_collector(Box::new(Slow { begun, end: Mutex::new(ends) }));
    let shop = Shop::scraped(&[KEY], &[SECRET], LimitOptions::default(), registry);
    for _ in 0..4 {
        let gone = tokio::spawn(shop.router().oneshot(asked()));
        begins.recv().await.unwrap();
        gone.abort();
        assert!(gone.await.is_err());
    }
    assert_eq!(code(&read(shop.send(asked()).await).await), (503, "overloaded"));
    (0..5).for_each(|_| end.send(()).unwrap());
    while scrape(&shop).await.0 != StatusCode::OK {
        tokio::task::yield_now().await;
    }
}
