//! More than can be done: whoever has waited too long hears so at once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use holdfast_front::{Options, Patience};

use crate::support::{BLOCK, LAST_REQUEST, NEVER, REQUEST, Running, bind, connect, options, rest};

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

/// Asks again and again until it is told to stop, on one connection.
fn hammer(address: SocketAddr, stop: &AtomicBool) {
    let mut stream = connect(address).unwrap();
    let mut buffer = [0; 1_024];
    while !stop.load(Relaxed) {
        stream.write_all(b"GET /hard HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
        assert!(stream.read(&mut buffer).unwrap() > 0);
    }
}

/// How many of twenty requests on a path are refused while forty clients hammer another.
fn refused_beside_hammers(path: &str) -> usize {
    let patience = Some(Patience { rush: BLOCK * 10, standing: BLOCK / 2 });
    let options = Options { listeners: 1, patience, header: NEVER, ..options() };
    let (running, stop) = (Running::start(bind(options)), AtomicBool::new(false));
    let refused = thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| hammer(running.address, &stop));
        }
        // By then the queue has stood for longer than a rush.
        thread::sleep(BLOCK * 40);
        let mut refused = 0;
        for _ in 0..20 {
            let mut buyer = running.connect();
            write!(buyer, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
                .unwrap();
            refused += usize::from(rest(&mut buyer).ends_with("busy"));
            thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Relaxed);
        refused
    });
    assert!(running.count("requests_shed_total") > 20, "there was no overload");
    running.stop();
    refused
}

#[test]
fn one_lanes_rush_does_not_starve_another() {
    let (calm, control) = (refused_beside_hammers("/calm"), refused_beside_hammers("/hard"));
    assert!(calm <= control / 2, "{calm} of the other lane refused, {control} of the same");
    assert!(control >= 12, "{control} of the same lane refused");
    assert_eq!(refused_beside_hammers("/health"), 0, "it has no lane");
}
