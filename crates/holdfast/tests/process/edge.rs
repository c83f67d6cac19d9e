//! The edge of a real server: slow clients, limits by network, metrics, and what it never logs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{KEY, Server, ask_as, command, holdfast, reserve, signal, wait_for};

/// One request with these header lines; its status and all that was said.
fn get(address: &str, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}\r\n")
        .unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let status = said.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_default(), said)
}

/// A counter or gauge among the metrics.
pub(crate) fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

pub(crate) fn metrics(address: &str) -> String {
    let key = format!("authorization: Bearer {KEY}\r\n");
    let (status, text) = get(address, "/metrics", &key);
    assert_eq!(status, 200, "{text}");
    text
}

/// Clients that connect and say next to nothing, each in one of four ways.
fn slow_clients(address: &str, count: usize) -> Vec<TcpStream> {
    let words: [&[u8]; 4] = [
        b"",
        b"P",
        b"POST /v1/sales/club/holds HTTP/1.1\r\nhost: te",
        b"POST /v1/sales/club/holds HTTP/1.1\r\nhost: test\r\nauthorization: Bearer \
          a-merchant-key-for-tests\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{",
    ];
    let join = |at: usize| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(words[at % words.len()]).unwrap();
        stream
    };
    (0..count).map(join).collect()
}

#[test]
fn buyers_do_not_notice_two_thousand_slow_clients_and_too_few_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    // The limit is in force from the start: some of the 2,000 find no room.
    let mut limited = Command::new("prlimit");
    limited.args(["--nofile=600:600", env!("CARGO_BIN_EXE_holdfast"), "serve", "--listen"]);
    limited.args(["127.0.0.1:0", "--data-dir"]).arg(folder.path());
    limited.env("HOLDFAST_MERCHANT_KEY", KEY).env("RUST_LOG", "off");
    let server = Server::spawn(&mut limited);
    server.open_sale(200, 86_400);
    let slow = slow_clients(&server.address, 2_000);
    let mut slowest = Duration::ZERO;
    for number in 0..200 {
        let begun = Instant::now();
        let (status, _) = reserve(&server.address, &format!("buyer-{number}")).unwrap();
        assert_eq!(status, 201);
        slowest = slowest.max(begun.elapsed());
    }
    println!("200 buyers among 2,000 slow clients: the slowest waited {slowest:?}");
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    let text = metrics(&server.address);
    assert!(metric(&text, "holdfast_connections_evicted_total").unwrap() >= 1_000.0);
    let open = metric(&text, "holdfast_open_files").unwrap();
    assert!(open < 600.0, "{open} of 600");
    drop(slow);
}

#[test]
fn a_network_is_limited_where_that_is_set_and_proxies_are_believed_only_by_name() {
    let serve = |proxies: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(folder.path());
        command.args(["--limit-network", "5/h"]).args(proxies);
        (Server::spawn(&mut command), folder)
    };
    let ask = |server: &Server, client: &str| {
        get(&server.address, "/openapi.json", &format!("x-forwarded-for: {client}\r\n")).0
    };
    let (server, _folder) = serve(&["--trusted-proxy", "127.0.0.0/8"]);
    let answers: Vec<u16> = (0..11).map(|_| ask(&server, "192.0.2.1")).collect();
    assert_eq!((answers[9], answers[10]), (200, 429), "twice five at once, and no more");
    assert_eq!(ask(&server, "192.0.2.2"), 200, "another network is not limited");
    assert_eq!(ask(&server, "192.0.2.2, 192.0.2.1"), 429, "the proxy saw the last one");
    let in_net = |last: u32| ask(&server, &format!("2001:db8:0:1::{last:x}"));
    let answers: Vec<u16> = (1..=11).map(in_net).collect();
    assert_eq!((answers[9], answers[10]), (200, 429), "a /64 is one network");
    assert_eq!(ask(&server, "2001:db8:0:2::1"), 200);
    let health = |_| get(&server.address, "/healthz", "x-forwarded-for: 192.0.2.1\r\n").0;
    assert!((0..20).map(health).all(|status| status == 200), "a server is not taken for dead");

    let (server, _folder) = serve(&[]);
    let answers: Vec<u16> =
        (0..11).map(|number| ask(&server, &format!("192.0.2.{number}"))).collect();
    assert_eq!(answers[10], 429, "what nobody named says is not believed");
}

#[test]
fn metrics_are_for_merchants_or_at_an_address_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.open_sale(5, 86_400);
    reserve(&server.address, "alice").unwrap();
    assert_eq!(get(&server.address, "/metrics", "").0, 401);
    let text = metrics(&server.address);
    for (name, value) in [
        ("holdfast_answers_total{code=\"201\"}", 2.0),
        ("holdfast_answers_total{code=\"unauthorised\"}", 1.0),
        ("holdfast_answer_seconds_count{kind=\"reserve\"}", 1.0),
        ("holdfast_units{sale=\"club\",tier=\"ga\",state=\"held\"}", 1.0),
        ("holdfast_units{sale=\"club\",tier=\"ga\",state=\"free\"}", 4.0),
        ("holdfast_requests_shed_total", 0.0),
    ] {
        assert_eq!(metric(&text, name), Some(value), "{name} in {text}");
    }
    for name in
        ["holdfast_connections_accepted_total", "holdfast_open_files", "holdfast_cpu_seconds_total"]
    {
        assert!(metric(&text, name).is_some_and(|value| value > 0.0), "{name} in {text}");
    }
    assert!(text.ends_with("# EOF\n"));
    assert!(!text.contains("alice"));

    let folder = tempfile::tempdir().unwrap();
    let own = free_address();
    let server = Server::spawn(command(folder.path()).args(["--metrics-listen", &own]));
    wait_for("the metrics are there", || TcpStream::connect(&own).ok());
    assert_eq!(get(&own, "/metrics", "").0, 200);
    assert_eq!(get(&own, "/v1/sales", "").0, 404);
    let key = format!("authorization: Bearer {KEY}\r\n");
    let (status, said) = get(&server.address, "/metrics", &key);
    assert_eq!(status, 404);
    assert!(said.contains("see --metrics-listen") && !said.contains(&own), "{said}");
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A secret of the merchant's shop that signs for buyers.
const SECRET: &str = "the-shop-signs-with-this-secret-of-32-bytes";

fn token(folder: &Path, key: &Path) -> String {
    let mut command = holdfast(folder);
    let output =
        command.args(["token", "--buyer", "alice-the-buyer", "--buyer-key"]).arg(key).output();
    String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn no_key_token_or_buyer_is_in_a_log_however_much_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("buyer.key");
    std::fs::write(&key, SECRET).unwrap();
    let token = token(folder.path(), &key);
    let mut serve = command(&folder.path().join("data"));
    serve.env("RUST_LOG", "trace").stderr(Stdio::piped()).arg("--buyer-key").arg(&key);
    let mut server = Server::spawn(&mut serve);
    let mut stderr = server.child.stderr.take().unwrap();
    let log = std::thread::spawn(move || {
        let mut log = String::new();
        stderr.read_to_string(&mut log).unwrap();
        log
    });
    server.open_sale(5, 86_400);
    let body = json!({ "tier": "ga", "quantity": 1 });
    let path = "/v1/sales/club/holds";
    let (status, hold) = ask_as(&token, &server.address, "POST", path, &body).unwrap();
    assert_eq!(status, 201);
    let id = hold["id"].as_str().unwrap().to_owned();
    ask_as(&token, &server.address, "GET", &format!("/v1/holds/{id}"), &Value::Null).unwrap();
    ask_as("a-wrong-key-of-some-length", &server.address, "GET", "/v1/sales", &Value::Null)
        .unwrap();
    http2_with_token(&server.address, &token);
    reserve(&server.address, "bob-the-buyer").unwrap();
    signal(&server.child, "-TERM");
    server.child.wait().unwrap();
    let log = log.join().unwrap();
    assert!(log.contains("TRACE"), "the control: much is logged");
    for secret in
        [KEY, SECRET, "a-wrong-key-of-some-length", &token, "alice-the-buyer", "bob-the-buyer", &id]
    {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}

/// Asks over HTTP/2, with curl, which `./verify` installs.
fn http2_with_token(address: &str, token: &str) {
    let curl = Command::new("curl")
        .args([
            "-s",
            "--http2-prior-knowledge",
            "-o",
            "/dev/null",
            "-w",
            "%{http_version} %{http_code}",
        ])
        .args(["-H", &format!("authorization: Bearer {token}")])
        .arg(format!("http://{address}/v1/sales/club/me"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(curl.stdout).unwrap(), "2 200");
}
