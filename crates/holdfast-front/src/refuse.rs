//! Refusing a connection at once, without a task, a parser or a wait.

use std::io::Write;

use http::Uri;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::accept::Arrival;
use crate::first::{First, kind_of, read_now};
use crate::host::Host;
use crate::site::Site;

/// Sends a connection away with the answer that the server is busy. Gives it back if it is to be
/// served all the same: a lane that asks for no more than its share, or a question after the
/// server's health. So is one whose request is not there yet, which is rare, as it has waited for its
/// turn: what it asks is not known, and an answer before the request would be lost. And so is HTTP/2,
/// whose requests are refused one by one.
pub(crate) fn refuse<S: Site>(mut arrival: Arrival, host: &Host<S>) -> Option<Arrival> {
    if read_now(&arrival.stream, &mut arrival.bytes).is_err() && arrival.bytes.is_empty() {
        host.waiting.refused(None);
        host.metrics.given_up.inc();
        return None;
    }
    let is_clear = kind_of(&arrival.bytes) == Some(First::Http1);
    let lane = address(&arrival.bytes).map(|address| host.site.lane(&address));
    let is_spared = lane.is_some_and(|lane| host.waiting.spares(lane));
    if is_spared || !is_clear {
        return Some(arrival);
    }
    host.waiting.refused(lane.flatten());
    send_away(&arrival.stream, host);
    None
}

/// Says that the server is busy, in HTTP/1.1.
fn send_away<S: Site>(stream: &TcpStream, host: &Host<S>) {
    host.metrics.shed.inc();
    let _ = (&*SockRef::from(stream)).write(host.site.busy_bytes());
}

/// The address in the first line of a request.
fn address(bytes: &[u8]) -> Option<Uri> {
    let line = bytes.split(|byte| *byte == b'\r').next()?;
    let address = line.split(|byte| *byte == b' ').nth(1)?;
    Uri::try_from(address).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_stands_after_the_method() {
        let path = |bytes: &[u8]| address(bytes).map(|address| address.path().to_owned());
        assert_eq!(path(b"GET /a/b?c HTTP/1.1\r\nhost: x\r\n"), Some("/a/b".into()));
        for nothing in [b"".as_slice(), b"GET", b"\x16\x03\x01", b"GET \r\nhost: x\r\n"] {
            assert_eq!(path(nothing), None);
        }
    }
}
