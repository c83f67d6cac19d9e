//! What a connection says first, which tells what it speaks.

use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::seat::Seat;

/// Bytes to read at first: a buyer's request mostly fits.
const FIRST_BYTES: usize = 1_024;

/// With this begins HTTP/2 of whoever knows that we speak it (RFC 9113, 3.4), and no request of
/// HTTP/1.1.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    Http1,
    Http2,
}

/// What has been read of a connection.
pub(crate) struct Words {
    pub(crate) bytes: Vec<u8>,
    pub(crate) kind: First,
}

/// Reads what the peer says first, if it does so in time. A connection that says nothing costs no
/// buffer. `bytes` is what was read already.
pub(crate) async fn first_words(
    stream: &TcpStream,
    mut bytes: Vec<u8>,
    seat: &Seat,
    stop: &mut watch::Receiver<bool>,
    patience: Duration,
) -> Option<Words> {
    // In a rush the request is there already, before the runtime has heard of it.
    if read_now(stream, &mut bytes).is_err() && bytes.is_empty() {
        return None;
    }
    let kind = tokio::select! {
        biased;
        kind = timeout(patience, read_on(stream, &mut bytes)) => kind.ok()?.ok()?,
        _ = stop.wait_for(|&stop| stop) => None,
        () = seat.evicted() => None,
    };
    if kind.is_none() {
        // Who is to go is heard to the end.
        read_now(stream, &mut bytes).ok()?;
    }
    let kind = kind.or_else(|| kind_of(&bytes))?;
    Some(Words { bytes, kind })
}

/// Reads until it is clear what the peer speaks.
async fn read_on(stream: &TcpStream, bytes: &mut Vec<u8>) -> io::Result<Option<First>> {
    loop {
        if let Some(kind) = kind_of(bytes) {
            return Ok(Some(kind));
        }
        stream.readable().await?;
        let mut buffer = [0; FIRST_BYTES];
        let read = stream.try_read(&mut buffer);
        add(bytes, &buffer, read)?;
    }
}

/// Asks the kernel itself: the runtime hears of what is there only when it looks next.
pub(crate) fn read_now(stream: &TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; FIRST_BYTES];
    let read = (&*SockRef::from(stream)).read(&mut buffer);
    add(bytes, &buffer, read)
}

fn add(bytes: &mut Vec<u8>, buffer: &[u8], read: io::Result<usize>) -> io::Result<()> {
    match read {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(count) => {
            bytes.extend_from_slice(&buffer[..count]);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

/// `None`: it is not clear yet.
pub(crate) fn kind_of(bytes: &[u8]) -> Option<First> {
    if bytes.starts_with(HTTP2) {
        return Some(First::Http2);
    }
    (!HTTP2.starts_with(bytes)).then_some(First::Http1)
}
