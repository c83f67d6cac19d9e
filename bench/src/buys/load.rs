//! The load: callers in a closed loop on one thread, each with one request at a time.
//!
//! The thread never sleeps. So a server that answers never has to wake it, which would cost the
//! server an interrupt to another core and hide how fast it is behind how tired the load is.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use holdfast_testkit::interrupt;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use super::cpu::Reading;
use super::requests::Requests;

/// Source addresses on loopback: one address pair has only some 28,000 ports.
const SOURCES: usize = 64;
const HEADERS_MAX: usize = 32;
/// A server that says nothing for so long is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// How to ask.
pub(super) struct Plan {
    pub(super) connections: usize,
    /// Whether each request has a connection of its own.
    pub(super) is_fresh: bool,
    pub(super) warm_up: Duration,
    pub(super) seconds: Duration,
}

/// What happened between warm-up and end.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) answered: u64,
    pub(super) begin: Reading,
    pub(super) end: Reading,
    /// From the moment at which a caller asked until the answer was whole, in microseconds, ascending.
    pub(super) latencies_us: Vec<u64>,
}

struct Crowd<'a> {
    /// Callers take turns with them.
    addresses: &'a [SocketAddr],
    requests: &'a Requests,
    is_fresh: bool,
    poll: Poll,
    callers: Vec<Caller>,
    /// The next request.
    next: usize,
    answered: u64,
    latencies_us: Vec<u64>,
    window: Vec<u8>,
}

#[derive(Default)]
struct Caller {
    stream: Option<TcpStream>,
    /// Which request it has made, and whether that has been sent.
    asked: usize,
    since: Option<Instant>,
    is_sent: bool,
    /// What has come of an answer that is not whole yet.
    begun: Vec<u8>,
}

/// Asks for as long as planned. Any answer but the expected one is an error.
pub(super) fn run(
    addresses: &[SocketAddr],
    requests: &Requests,
    plan: &Plan,
    read: impl Fn() -> anyhow::Result<Reading>,
) -> anyhow::Result<Load> {
    let mut crowd = Crowd {
        addresses,
        requests,
        is_fresh: plan.is_fresh,
        poll: Poll::new()?,
        callers: (0..plan.connections).map(|_| Caller::default()).collect(),
        next: 0,
        answered: 0,
        latencies_us: Vec::new(),
        window: vec![0; 16 << 10],
    };
    for caller in 0..plan.connections {
        crowd.connect(caller)?;
    }
    crowd.ask_for(plan.warm_up)?;
    let (begin, before) = (read()?, crowd.answered);
    crowd.latencies_us.clear();
    crowd.ask_for(plan.seconds)?;
    let (end, answered) = (read()?, crowd.answered - before);
    ensure!(answered > 0, "nothing was answered");
    let mut latencies_us = crowd.latencies_us;
    latencies_us.sort_unstable();
    Ok(Load { answered, begin, end, latencies_us })
}

impl Crowd<'_> {
    fn ask_for(&mut self, duration: Duration) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1_024);
        let begun = Instant::now();
        let (mut heard, mut count) = (begun, self.answered);
        loop {
            self.poll.poll(&mut events, Some(Duration::ZERO))?;
            for event in &events {
                self.go_on(event)?;
            }
            let now = Instant::now();
            if self.answered > count {
                (heard, count) = (now, self.answered);
            }
            ensure!(now - heard < PATIENCE, "the server has not answered for {PATIENCE:?}");
            if now - begun >= duration {
                return Ok(());
            }
            interrupt::check()?;
        }
    }

    /// Opens a connection for a caller, and asks on it.
    fn connect(&mut self, caller: usize) -> anyhow::Result<()> {
        let begun = Instant::now();
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_reuse_address(true)?;
        let first = u32::from(Ipv4Addr::LOCALHOST);
        let source = Ipv4Addr::from(first + u32::try_from(self.next % SOURCES)?);
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        let in_progress = Errno::INPROGRESS.raw_os_error();
        let address = self.addresses[caller % self.addresses.len()];
        let connected = socket.connect(&address.into());
        if let Err(error) = connected.or_else(|error| {
            if error.raw_os_error() == Some(in_progress) { Ok(()) } else { Err(error) }
        }) {
            return Err(error).context("connect");
        }
        let mut stream = TcpStream::from_std(socket.into());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(caller), interest)?;
        let asked = self.next;
        self.next += 1;
        let place = &mut self.callers[caller];
        place.stream = Some(stream);
        (place.asked, place.is_sent, place.since) = (asked, false, Some(begun));
        self.send(caller)
    }

    /// Sends what a caller asks; a connection that is not open yet will tell when it is.
    fn send(&mut self, caller: usize) -> anyhow::Result<()> {
        let caller = &mut self.callers[caller];
        let (request, _) = self.requests.get(caller.asked);
        let stream = caller.stream.as_mut().context("a caller has a connection")?;
        match stream.write(request) {
            Ok(written) => {
                ensure!(written == request.len(), "a request was cut");
                caller.is_sent = true;
                Ok(())
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) =>
            {
                Ok(())
            }
            Err(error) => Err(error).context("send a request"),
        }
    }

    fn go_on(&mut self, event: &Event) -> anyhow::Result<()> {
        let number = event.token().0;
        if event.is_writable() && !self.callers[number].is_sent {
            self.send(number)?;
        }
        if event.is_readable() && self.hear(number)? {
            self.answered += 1;
            let now = Instant::now();
            let asked = self.callers[number].since.replace(now).unwrap_or(now);
            self.latencies_us.push(u64::try_from((now - asked).as_micros())?);
            if self.is_fresh {
                return self.connect(number);
            }
            self.callers[number].asked = self.next;
            self.next += 1;
            self.send(number)?;
        }
        Ok(())
    }

    /// Whether the answer is whole. It must be the expected one.
    fn hear(&mut self, number: usize) -> anyhow::Result<bool> {
        let caller = &mut self.callers[number];
        let stream = caller.stream.as_mut().context("a caller has a connection")?;
        let read = match stream.read(&mut self.window) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("read an answer"),
        };
        caller.begun.extend_from_slice(&self.window[..read]);
        let Some(status) = status_of_whole(&caller.begun)? else { return Ok(false) };
        let (_, expected) = self.requests.get(caller.asked);
        if status != expected {
            let answer = String::from_utf8_lossy(&caller.begun);
            bail!("request {}: expected {expected}, got {answer}", caller.asked);
        }
        caller.begun.clear();
        Ok(true)
    }
}

/// The status of an answer, once it is whole.
fn status_of_whole(answer: &[u8]) -> anyhow::Result<Option<u16>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(answer)? else { return Ok(None) };
    let length = head.headers.iter().find(|it| it.name.eq_ignore_ascii_case("content-length"));
    let length = length.context("an answer has a Content-Length")?.value;
    let length: usize = std::str::from_utf8(length)?.parse()?;
    ensure!(answer.len() <= start + length, "more than one answer to one request");
    Ok(head.code.filter(|_| answer.len() == start + length))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::buys::cpu::Meter;

    /// A server of one connection that says the same to every request.
    fn answering(answer: &'static str) -> SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while matches!(stream.read(&mut [0; 4_096]), Ok(1..)) {
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        address
    }

    fn load(answer: &'static str) -> anyhow::Result<Load> {
        let requests = Requests::new("0123456789abcdef0123456789abcdef", 10)?;
        let moment = Duration::from_millis(20);
        let plan = Plan { connections: 1, is_fresh: false, warm_up: moment, seconds: moment };
        let meter = Meter::new((0, 0), BTreeSet::new(), BTreeSet::new());
        run(&[answering(answer)], &requests, &plan, || meter.read())
    }

    #[test]
    fn any_answer_but_the_expected_one_is_an_error() {
        let load_of = load("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        assert!(load_of.answered > 0);
        assert_eq!(load_of.latencies_us.len() as u64, load_of.answered);
        let error = load("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap_err();
        assert!(error.to_string().contains("expected 201"), "{error}");
    }

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";
        for end in 0..answer.len() {
            assert_eq!(status_of_whole(&answer[..end]).unwrap(), None);
        }
        assert_eq!(status_of_whole(answer).unwrap(), Some(201));
        assert!(status_of_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n{").is_err());
        assert!(status_of_whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(status_of_whole(b"SSH-2.0\r\n").is_err());
    }
}
