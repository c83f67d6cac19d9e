//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tower::Service;

use crate::serve::Options;
use crate::wire::{Wire, has_spoken};

/// Serves a connection until its peer is done, breaks a deadline, or the server stops.
///
/// A request that has arrived when the server stops is answered, and the connection closed after
/// it; a connection on which nothing has arrived is closed.
pub(crate) async fn serve<S, B>(
    stream: TcpStream,
    service: S,
    http: http1::Builder,
    mut stop: watch::Receiver<bool>,
    options: Options,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let is_ready = stream.set_nodelay(true).is_ok();
    if !is_ready || !speaks(&stream, &mut stop, options.first_byte).await {
        return;
    }
    let wire = Wire::new(stream, stop.clone(), options.write);
    let service = TowerToHyperService::new(service);
    let mut connection = pin!(http.serve_connection(TokioIo::new(wire), service));
    // A connection that breaks concerns nobody but its peer.
    tokio::select! {
        biased;
        _ = &mut connection => return,
        _ = stop.wait_for(|&stop| stop) => {}
    }
    // hyper closes a connection from which it has read nothing, even if a request waits in its
    // socket. So it reads once more, now that the wire knows of the stop, before it is told.
    let is_over = poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx).is_ready())).await;
    if !is_over {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// Whether the peer says something in time. A connection that says nothing costs no buffers.
async fn speaks(stream: &TcpStream, stop: &mut watch::Receiver<bool>, patience: Duration) -> bool {
    let mut byte = [0];
    tokio::select! {
        biased;
        peeked = timeout(patience, stream.peek(&mut byte)) => matches!(peeked, Ok(Ok(1..))),
        _ = stop.wait_for(|&stop| stop) => has_spoken(stream),
    }
}
