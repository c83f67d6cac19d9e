//! Accepting connections, up to the last one that the kernel has taken.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{unconstrained, yield_now};

use crate::host::Host;
use crate::refuse::refuse;
use crate::seats::Seats;
use crate::site::Site;

/// A connection that has been accepted.
pub(crate) struct Arrival {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    /// What was read of it already.
    pub(crate) bytes: Vec<u8>,
}

/// So many are accepted, or refused, before everything else that is ready has its turn: refusing
/// must leave time to serve.
const ACCEPTED_AT_ONCE: usize = 128;
const REFUSED_AT_ONCE: usize = 32;

/// Connections that may wait in an overload, and in the minute after it: whoever waits behind more
/// has given up before it is their turn.
const SHORT_BACKLOG: u16 = 256;
const WARY_BACKLOG: u16 = 1_024;

/// How long to wait when the system has no descriptor for a connection that is already there.
const BACK_OFF: Duration = Duration::from_millis(50);

/// Of so many failures one is said: as each costs a wait, at most one a second.
const FAILURES_PER_WORD: u64 = 20;

/// How often the system had a connection for us and did not give it.
#[derive(Debug, Default)]
pub(crate) struct Failures(u64);

impl Failures {
    /// Counts one; whether it is to be said.
    fn count(&mut self) -> bool {
        self.0 += 1;
        self.0 % FAILURES_PER_WORD == 1
    }

    /// Waits after a connection was not accepted. Nobody is turned away for good: it stays in
    /// the backlog.
    pub(crate) async fn wait(&mut self, error: &io::Error) {
        if self.count() {
            tracing::warn!(%error, times = self.0, "connections are not accepted for now");
        }
        tokio::time::sleep(BACK_OFF).await;
    }
}

/// Accepts whoever connects. When all seats are taken those make room that keep the server waiting
/// longest; `in_hand` is who waits for it. While a queue stands that does not pass, whoever would
/// wait too long in it is refused at once, and the line in front is kept short.
pub(crate) async fn all<S: Site>(
    listener: &TcpListener,
    host: &Host<S>,
    seats: &Seats,
    in_hand: &mut Option<Arrival>,
    admit: impl Fn(Arrival),
) -> Infallible {
    let (mut failures, mut backlog) = (Failures::default(), host.options.backlog);
    let (mut accepted, mut refused) = (0, 0);
    loop {
        let fitting = fitting_backlog(host);
        if fitting != backlog {
            backlog = fitting;
            set_backlog(listener, backlog);
        }
        match unconstrained(next(listener, host)).await {
            Ok((stream, peer)) => *in_hand = Some(Arrival { stream, peer, bytes: Vec::new() }),
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                host.metrics.not_accepted.inc();
                host.metrics.evicted.inc_by(seats.clear(Instant::now()) as u64);
                failures.wait(&error).await;
            }
        }
        if in_hand.is_some() && host.waiting.is_full() {
            *in_hand = in_hand.take().and_then(|arrival| refuse(arrival, host));
            refused += 1;
        }
        if in_hand.is_some() {
            host.metrics.evicted.inc_by(seats.room().await as u64);
        }
        if let Some(arrival) = in_hand.take() {
            admit(arrival);
            accepted += 1;
        }
        if accepted >= ACCEPTED_AT_ONCE || refused >= REFUSED_AT_ONCE {
            (accepted, refused) = (0, 0);
            yield_now().await;
        }
    }
}

/// The next connection. Whether there is one at once tells whether any waited.
async fn next<S>(listener: &TcpListener, host: &Host<S>) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|cx| {
        let polled = listener.poll_accept(cx);
        host.waiting.set_backlogged(polled.is_ready());
        polled
    })
    .await
}

fn fitting_backlog<S>(host: &Host<S>) -> u16 {
    let most = if host.waiting.is_standing() {
        SHORT_BACKLOG
    } else if host.waiting.is_wary() {
        WARY_BACKLOG
    } else {
        u16::MAX
    };
    most.min(host.options.backlog)
}

/// A listener may be told again how many may wait; those that do are not turned away.
fn set_backlog(listener: &TcpListener, backlog: u16) {
    if let Err(error) = SockRef::from(listener).listen(backlog.into()) {
        tracing::warn!(%error, backlog, "the backlog could not be changed");
    }
}

/// Whether it was the peer who gave up before it was accepted.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

/// Takes what waits in the backlog, then stops listening. Whoever has connected before the stop
/// may have sent a request.
pub(crate) fn last(
    listener: TcpListener,
    backlog: u16,
    mut admit: impl FnMut(Arrival),
) -> io::Result<()> {
    // The runtime may not have heard of all that wait: the kernel is asked itself.
    let listener = listener.into_std()?;
    for _ in 0..backlog {
        match next_now(&listener) {
            Ok((stream, peer)) => admit(Arrival { stream, peer, bytes: Vec::new() }),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if is_the_peers(&error) || error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::warn!(%error, "connections that waited when the server stopped are lost");
                break;
            }
        }
    }
    Ok(())
}

fn next_now(listener: &std::net::TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((TcpStream::from_std(stream)?, peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lack_of_descriptors_is_said_at_once_and_then_once_a_second() {
        let mut failures = Failures::default();
        let begun = tokio::time::Instant::now();
        let mut said = Vec::new();
        while begun.elapsed() < Duration::from_secs(10) {
            let mut copy = Failures(failures.0);
            said.extend(copy.count().then(|| begun.elapsed().as_secs()));
            failures.wait(&ErrorKind::Other.into()).await;
        }
        assert_eq!(said, (0..10).collect::<Vec<_>>());
    }
}
