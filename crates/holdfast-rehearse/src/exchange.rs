//! One request and its answer, on a connection of its own.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::wire::Problem;

/// A request, ready to be sent as often as needed.
pub(crate) type Ask = Request<Full<Bytes>>;

/// More than any answer of the contract.
const BODY_BYTES_MAX: usize = 4 << 20;

/// What the server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// What `Retry-After` says, if it is there and in seconds.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
    /// When the last byte had come.
    pub(crate) at: Instant,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No connection: nothing was sent.
    #[error("no connection: {0}")]
    Connect(#[from] io::Error),
    /// The connection broke before the answer was whole.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// What was to be sent is not HTTP.
    #[error("the request cannot be written: {0}")]
    Request(#[from] http::Error),
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
pub(crate) async fn exchange(stream: TcpStream, ask: Ask) -> Result<Answer, Failure> {
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
    let answer = async move {
        let response = sender.send_request(ask).await.map_err(|error| broken(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| Failure::Broken(error.to_string()))?.to_bytes();
        let at = Instant::now();
        Ok(Answer { status: head.status, retry_after: retry_after(&head.headers), body, at })
    };
    let mut answer = std::pin::pin!(answer);
    // Whichever ends first: a connection that is over has said all that it will, and an answer
    // that is whole needs the connection no more.
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}

fn broken(error: &hyper::Error) -> Failure {
    Failure::Broken(error.to_string())
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
