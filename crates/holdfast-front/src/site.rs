//! What a front serves.

use std::error::Error;
use std::net::IpAddr;

use http::{Request, Response, Uri};

use crate::body::Body;

/// What stands behind a front; each listener has one of its own.
pub trait Site: Clone + Send + Sync + 'static {
    /// The answers' bodies.
    type Body: hyper::body::Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>>
        + Send
        + 'static;

    /// Answers a request. `peer` is at the other end of its connection: the client, or the last
    /// proxy before us.
    fn answer(
        &self,
        peer: IpAddr,
        request: Request<Body>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// The answer to a request that has waited too long. Nothing is done for it.
    fn busy(&self) -> Response<Self::Body>;

    /// The same as the bytes of an answer of HTTP/1.1 after which the connection is closed. It is
    /// counted as one.
    fn busy_bytes(&self) -> &[u8];

    /// In which lane a request waits: when there is too much to do, what can be done is shared
    /// among the lanes. Any number; equal numbers are one lane. `None`: it is answered however long
    /// it has waited, as a question after the server's health must be; a hundred of them a second at
    /// each listener, then they are refused like others.
    fn lane(&self, uri: &Uri) -> Option<u64>;
}
