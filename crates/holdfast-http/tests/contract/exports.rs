//! A sale's orders as a whole: as CSV and as lines of JSON, never a part that looks like all.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::Duration;

use axum::body::Body;
use holdfast_front::{Front, Stop};
use holdfast_http::Site;
use http::{Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{KEY, Shop, code, read};

const CSV: &str = "text/csv";
const LINES: &str = "application/x-ndjson";

fn request(path: &str, accept: &str) -> Request<Body> {
    Request::get(path)
        .header("authorization", format!("Bearer {KEY}"))
        .header("accept", accept)
        .body(Body::empty())
        .unwrap()
}

async fn text(answer: Response<Body>) -> String {
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "private, no-store");
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn export(shop: &Shop, accept: &str) -> String {
    text(shop.send(request("/v1/sales/club/orders", accept)).await).await
}

#[tokio::test]
async fn a_spreadsheet_gets_cells_and_no_formulas() {
    let shop = Shop::open(5, 300).await;
    let buyer = r#"=HYPERLINK("http://x","y")"#;
    let (order, hold) = shop.buy(buyer, 2).await;
    shop.merchant("POST", &format!("{order}/refund"), json!({ "reason": "ill, \"very\"" })).await;
    shop.payment(&hold, "refunded").await;
    let csv = export(&shop, CSV).await;
    let (head, line) = csv.split_once("\r\n").unwrap();
    assert_eq!(
        head,
        "number,id,sale,hold,buyer,tier,quantity,amount,currency,status,provider,reason,\
         created_at,changed_at,refund_asked_at,metadata"
    );
    let (_, order) = shop.merchant("GET", &order, Value::Null).await;
    let field = |name: &str| order[name].as_str().unwrap().to_owned();
    let expected = [
        "1".to_owned(),
        field("id"),
        "club".to_owned(),
        field("hold"),
        r#""'=HYPERLINK(""http://x"",""y"")""#.to_owned(),
        "ga,2,9000,EUR,refunded,simulated".to_owned(),
        r#""ill, ""very""""#.to_owned(),
        field("created_at"),
        field("changed_at"),
        field("refund_asked_at"),
    ];
    assert_eq!(line, format!("{},\r\n", expected.join(",")));
}

#[tokio::test]
async fn a_line_is_an_order_as_it_is_shown_also_with_breaks_in_its_data() {
    let shop = Shop::open(5, 300).await;
    let (_, hold) = shop.reserve("alice", "ga", 1).await;
    let hold = format!("/v1/holds/{}", hold["id"].as_str().unwrap());
    let checkout = Request::post(format!("{hold}/checkout"))
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .body(Body::from("{\"metadata\":{\r\n  \"note\": \"a\\nb\",\n\"n\": 1.50}}"));
    assert_eq!(read(shop.send(checkout.unwrap()).await).await.0, StatusCode::OK);
    shop.paid(&hold).await;
    shop.buy("bob", 1).await;
    let lines = export(&shop, LINES).await;
    let orders: Vec<Value> = lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(orders.len(), 2);
    assert_eq!(orders[0]["metadata"], json!({ "note": "a\nb", "n": 1.5 }));
    let (_, page) = shop.merchant("GET", "/v1/sales/club/orders", Value::Null).await;
    assert_eq!(json!(orders), page["items"]);
}

#[tokio::test]
async fn all_orders_are_there_once_and_in_order() {
    let shop = Shop::open(5, 300).await;
    assert_eq!(export(&shop, LINES).await, "");
    assert_eq!(export(&shop, CSV).await.lines().count(), 1);
    shop.record(600, 0).await;
    let numbers: Vec<u64> = export(&shop, LINES)
        .await
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=600).collect::<Vec<_>>());
    let csv = export(&shop, CSV).await;
    assert_eq!(csv.lines().skip(1).filter_map(|line| line.split(',').next()).count(), 600);
    assert!(csv.ends_with("\r\n"));
    let later = request("/v1/sales/club/orders?after=590&limit=3", LINES);
    assert_eq!(text(shop.send(later).await).await.lines().count(), 10, "limit is for pages");
}

#[tokio::test]
async fn what_is_liked_best_is_given() {
    let shop = Shop::open(5, 300).await;
    let csv = "text/csv; charset=utf-8";
    for (accept, kind) in [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("application/json, text/csv", "application/json"),
        ("text/csv, application/json", csv),
        ("TEXT/CSV", csv),
        ("application/json;q=0.5, text/csv; header=present; q=0.9", csv),
        ("text/csv;q=0, */*", "application/json"),
        ("text/csv;q=0.1, application/x-ndjson", LINES),
    ] {
        let answer = shop.send(request("/v1/sales/club/orders", accept)).await;
        assert_eq!(answer.headers()["content-type"], kind, "{accept}");
    }
}

#[tokio::test]
async fn a_ledger_that_does_not_answer_is_a_problem_and_no_empty_list() {
    let mut shop = Shop::open(5, 300).await;
    shop.stop_till();
    for accept in [CSV, LINES] {
        let answer = shop.send(request("/v1/sales/club/orders", accept)).await;
        assert_eq!(code(&read(answer).await), (503, "overloaded"));
    }
}

#[tokio::test]
async fn whoever_could_not_tell_a_part_from_all_gets_none() {
    let shop = Shop::open(5, 300).await;
    let mut old = request("/v1/sales/club/orders", CSV);
    *old.version_mut() = Version::HTTP_10;
    let answer = read(shop.send(old).await).await;
    assert_eq!((code(&answer), &answer.1["field"]), ((422, "invalid_request"), &json!("Accept")));
}

#[tokio::test]
async fn a_list_that_breaks_off_ends_by_an_error() {
    let mut shop = Shop::open(5, 300).await;
    shop.record(600, 0).await;
    let answer = shop.router().oneshot(request("/v1/sales/club/orders", LINES)).await.unwrap();
    let mut body = answer.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    shop.stop_till();
    assert!(body.frame().await.unwrap().is_err());
}

/// What a client gets that begins to read only after something has happened.
fn download(address: std::net::SocketAddr, meanwhile: impl FnOnce()) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = "GET /v1/sales/club/orders HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n";
    let head = format!("{head}authorization: Bearer {KEY}\r\naccept: {LINES}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0];
    stream.read_exact(&mut first).unwrap();
    meanwhile();
    let mut answer = first.to_vec();
    // A connection that is reset is broken too.
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    answer
}

/// On a real connection: the end of the list is said, or it has none.
#[tokio::test]
async fn a_connection_breaks_under_a_list_that_breaks_off() {
    const END: &[u8] = b"\r\n0\r\n\r\n";
    let mut shop = Shop::open(5, 300).await;
    // More than the connection's buffers hold: 20 MB.
    shop.record(600, 32 << 10).await;
    let front = Front::bind((Ipv4Addr::LOCALHOST, 0).into(), holdfast_front::Options::default());
    let (front, stop, app) = (front.unwrap(), Stop::new(), shop.app.clone());
    let (address, told) = (front.address(), stop.clone());
    let served = thread::spawn(move || front.run(&move || Site::on_this_runtime(&app), &told));
    // The control.
    let whole = download(address, || {});
    assert!(whole.ends_with(END) && whole.len() > 600 * (32 << 10));
    let part = download(address, || shop.stop_till());
    assert!(!part.ends_with(END) && part.len() < whole.len(), "{} bytes", part.len());
    stop.stop();
    served.join().unwrap().unwrap();
}
