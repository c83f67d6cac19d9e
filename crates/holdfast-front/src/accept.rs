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
use crate::line::Stood;
use crate::refuse::refuse;
use crate::seats::Seats;
use crate::site::Site;
use crate::standing::Standing;

/// A connection that has been accepted.
pub(crate) struct Arrival {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    /// What was read of it already.
    pub(crate) bytes: Vec<u8>,
}

impl Arrival {
    fn new(stream: TcpStream, peer: SocketAddr) -> Self {
        Self { stream, peer, bytes: Vec::new() }
    }
}

/// So many are accepted, or refused, before [`POLLS`] other tasks that are ready have had their turn.
/// A connection takes three or four turns to its end: were more accepted than are served, they
/// would pile up within the server, where each costs memory and nobody sees how long it has waited.
const ACCEPTED_AT_ONCE: usize = 16;

/// Turns that other tasks have until the accepting has its next.
pub(crate) const POLLS: u32 = 64;

/// Connections that may stand in line in an overload, and in the minute after it: whoever stands
/// behind more has given up before it is their turn.
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
/// longest; `in_hand` is who waits for it. Whoever has gone by the time that it is their turn is
/// dropped, and whoever has waited too long is refused at once.
pub(crate) async fn all<S: Site>(
    listener: &TcpListener,
    host: &Host<S>,
    seats: &Seats,
    in_hand: &mut Option<Arrival>,
    admit: impl Fn(Arrival),
) -> Infallible {
    let mut failures = Failures::default();
    let mut taken = 0;
    loop {
        match unconstrained(next(listener, host)).await {
            Ok((stream, peer)) => {
                host.metrics.accepted.inc();
                *in_hand = sift(Arrival::new(stream, peer), host);
                taken += 1;
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                host.metrics.not_accepted.inc();
                host.metrics.evicted.inc_by(seats.clear(Instant::now()) as u64);
                failures.wait(&error).await;
            }
        }
        if in_hand.is_some() {
            host.metrics.evicted.inc_by(seats.room().await as u64);
        }
        if let Some(arrival) = in_hand.take() {
            admit(arrival);
        }
        if taken >= ACCEPTED_AT_ONCE {
            taken = 0;
            yield_now().await;
        }
    }
}

/// Gives a new connection back if it is to be served.
fn sift<S: Site>(arrival: Arrival, host: &Host<S>) -> Option<Arrival> {
    let stood = Stood::of(&arrival.stream);
    if host.waiting.came(stood) {
        host.metrics.given_up.inc();
        return None;
    }
    if host.waiting.is_full(stood) { refuse(arrival, host) } else { Some(arrival) }
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

/// Keeps the line in front of a listener as long as it should be, for ever: short while an overload
/// stands, whether or not anyone is accepted just then.
pub(crate) async fn keep_backlog(
    listener: &TcpListener,
    backlog: u16,
    standing: &Standing,
) -> Infallible {
    let mut is = backlog;
    let look = || {
        let fitting = fitting_backlog(standing).min(backlog);
        if std::mem::replace(&mut is, fitting) != fitting {
            set_backlog(listener, fitting);
        }
    };
    standing.follow(look).await
}

fn fitting_backlog(standing: &Standing) -> u16 {
    if standing.is_now() {
        SHORT_BACKLOG
    } else if standing.is_wary() {
        WARY_BACKLOG
    } else {
        u16::MAX
    }
}

/// A listener may be told again how many may stand in line; those that do are not turned away.
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
/// may have sent a request. While there is no descriptor for them, those that are served make room.
pub(crate) async fn last<S>(
    listener: TcpListener,
    host: &Host<S>,
    mut admit: impl FnMut(Arrival),
) -> io::Result<()> {
    // The runtime may not have heard of all that wait: the kernel is asked itself.
    let listener = listener.into_std()?;
    let mut failures = Failures::default();
    // The kernel lets one more wait than it was told.
    let mut left = u32::from(host.options.backlog) + 1;
    while left > 0 {
        match next_now(&listener) {
            Ok((stream, peer)) => {
                host.metrics.accepted.inc();
                admit(Arrival::new(stream, peer));
                left -= 1;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if is_the_peers(&error) || error.kind() == ErrorKind::Interrupted => {}
            Err(error) => failures.wait(&error).await,
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
    use std::net::{Ipv4Addr, TcpStream as Client};

    use super::*;

    /// How many clients the kernel takes in while nobody accepts, up to 2,000.
    fn line(address: SocketAddr) -> usize {
        let wait = Duration::from_millis(300);
        let clients = (0..2_000).map_while(|_| Client::connect_timeout(&address, wait).ok());
        clients.collect::<Vec<_>>().len()
    }

    #[tokio::test]
    async fn the_line_is_short_in_an_overload_also_when_nobody_is_accepted() {
        let [standing, never] = [(); 2].map(|()| Standing::default());
        standing.begins();
        for (standing, may_be) in [(standing, 256..=258), (never, 2_000..=2_000)] {
            let listener = crate::listen::bind((Ipv4Addr::LOCALHOST, 0).into(), 1, 4_096);
            let listener = listener.unwrap().remove(0);
            let listener = TcpListener::from_std(listener).unwrap();
            let address = listener.local_addr().unwrap();
            let come = tokio::task::spawn_blocking(move || {
                std::thread::sleep(BACK_OFF);
                line(address)
            });
            tokio::select! {
                never = keep_backlog(&listener, 4_096, &standing) => match never {},
                line = come => assert!(may_be.contains(&line.unwrap()), "{may_be:?}"),
            }
        }
    }

    #[tokio::test]
    async fn the_line_changes_as_soon_as_an_overload_begins_or_ends() {
        let (standing, told) = (Standing::default(), std::cell::RefCell::new(Vec::new()));
        let changes = async {
            tokio::task::yield_now().await;
            standing.begins();
            tokio::task::yield_now().await;
            standing.ends();
            tokio::task::yield_now().await;
        };
        let look = || told.borrow_mut().push(fitting_backlog(&standing));
        tokio::select! {
            biased;
            never = standing.follow(look) => match never {},
            () = changes => {}
        }
        let told = told.into_inner();
        assert_eq!(told, [u16::MAX, SHORT_BACKLOG, WARY_BACKLOG]);
    }

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
