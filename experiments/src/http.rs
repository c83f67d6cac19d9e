//! Just enough HTTP to ask a server, on a connection that stays.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::server::MERCHANT_KEY;

/// A connection to one server, with the merchant's key. It is made when it is needed, and anew after
/// whatever went wrong with it.
pub(crate) struct Client {
    server: SocketAddr,
    patience: Duration,
    connection: Option<BufReader<TcpStream>>,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Null if it is no JSON.
    pub(crate) body: Value,
}

impl Client {
    /// Nothing it does waits longer than this.
    pub(crate) fn new(server: SocketAddr, patience: Duration) -> Self {
        Self { server, patience, connection: None }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When there is none: whether it was done is not known then.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &Value) -> io::Result<Answer> {
        self.send(method, path, body)?;
        self.receive()
    }

    /// Asks. The answer is to be received before anything else is asked.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: &Value) -> io::Result<()> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: experiment\r\nauthorization: Bearer {MERCHANT_KEY}\
             \r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        // Whatever goes wrong on the way, this connection is not used again.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => BufReader::new(self.connect()?),
        };
        connection.get_mut().write_all(request.as_bytes())?;
        self.connection = Some(connection);
        Ok(())
    }

    /// The answer to what was sent.
    pub(crate) fn receive(&mut self) -> io::Result<Answer> {
        let mut connection = self.connection.take().ok_or(io::ErrorKind::NotConnected)?;
        let answer = read(&mut connection)?;
        self.connection = Some(connection);
        Ok(answer)
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.server, self.patience)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Reads one answer whose length is told.
fn read(connection: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let line = line(connection)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    let mut length = None;
    loop {
        let header = self::line(connection)?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok();
        }
    }
    let length = if status == 204 { 0 } else { length.ok_or(io::ErrorKind::InvalidData)? };
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() })
}

fn line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
