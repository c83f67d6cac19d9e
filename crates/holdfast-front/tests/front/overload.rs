//! More than can be done: whoever has waited too long hears so at once.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use holdfast_front::{Options, Patience};

use crate::support::{BLOCK, LAST_REQUEST, NEVER, REQUEST, Running, STUCK, bind, options, rest};

/// Keeps the listener from its work for a moment.
const HARD_REQUEST: &[u8] = b"GET /block HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";

/// Asks `count` times at once; how many were answered and how many refused.
fn ask(patience: Option<Patience>, count: usize) -> (usize, usize) {
    let patient = Options { first_byte: NEVER, header: NEVER, ..options() };
    let running = Running::start(bind(Options { listeners: 1, patience, ..patient }));
    let mut crowd: Vec<TcpStream> = (0..count).map(|_| running.connect()).collect();
    for buyer in &mut crowd {
        buyer.write_all(HARD_REQUEST).unwrap();
    }
    let answers: Vec<_> = crowd.iter_mut().map(rest).collect();
    let busy = |answer: &&String| answer.starts_with("HTTP/1.1 503") && answer.ends_with("busy");
    let refused = answers.iter().filter(busy).count();
    assert_eq!(running.count("requests_shed_total"), refused as u64);

    // Once the queue is gone, everyone is answered again.
    std::thread::sleep(Duration::from_millis(100));
    let mut late = running.connect();
    late.write_all(&[REQUEST, LAST_REQUEST].concat()).unwrap();
    assert!(rest(&mut late).contains("done"));
    running.stop();
    (answers.iter().filter(|answer| answer.contains("done")).count(), refused)
}

#[test]
fn whoever_has_waited_too_long_is_refused_and_nobody_else() {
    let short = Patience { rush: BLOCK * 4, standing: BLOCK };
    let (answered, refused) = ask(Some(short), 20);
    assert_eq!(answered + refused, 20);
    assert!((4..=12).contains(&answered), "{answered}");
    // The controls: a rush that is over in time, and a server that refuses nobody.
    assert_eq!(ask(Some(Patience { rush: NEVER, standing: BLOCK }), 10), (10, 0));
    assert_eq!(ask(None, 10), (10, 0));
}

/// Asks once, and reads the answer.
fn ask_once(stream: &mut TcpStream, path: &str) {
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    assert!(stream.read(&mut [0; 1_024]).unwrap() > 0);
}

/// Asks again and again until it is told to stop, on one connection.
fn hammer(mut stream: TcpStream, path: &str, stop: &AtomicBool) {
    while !stop.load(Relaxed) {
        ask_once(&mut stream, path);
    }
}

/// What is found while forty clients hammer a path, once their queue has stood for longer than a
/// rush; and how many requests were refused.
fn beside_hammers<T>(path: &str, look: impl FnOnce(&Running) -> T) -> (T, u64) {
    let patience = Some(Patience { rush: BLOCK * 10, standing: BLOCK / 2 });
    let options = Options { listeners: 1, patience, header: NEVER, ..options() };
    let (front, stop) = (Running::start(bind(options)), AtomicBool::new(false));
    let running = &front;
    // All of them are served before the first begins.
    let mut hammers: Vec<_> = (0..40).map(|_| running.connect()).collect();
    hammers.iter_mut().for_each(|stream| ask_once(stream, "/health"));
    let stop = &stop;
    let found = thread::scope(|scope| {
        for stream in hammers {
            scope.spawn(move || hammer(stream, path, stop));
        }
        thread::sleep(BLOCK * 40);
        let found = look(running);
        stop.store(true, Relaxed);
        found
    });
    let shed = running.count("requests_shed_total");
    front.stop();
    (found, shed)
}

/// How many of twenty requests on a path are refused beside hammers on another. The buyers may close
/// their half once they have asked.
fn refused_beside_hammers(path: &str, half_close: bool) -> usize {
    let (refused, shed) = beside_hammers("/hard", |running| {
        let ask = |_| {
            let mut buyer = running.connect();
            write!(buyer, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
                .unwrap();
            if half_close {
                buyer.shutdown(Shutdown::Write).unwrap();
            }
            let is_refused = rest(&mut buyer).ends_with("busy");
            thread::sleep(Duration::from_millis(20));
            is_refused
        };
        (0..20).map(ask).filter(|is_refused| *is_refused).count()
    });
    assert!(shed > 20, "there was no overload");
    refused
}

#[test]
fn one_lanes_rush_does_not_starve_another() {
    let refused = |path| refused_beside_hammers(path, false);
    let (calm, control) = (refused("/calm"), refused("/hard"));
    assert!(calm <= control / 2, "{calm} of the other lane refused, {control} of the same");
    // The queue stands about the limit, now above it and now below.
    assert!(control >= 6, "{control} of the same lane refused");
    assert_eq!(refused("/health"), 0, "it has no lane");
}

#[test]
fn whoever_closes_their_half_is_no_worse_off() {
    let half_closed = refused_beside_hammers("/calm", true);
    assert!(half_closed <= 10, "{half_closed} of 20 refused");
}

#[test]
fn hammering_what_is_never_shed_is_no_way_around() {
    let ((), shed) = beside_hammers("/probe", |_| thread::sleep(BLOCK * 20));
    assert!(shed > 20, "{shed} refused");
}

/// How many of fifty clients, who give up while the listener is stuck, are served all the same.
fn served_for_nobody(patience: Option<Patience>) -> u64 {
    let options = Options { listeners: 1, patience, first_byte: NEVER, header: NEVER, ..options() };
    let running = Running::start(bind(options));
    let mut stuck = running.connect();
    stuck.write_all(b"GET /stuck HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").unwrap();
    thread::sleep(BLOCK);
    let mut crowd: Vec<_> = (0..51).map(|_| running.connect()).collect();
    for client in &mut crowd {
        client.write_all(LAST_REQUEST).unwrap();
    }
    let mut patient = crowd.pop().unwrap();
    thread::sleep(STUCK / 2);
    drop(crowd);
    assert!(rest(&mut patient).contains("done"), "whoever is still there is served");
    assert!(rest(&mut stuck).contains("done"));
    let given_up = running.count("connections_given_up_total");
    running.stop();
    50 - given_up
}

#[test]
fn nothing_is_done_for_whoever_has_gone() {
    assert_eq!(served_for_nobody(Some(Patience::default())), 0);
    // The control: a server that refuses nobody does not look.
    assert_eq!(served_for_nobody(None), 50);
}
