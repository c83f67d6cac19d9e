//! The front door on real sockets: a rush, silence, slowness, a stop, a lack of descriptors.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::convert::Infallible;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use holdfast_front::{Front, Options, Stop};
use http::{Request, Response};
use hyper::body::Incoming;
use tower::service_fn;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// How long the service takes over a request.
const WORK: Duration = Duration::from_millis(300);

/// Deadlines short enough to wait for, long enough for a busy machine.
fn options() -> Options {
    let half_second = Duration::from_millis(500);
    Options { listeners: 2, first_byte: half_second, header: half_second, ..Options::default() }
}

fn bind(options: Options) -> Front {
    Front::bind((Ipv4Addr::LOCALHOST, 0).into(), options).unwrap()
}

/// A front at work.
struct Running {
    address: SocketAddr,
    stop: Stop,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Running {
    fn start(front: Front) -> Self {
        let (address, stop) = (front.address(), Stop::new());
        let told = stop.clone();
        let make = || {
            service_fn(|_: Request<Incoming>| async {
                tokio::time::sleep(WORK).await;
                Ok::<_, Infallible>(Response::new(String::from("done")))
            })
        };
        let thread = thread::spawn(move || front.run(&make, &told));
        Self { address, stop, thread }
    }

    fn connect(&self) -> TcpStream {
        connect(self.address).unwrap()
    }

    /// Stops it, and says how long that took.
    fn stop(self) -> Duration {
        let begun = Instant::now();
        self.stop.stop();
        self.thread.join().unwrap().unwrap();
        begun.elapsed()
    }
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

/// What the peer says until it closes.
fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection stays open: {error}"),
    }
    String::from_utf8(said).unwrap()
}

/// How many of a rush the kernel takes while nobody accepts.
fn taken(address: SocketAddr) -> usize {
    let mut rush = Vec::new();
    while rush.len() < 1_000 {
        let Ok(stream) = connect(address) else { break };
        rush.push(stream);
    }
    rush.len()
}

#[test]
fn a_rush_waits_in_the_backlog_where_a_common_listener_turns_it_away() {
    let front = bind(Options { listeners: 1, ..options() });
    assert_eq!(taken(front.address()), 1_000);
    let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    assert!(taken(control.local_addr().unwrap()) < 1_000);
}

#[test]
fn whoever_says_nothing_or_says_it_slowly_is_let_go() {
    let running = Running::start(bind(options()));
    let (mut silent, mut slow) = (running.connect(), running.connect());
    slow.write_all(&REQUEST[..10]).unwrap();
    let begun = Instant::now();
    assert_eq!(rest(&mut silent), "");
    assert!(!rest(&mut slow).contains("done"));
    assert!(begun.elapsed() < Duration::from_secs(5));

    // Meanwhile and afterwards, others are served.
    let mut buyer = running.connect();
    buyer.write_all(REQUEST).unwrap();
    assert!(rest(&mut buyer).ends_with("done"), "and closed after a second without a request");
    running.stop();
}

#[test]
fn a_stop_finishes_what_has_begun_and_waits_for_nobody_else() {
    let patient = Duration::from_secs(60);
    let front = bind(Options { first_byte: patient, header: patient, ..options() });
    let running = Running::start(front);
    let (mut busy, mut idle, mut silent) =
        (running.connect(), running.connect(), running.connect());
    idle.write_all(REQUEST).unwrap();
    let mut answer = [0; 64];
    assert!(idle.read(&mut answer).unwrap() > 0);
    busy.write_all(REQUEST).unwrap();
    thread::sleep(WORK / 3);

    let address = running.address;
    let took = running.stop();
    assert!(rest(&mut busy).ends_with("done"));
    assert!(!rest(&mut idle).contains("HTTP"));
    assert_eq!(rest(&mut silent), "");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(connect(address).is_err(), "nobody listens any more");
}
