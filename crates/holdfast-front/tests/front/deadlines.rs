//! Whoever says nothing, says it slowly, or does not listen.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use holdfast_front::Options;

use crate::support::{LONG_REQUEST, NEVER, REQUEST, Running, bind, options, rest};

/// Much longer than a deadline of [`options`], much shorter than [`NEVER`].
const SOON: Duration = Duration::from_secs(5);

#[test]
fn whoever_says_nothing_or_says_it_slowly_is_let_go() {
    let running = Running::start(bind(options()));
    let (mut silent, mut slow) = (running.connect(), running.connect());
    slow.write_all(&REQUEST[..10]).unwrap();
    let begun = Instant::now();
    assert_eq!(rest(&mut silent), "");
    assert!(!rest(&mut slow).contains("done"));
    assert!(begun.elapsed() < SOON);

    // Meanwhile and afterwards, others are served.
    let mut buyer = running.connect();
    buyer.write_all(REQUEST).unwrap();
    assert!(rest(&mut buyer).contains("done"), "and closed after a second without a request");
    running.stop();
}

#[test]
fn the_first_byte_has_a_deadline_of_its_own() {
    let running = Running::start(bind(Options { header: NEVER, ..options() }));
    let begun = Instant::now();
    assert_eq!(rest(&mut running.connect()), "");
    assert!(begun.elapsed() < SOON, "the deadline of the head is not the first byte's");
    running.stop();

    let running = Running::start(bind(Options { first_byte: NEVER, ..options() }));
    let mut late = running.connect();
    std::thread::sleep(options().header * 3);
    late.write_all(REQUEST).unwrap();
    assert!(rest(&mut late).contains("done"), "nor the other way round");
    running.stop();
}

#[test]
fn whoever_closes_its_half_after_the_request_is_answered() {
    let running = Running::start(bind(options()));
    let mut buyer = running.connect();
    buyer.write_all(REQUEST).unwrap();
    buyer.shutdown(Shutdown::Write).unwrap();
    assert!(rest(&mut buyer).contains("done"));
    running.stop();
}

#[test]
fn whoever_promises_a_body_that_nobody_reads_is_answered_and_let_go() {
    let running = Running::start(bind(Options { header: NEVER, ..options() }));
    let mut buyer = running.connect();
    buyer.write_all(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\n{").unwrap();
    let begun = Instant::now();
    assert!(rest(&mut buyer).contains("done"));
    assert!(begun.elapsed() < SOON);
    running.stop();
}

/// A request whose body has so many bytes, for an answer that looks at none of them.
fn unwanted(bytes: usize) -> String {
    format!("POST /health HTTP/1.1\r\nhost: test\r\ncontent-length: {bytes}\r\n\r\n")
}

#[test]
fn whoever_reads_only_when_all_is_written_hears_that_it_was_not_wanted() {
    let running = Running::start(bind(options()));
    let mut buyer = running.connect();
    let body = vec![b'x'; 10 << 20];
    buyer.write_all(unwanted(body.len()).as_bytes()).unwrap();
    for part in body.chunks(64 << 10) {
        buyer.write_all(part).expect("the server hears the client out");
    }
    assert!(rest(&mut buyer).contains("done"));
    running.stop();
}

#[test]
fn whoever_never_stops_writing_is_let_go() {
    let running = Running::start(bind(options()));
    let mut endless = running.connect();
    endless.write_all(unwanted(1 << 40).as_bytes()).unwrap();
    let (begun, part) = (Instant::now(), vec![b'x'; 64 << 10]);
    while endless.write_all(&part).is_ok() {
        assert!(begun.elapsed() < NEVER);
    }
    running.stop();
}

/// Asks for long answers until the server no longer reads, because nobody reads them.
fn ask_without_listening(stream: &mut TcpStream) {
    stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    for _ in 0..64 {
        if stream.write_all(LONG_REQUEST).is_err() {
            break;
        }
    }
}

#[test]
fn whoever_does_not_read_its_answers_is_let_go() {
    let write = Duration::from_millis(500);
    let front = bind(Options { write, header: NEVER, listeners: 1, ..options() });
    let running = Running::start(front);
    let mut deaf = running.connect();
    ask_without_listening(&mut deaf);
    let begun = Instant::now();
    let reset = loop {
        // A connection that was let go refuses what is written to it.
        match deaf.write(b"\r\n") {
            Err(error) if error.kind() != ErrorKind::WouldBlock => break true,
            _ if begun.elapsed() > SOON => break false,
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert!(reset, "a client that does not listen is kept");
    running.stop();
}

#[test]
fn whoever_reads_slowly_gets_it_all() {
    let write = Duration::from_millis(500);
    let running = Running::start(bind(Options { write, ..options() }));
    let mut slow = running.connect();
    slow.write_all(&LONG_REQUEST.repeat(16)).unwrap();
    let (mut read, mut buffer) = (0, vec![0; 1 << 20]);
    loop {
        match slow.read(&mut buffer).unwrap() {
            0 => break,
            bytes => read += bytes,
        }
        std::thread::sleep(write / 8);
    }
    assert!(read > 16 << 20, "{read}");
    running.stop();
}
