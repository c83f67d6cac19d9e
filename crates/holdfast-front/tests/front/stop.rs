//! A stop: whoever has asked is answered, nobody else is waited for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use holdfast_front::Options;

use crate::support::{NEVER, REQUEST, Running, bind, connect, options, rest};

/// Deadlines that play no part.
fn patient() -> Options {
    Options { first_byte: NEVER, header: NEVER, ..options() }
}

/// Reads one short answer and leaves the connection open.
fn read_answer(stream: &mut TcpStream) {
    let (mut said, mut buffer) = (Vec::new(), [0; 256]);
    while !String::from_utf8_lossy(&said).contains("done by front-") {
        let bytes = stream.read(&mut buffer).unwrap();
        assert!(bytes > 0, "closed before the answer");
        said.extend_from_slice(&buffer[..bytes]);
    }
}

#[test]
fn a_stop_finishes_what_has_begun_and_waits_for_nobody_else() {
    let running = Running::start(bind(patient()));
    let (mut busy, mut idle, mut silent) =
        (running.connect(), running.connect(), running.connect());
    idle.write_all(REQUEST).unwrap();
    read_answer(&mut idle);
    busy.write_all(REQUEST).unwrap();
    thread::sleep(Duration::from_millis(100));

    let address = running.address;
    let took = running.stop();
    let answer = rest(&mut busy);
    assert!(answer.contains("done") && answer.contains("connection: close"), "{answer}");
    assert!(!rest(&mut idle).contains("HTTP"));
    assert_eq!(rest(&mut silent), "");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(connect(address).is_err(), "nobody listens any more");
}

#[test]
fn whoever_asked_before_the_stop_is_answered() {
    // Some are new, some have asked before. The stop comes while the server is still busy with
    // them, and so finds them in every state.
    for round in 0..5 {
        let running = Running::start(bind(patient()));
        let mut buyers: Vec<_> = (0..100).map(|_| running.connect()).collect();
        for buyer in &mut buyers {
            buyer.write_all(REQUEST).unwrap();
        }
        buyers.iter_mut().for_each(read_answer);
        buyers.extend((0..900).map(|_| running.connect()));
        for buyer in &mut buyers {
            buyer.write_all(REQUEST).unwrap();
        }
        let stopping = thread::spawn(move || running.stop());
        let answers = buyers.iter_mut().map(rest);
        let lost = answers.filter(|answer| !answer.contains("done")).count();
        assert_eq!(lost, 0, "round {round}");
        assert!(stopping.join().unwrap() < Duration::from_secs(8));
    }
}

#[test]
fn whoever_waits_in_the_backlog_is_answered() {
    let front = bind(patient());
    // Nobody has accepted them when the stop is given.
    let mut buyers: Vec<_> = (0..500).map(|_| connect(front.address()).unwrap()).collect();
    for buyer in &mut buyers {
        buyer.write_all(REQUEST).unwrap();
    }
    Running::start(front).stop();
    for buyer in &mut buyers {
        assert!(rest(buyer).contains("done"));
    }
}

#[test]
fn a_stream_that_would_go_on_for_ever_ends_with_the_server() {
    let running = Running::start(bind(patient()));
    let mut listener = running.connect();
    listener.write_all(b"GET /stream HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    let mut head = [0; 256];
    let read = listener.read(&mut head).unwrap();
    assert!(head[..read].starts_with(b"HTTP/1.1 200"));
    assert!(running.stop() < Duration::from_secs(5));
    assert!(rest(&mut listener).ends_with("0\r\n\r\n"), "it ends as a whole, and is not cut off");
}
