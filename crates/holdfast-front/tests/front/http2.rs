//! HTTP/2 of whoever knows that we speak it, beside HTTP/1.1 on the same port.

use std::time::Duration;

use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{NEVER, Running, bind, options};
use holdfast_front::Options;

type Sender = http2::SendRequest<Empty<Bytes>>;

async fn connect(running: &Running) -> Sender {
    let stream = TcpStream::connect(running.address).await.unwrap();
    let io = TokioIo::new(stream);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn ask(mut sender: Sender) -> String {
    let request = Request::get("http://test/").body(Empty::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let running = Running::start(bind(options()));
    let sender = connect(&running).await;
    let asked: Vec<_> = (0..200).map(|_| tokio::spawn(ask(sender.clone()))).collect();
    for answer in asked {
        assert!(answer.await.unwrap().contains("done"));
    }
    assert_eq!(running.count("connections_accepted_total"), 1);
    drop(sender);
    running.stop();
}

#[tokio::test]
async fn it_is_known_by_its_first_bytes_however_they_come() {
    let running = Running::start(bind(Options { first_byte: NEVER, header: NEVER, ..options() }));
    let settings = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), settings].concat();
    let mut slow = TcpStream::connect(running.address).await.unwrap();
    slow.set_nodelay(true).unwrap();
    for byte in hello {
        slow.write_all(&[byte]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut head = [0; 9];
    slow.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "its own settings come first");

    // `P` may be the beginning of many things.
    let mut post = TcpStream::connect(running.address).await.unwrap();
    for part in [b"P".as_slice(), b"OST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"] {
        post.write_all(part).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut said = String::new();
    post.read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("done"), "{said}");
    running.stop();
}

#[tokio::test]
async fn a_stop_finishes_what_has_begun() {
    let running = Running::start(bind(options()));
    let sender = connect(&running).await;
    let asked = tokio::spawn(ask(sender.clone()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stopping = tokio::task::spawn_blocking(move || running.stop());
    assert!(asked.await.unwrap().contains("done"));
    assert!(stopping.await.unwrap() < Duration::from_secs(5));
    assert!(sender.is_closed());
}

/// A client that takes nothing of any answer, and shows again and again that it is there.
async fn connect_deaf(running: &Running) -> Sender {
    let stream = TcpStream::connect(running.address).await.unwrap();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(Duration::from_millis(100));
    let builder = builder.keep_alive_while_idle(true).initial_stream_window_size(0);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn ask_deaf(sender: &mut Sender) -> http::Response<hyper::body::Incoming> {
    let request = Request::get("http://test/").body(Empty::new()).unwrap();
    sender.send_request(request).await.unwrap()
}

#[tokio::test]
async fn whoever_takes_nothing_of_an_answer_is_let_go() {
    let write = Duration::from_millis(500);
    let running = Running::start(bind(Options { write, header: NEVER, ..options() }));
    let mut deaf = connect_deaf(&running).await;
    let answer = ask_deaf(&mut deaf).await;
    let gone = async {
        while !deaf.is_closed() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
    drop(answer);
    running.stop();
}

#[tokio::test]
async fn whoever_takes_nothing_keeps_nobody_from_a_seat_or_from_a_stop() {
    let few = Options { listeners: 1, connections: 2, write: NEVER, header: NEVER, ..options() };
    let running = Running::start(bind(few));
    let (mut one, mut two) = (connect_deaf(&running).await, connect_deaf(&running).await);
    let answers = (ask_deaf(&mut one).await, ask_deaf(&mut two).await);
    assert!(ask(connect(&running).await).await.contains("done"));
    let stopped = tokio::task::spawn_blocking(move || running.stop());
    assert!(stopped.await.unwrap() < Duration::from_secs(8));
    drop(answers);
}
