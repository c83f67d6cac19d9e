//! Hearing out a peer that was answered before it had said everything.
//!
//! A socket that is closed while there is something unread resets the connection, and a peer that is
//! still writing may then never see its answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// How long a peer may go on after its answer, and for how many bytes.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 16 << 20;

/// Bytes that are discarded at a time.
const AT_ONCE: usize = 16 << 10;

/// A peer that is heard out: it has its whole answer and our end of the connection, and what it
/// still says is discarded.
pub(crate) struct Linger {
    /// More is on its way, even if nothing is here.
    is_due: bool,
    left: usize,
    over: Option<Pin<Box<Sleep>>>,
}

impl Linger {
    pub(crate) fn new(is_due: bool) -> Self {
        Self { is_due, left: LINGER_BYTES, over: None }
    }

    /// Ready once the connection may be closed.
    pub(crate) fn poll(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<()> {
        let mut discarded = [0; AT_ONCE];
        loop {
            let mut part = ReadBuf::new(&mut discarded);
            let Poll::Ready(read) = Pin::new(&mut *stream).poll_read(cx, &mut part) else {
                break;
            };
            let bytes = part.filled().len();
            if read.is_err() || bytes == 0 || bytes > self.left {
                return Poll::Ready(());
            }
            self.left -= bytes;
            self.is_due = true;
        }
        if self.is_due {
            let over = self.over.get_or_insert_with(|| Box::pin(sleep(LINGER)));
            ready!(over.as_mut().poll(cx));
        }
        Poll::Ready(())
    }
}
