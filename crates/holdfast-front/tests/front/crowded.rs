//! No seat is free: whoever keeps the server waiting longest makes room.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use holdfast_front::Options;

use crate::support::{HUGE, LAST_REQUEST, NEVER, REQUEST, Running, WORK, bind, options, rest};

const SEATS: usize = 50;

/// Few seats, and nobody goes because of a deadline.
fn few_seats() -> Running {
    let patient = Options { first_byte: NEVER, header: NEVER, ..options() };
    Running::start(bind(Options { listeners: 1, connections: SEATS, ..patient }))
}

/// A crowd larger than the seats, of which each says `words` and no more.
fn crowd(running: &Running, words: &[u8]) -> Vec<TcpStream> {
    let join = |_| {
        let mut stream = running.connect();
        stream.write_all(words).unwrap();
        stream
    };
    (0..SEATS * 4).map(join).collect()
}

fn is_served(running: &Running) -> bool {
    let mut buyer = running.connect();
    buyer.write_all(LAST_REQUEST).unwrap();
    rest(&mut buyer).contains("done")
}

#[test]
fn a_buyer_does_not_notice_those_that_say_nothing_or_not_enough() {
    let slow_body = b"POST /body HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\n{";
    for words in [b"".as_slice(), b"G", &REQUEST[..10], slow_body] {
        let running = few_seats();
        let slow = crowd(&running, words);
        let begun = Instant::now();
        let served = (0..3).filter(|_| is_served(&running)).count();
        assert_eq!(served, 3, "{}", String::from_utf8_lossy(words));
        assert!(begun.elapsed() < Duration::from_secs(8));
        assert!(running.count("connections_open") <= SEATS as u64);
        assert!(running.count("connections_evicted_total") >= SEATS as u64 * 3);
        drop(slow);
        running.stop();
    }
}

#[test]
fn whoever_waits_for_an_answer_does_not_go() {
    let running = few_seats();
    let begun = Instant::now();
    let mut buyers = crowd(&running, LAST_REQUEST);
    let rounds = buyers.chunks_mut(SEATS).map(|round| {
        // Whoever has been answered goes for those that are not.
        round.iter_mut().map(rest).filter(|answer| answer.contains("done")).count()
    });
    assert_eq!(rounds.collect::<Vec<_>>(), [SEATS; 4]);
    assert!(begun.elapsed() >= WORK * 4, "they were served {SEATS} at a time");
    running.stop();
}

#[test]
fn whoever_has_asked_just_before_it_goes_is_answered() {
    let running = few_seats();
    let mut old: Vec<_> = (0..SEATS).map(|_| running.connect()).collect();
    thread::sleep(Duration::from_millis(50));
    // Everyone asks at once, the old first: the new ones find no seat.
    for stream in &mut old {
        stream.write_all(LAST_REQUEST).unwrap();
    }
    let served = (0..3).filter(|_| is_served(&running)).count();
    assert_eq!(served, 3);
    let answers: Vec<_> = old.iter_mut().map(rest).collect();
    let lost: Vec<_> = answers.iter().filter(|answer| !answer.contains("done")).collect();
    assert!(lost.is_empty(), "{} lost: {lost:?}", lost.len());
    running.stop();
}

#[test]
fn whoever_takes_a_long_answer_gets_it_whole_however_many_come() {
    let running = few_seats();
    let mut reader = running.connect();
    reader.write_all(b"GET /huge HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").unwrap();
    let (mut read, mut part, mut silent) = (0, vec![0; 1 << 20], Vec::new());
    loop {
        match reader.read(&mut part) {
            Ok(0) => break,
            Ok(bytes) => read += bytes,
            Err(error) => panic!("cut off after {read} bytes: {error}"),
        }
        // All of these want a seat, and are younger than the answer.
        silent.extend((0..4).map(|_| running.connect()));
        thread::sleep(Duration::from_millis(5));
    }
    assert!(read > HUGE, "{read}");
    assert!(running.count("connections_evicted_total") > 0, "there was no crowd");
    running.stop();
}
