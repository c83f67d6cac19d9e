//! One request and its answer, within a deadline.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Bytes in an answer, at most.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How long a connection may be idle before it is closed.
const IDLE: Duration = Duration::from_secs(30);

/// Why an address cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address that can be asked: it must be like http://127.0.0.1:8090")]
pub struct InvalidUrl(pub(super) String);

/// The address of a peer that speaks plain HTTP.
pub(super) fn address(text: &str) -> Result<Uri, InvalidUrl> {
    let invalid = || InvalidUrl(text.to_owned());
    let uri: Uri = text.parse().map_err(|_| invalid())?;
    let has_user = uri.authority().is_none_or(|authority| authority.as_str().contains('@'));
    let is_plain = uri.scheme_str() == Some("http") && uri.host().is_some() && !has_user;
    if is_plain { Ok(uri) } else { Err(invalid()) }
}

/// A pool of connections. It belongs to the runtime on which it is used first.
#[derive(Clone, Debug)]
pub(super) struct Exchange(Client<HttpConnector, Full<Bytes>>);

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Exchange {
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new());
        Self(builder.build(connector))
    }

    /// Sends a request and reads the whole answer. `Err` says why there is none: whether the peer has
    /// acted is not known then.
    pub(super) async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        deadline: Duration,
    ) -> Result<Reply, String> {
        let reply = tokio::time::timeout(deadline, self.reply(request)).await;
        reply.unwrap_or_else(|_| Err(format!("no answer within {deadline:?}")))
    }

    async fn reply(&self, request: Request<Full<Bytes>>) -> Result<Reply, String> {
        let response = self.0.request(request).await.map_err(|error| with_causes(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| with_causes(error.as_ref()))?.to_bytes();
        Ok(Reply { status: head.status, headers: head.headers, body })
    }
}

/// An error with all its causes, on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_plain_http_and_has_a_host() {
        assert!(address("http://127.0.0.1:8090").is_ok());
        assert!(address("http://shop.example/v1/webhooks/simulated").is_ok());
        for bad in [
            "",
            "127.0.0.1:8090",
            "https://127.0.0.1",
            "http://",
            "/x",
            "http://a b",
            "http://u:p@a",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
