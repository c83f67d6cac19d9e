//! Accepting connections, up to the last one that the kernel has taken.

use std::io::{self, ErrorKind};
use std::time::Duration;

use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};

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

/// Whether it was the peer who gave up before it was accepted.
pub(crate) fn is_the_peers(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

/// Takes what waits in the backlog, then stops listening. Whoever has connected before the stop
/// may have sent a request.
pub(crate) fn last(
    listener: TcpListener,
    backlog: u16,
    mut admit: impl FnMut(TcpStream, SocketAddr),
) -> io::Result<()> {
    // The runtime may not have heard of all that wait: the kernel is asked itself.
    let listener = listener.into_std()?;
    for _ in 0..backlog {
        match next(&listener) {
            Ok((stream, peer)) => admit(stream, peer),
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

fn next(listener: &std::net::TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
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
