//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::body::{Answer, Body};
use crate::first::{First, first_words};
use crate::host::Host;
use crate::seat::{Asked, Seat};
use crate::seats::Ticket;
use crate::site::Site;
use crate::wire::Wire;

/// How long a peer may take to answer a goodbye, while it asks for nothing.
const GOODBYE: Duration = Duration::from_millis(500);

/// How long a peer may take nothing of its answers once it has been told goodbye.
const TAKE: Duration = Duration::from_secs(2);

/// How long a connection of HTTP/2 has once it has been told goodbye, whatever its peer does: one that
/// does not hear may go on asking. Longer than any request takes, shorter than a stop.
const LAST: Duration = Duration::from_secs(8);

/// So much of an answer a peer must take for each [`GOODBYE`], if it is to have the rest before
/// it makes room for others: 1 Mbit/s.
const TAKEN_MIN: u64 = 64 << 10;

/// Serves a connection until its peer is done, breaks a deadline, must make room for others, or
/// the server stops.
///
/// `bytes` is what was read already. A request that has arrived when the server stops is answered,
/// and the connection closed after it; a connection on which nothing has arrived is closed.
pub(crate) async fn serve<S: Site>(
    stream: TcpStream,
    peer: IpAddr,
    bytes: Vec<u8>,
    ticket: Ticket,
    host: Arc<Host<S>>,
    mut stop: watch::Receiver<bool>,
) {
    let seat = ticket.seat();
    let words = first_words(&stream, bytes, seat, &mut stop, host.options.first_byte);
    let Some(words) = words.await else { return };
    let is_http2 = words.kind == First::Http2;
    let wire = Wire::new(stream, words.bytes, stop.clone(), Arc::clone(seat), host.options.write);
    let io = TokioIo::new(wire);
    let (at, with) = (Arc::clone(seat), Arc::clone(&host));
    let service = service_fn(move |request| {
        // Counted here, and not once the future is polled: it may be spawned.
        let asked = at.asked();
        answer(Arc::clone(&with), &at, asked, peer, request)
    });
    if is_http2 {
        seat.set_http2();
        let patience = Some(host.options.write);
        let connection = drive(host.http2.serve_connection(io, service), seat, stop, patience);
        // In a box: one of HTTP/1 is half as large, and there are many more of them.
        Box::pin(connection).await;
    } else {
        drive(host.http1.serve_connection(io, service), seat, stop, None).await;
    }
}

async fn drive<C: GracefulConnection>(
    connection: C,
    seat: &Seat,
    mut stop: watch::Receiver<bool>,
    patience: Option<Duration>,
) {
    let mut connection = pin!(connection);
    // A connection that breaks concerns nobody but its peer.
    tokio::select! {
        biased;
        _ = &mut connection => return,
        _ = stop.wait_for(|&stop| stop) => {}
        () = seat.evicted() => {}
        () = stalled(seat, patience) => return,
    }
    // hyper closes a connection from which it has read nothing, even if a request waits in its
    // socket. So it reads once more, now that the wire knows of the end, before it is told.
    let is_over = poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx).is_ready())).await;
    if is_over || seat.is_evicted() && seat.is_idle() {
        return;
    }
    connection.as_mut().graceful_shutdown();
    // Of a peer that asks for nothing the answer to our goodbye is not waited for.
    let (mut taken, told) = (seat.taken(), Instant::now());
    while timeout(GOODBYE, connection.as_mut()).await.is_err() {
        let before = std::mem::replace(&mut taken, seat.taken());
        let is_slow = !seat.owes() && taken - before < TAKEN_MIN;
        let is_deaf = patience.is_some() && told.elapsed() >= LAST;
        if seat.is_idle() || seat.is_stalled(TAKE) || seat.is_evicted() && is_slow || is_deaf {
            return;
        }
    }
}

/// Comes back once the peer has taken nothing of its answers for too long.
async fn stalled(seat: &Seat, patience: Option<Duration>) {
    let Some(patience) = patience else { return pending().await };
    while !seat.is_stalled(patience) {
        sleep(patience / 2).await;
    }
}

fn answer<S: Site>(
    host: Arc<Host<S>>,
    seat: &Arc<Seat>,
    asked: Asked,
    peer: IpAddr,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Answer<S::Body>>, Infallible>> + Send + use<S> {
    let is_too_long = host.waiting.is_too_long(host.site.lane(request.uri()));
    let request = request.map(|incoming| Body::new(incoming, seat));
    async move {
        let response = if is_too_long {
            host.metrics.shed.inc();
            host.site.busy()
        } else {
            host.site.answer(peer, request).await
        };
        Ok(response.map(|body| Answer::new(body, asked.answered())))
    }
}
