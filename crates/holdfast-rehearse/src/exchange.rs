//! One request and its answer, on a connection of its own. Written by hand, since a rehearsal makes
//! tens of thousands of them a second on the machine that it measures.

use std::io;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::reply::{self, Reply};
use crate::wire::Problem;

/// A request as it goes onto the wire, to be sent as often as needed.
pub(crate) type Ask = Vec<u8>;

/// More than any answer of the contract.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Room for a usual answer.
const ANSWER_BYTES: usize = 1_024;

/// What the server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// What `Retry-After` says, if it is there and in seconds.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
    /// When the last byte had come.
    pub(crate) at: Instant,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No connection: nothing was sent.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// The connection broke before the answer was whole.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// What was to be sent cannot be made.
    #[error("the request cannot be made: {0}")]
    Request(String),
    /// The answer took too long.
    #[error("no answer in time")]
    Late,
}

impl Answer {
    /// The status and, for a problem, its code and detail: `409 all_held`.
    pub(crate) fn summary(&self) -> String {
        let problem = self.problem();
        let words = [self.status.as_str(), problem.code.as_str()];
        words.join(" ").trim_end().to_owned()
    }

    pub(crate) fn problem(&self) -> Problem {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Sends `ask` and reads its answer to the last byte; then the connection is dropped.
pub(crate) async fn exchange(mut stream: TcpStream, ask: &[u8]) -> Result<Answer, Failure> {
    send(&mut stream, ask).await?;
    let mut bytes = Vec::with_capacity(ANSWER_BYTES);
    loop {
        let count = stream.read_buf(&mut bytes).await.map_err(|error| broken(&error))?;
        let reply = reply::read(&bytes, count == 0).map_err(Failure::Broken)?;
        if let Some(Reply { status, retry_after, body }) = reply {
            return Ok(Answer { status, retry_after, body, at: Instant::now() });
        }
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(Failure::Broken("the answer has no end".into()));
        }
    }
}

/// Sends `ask` and waits until the answer begins, if at all; then the connection is dropped.
pub(crate) async fn desert(mut stream: TcpStream, ask: &[u8], wait: bool) -> Result<(), Failure> {
    send(&mut stream, ask).await?;
    if wait {
        stream.readable().await.map_err(|error| broken(&error))?;
    }
    Ok(())
}

async fn send(stream: &mut TcpStream, ask: &[u8]) -> Result<(), Failure> {
    stream.write_all(ask).await.map_err(|error| broken(&error))
}

fn broken(error: &io::Error) -> Failure {
    Failure::Broken(error.to_string())
}
