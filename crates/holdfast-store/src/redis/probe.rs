//! What is behind a port that does not answer as it should.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

use super::wire::{CONNECT_PATIENCE, SILENCE_MAX, Wire};

/// Whether Redis answers there, and without TLS.
pub(super) fn answers_plainly(host: &str, port: u16) -> bool {
    let ask = || {
        let address = (host, port).to_socket_addrs().ok()?.next()?;
        let mut stream = TcpStream::connect_timeout(&address, CONNECT_PATIENCE).ok()?;
        stream.set_read_timeout(Some(SILENCE_MAX)).ok()?;
        stream.write_all(b"PING\r\n").ok()?;
        let mut first = [0];
        stream.read_exact(&mut first).ok()?;
        Some(first[0])
    };
    matches!(ask(), Some(b'+' | b'-'))
}

/// Whether somebody speaks TLS there, believed or not.
pub(super) fn speaks_tls(host: &str, port: u16) -> bool {
    let Ok(mut wire) = Wire::connect(host, port, true) else { return false };
    match wire.ask(&[vec![b"PING".to_vec()]]) {
        Ok(_) => true,
        Err(why) => is_distrusted(&why) || why.contains("fatal alert"),
    }
}

/// Whether a connection failed because the server's certificate is not believed.
pub(super) fn is_distrusted(why: &str) -> bool {
    why.contains("invalid peer certificate")
}
