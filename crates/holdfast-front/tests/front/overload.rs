//! More than can be done: whoever has waited too long hears so at once.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use holdfast_front::{Options, Patience};

use crate::support::{BLOCK, LAST_REQUEST, NEVER, REQUEST, Running, bind, options, rest};

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
