//! The bare responder: what sockets and the kernel cost, and nothing else.

use std::io::{ErrorKind, Read, Write};

use anyhow::Context;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::buys::GONE;

const LISTENER: Token = Token(usize::MAX);
const BACKLOG: i32 = 4_096;
const HEADERS_MAX: usize = 32;

/// As long as what the server says of a hold.
const HELD: &str = concat!(
    r#"{"id":"hold_00000000000000000000000000000000000000","sale":"benchmark","tier":"open","#,
    r#""quantity":1,"buyer":"0000000000000000","status":"held","#,
    r#""expires_at":"2026-11-24T18:05:00.000Z","remaining_ms":300000,"#,
    r#""total":{"amount":4500,"currency":"EUR"}}"#
);
/// As long as what it says when every unit is held.
const ALL_HELD: &str = concat!(
    r#"{"type":"urn:holdfast:problem:all_held","#,
    r#""title":"All units are held; some may come back","status":409,"#,
    r#""code":"all_held","next_return_at":"2026-11-24T18:05:00.000Z"}"#
);

/// What is answered to those who win, and to the others.
struct Answers {
    held: Vec<u8>,
    all_held: Vec<u8>,
}

fn answers() -> Answers {
    let answer = |status: &str, kind: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncache-control: private, no-store\r\n\
             content-length: {}\r\ndate: Tue, 24 Nov 2026 18:00:00 GMT\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    Answers {
        held: answer("201 Created", "application/json", HELD),
        all_held: answer("409 Conflict", "application/problem+json", ALL_HELD),
    }
}

struct Connection {
    stream: TcpStream,
    /// What has come of a request that is not whole yet.
    begun: Vec<u8>,
}

pub(super) fn serve() -> anyhow::Result<()> {
    let answers = answers();
    let mut poll = Poll::new()?;
    let mut listener = listen()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    super::announce(listener.local_addr()?)?;
    let (mut events, mut window) = (Events::with_capacity(1_024), vec![0; 8 << 10]);
    let (mut connections, mut free) = (Vec::<Option<Connection>>::new(), Vec::new());
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() != LISTENER {
                let place = connections.get_mut(event.token().0).context("a known connection")?;
                if !place
                    .as_mut()
                    .is_some_and(|connection| connection.answer(&mut window, &answers))
                {
                    *place = None;
                    free.push(event.token().0);
                }
                continue;
            }
            while let Some(mut stream) = next(&listener)? {
                let at = free.pop().unwrap_or_else(|| {
                    connections.push(None);
                    connections.len() - 1
                });
                poll.registry().register(&mut stream, Token(at), Interest::READABLE)?;
                connections[at] = Some(Connection { stream, begun: Vec::new() });
            }
        }
    }
}

fn listen() -> anyhow::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn next(listener: &TcpListener) -> anyhow::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error).context("accept"),
    }
}

impl Connection {
    /// Reads what has come and answers it; whether the connection lives on.
    fn answer(&mut self, window: &mut [u8], answers: &Answers) -> bool {
        let read = match self.stream.read(window) {
            Ok(0) => return false,
            Ok(read) => read,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        };
        // A whole request in one piece, as nearly all come, is answered where it lies.
        let request = if self.begun.is_empty() {
            &window[..read]
        } else {
            self.begun.extend_from_slice(&window[..read]);
            &self.begun
        };
        let Some(body) = body(request) else {
            if self.begun.is_empty() {
                self.begun.extend_from_slice(&window[..read]);
            }
            return true;
        };
        let is_gone = body.windows(GONE.len()).any(|part| part == GONE.as_bytes());
        let answer = if is_gone { &answers.all_held } else { &answers.held };
        self.begun.clear();
        self.stream.write(answer).is_ok_and(|written| written == answer.len())
    }
}

/// The body of a request, once it is whole.
fn body(request: &[u8]) -> Option<&[u8]> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(request).ok()? else { return None };
    let length =
        head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    request.get(start..)?.get(..length.unwrap_or(0))
}
