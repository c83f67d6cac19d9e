//! A connection's socket, as HTTP sees it: with a limit on how long nobody takes what is written.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use crate::linger::Linger;
use crate::seat::Seat;

/// A socket whose peer must read what it is sent.
pub(crate) struct Wire {
    stream: TcpStream,
    /// What was read already, and how much of it has been passed on.
    first: (Vec<u8>, usize),
    stop: watch::Receiver<bool>,
    seat: Arc<Seat>,
    patience: Duration,
    /// Runs while the kernel takes nothing, because the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Begins when all is said.
    linger: Option<Linger>,
}

impl Wire {
    pub(crate) fn new(
        stream: TcpStream,
        first: Vec<u8>,
        stop: watch::Receiver<bool>,
        seat: Arc<Seat>,
        patience: Duration,
    ) -> Self {
        Self { stream, first: (first, 0), stop, seat, patience, stalled: None, linger: None }
    }

    /// Whether nothing is waited for: the connection ends with what has arrived.
    fn is_closing(&self) -> bool {
        *self.stop.borrow() || self.seat.is_evicted()
    }

    /// Passes on what was read already; whether there was any.
    fn pass_on(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let (first, passed) = &mut self.first;
        let left = &first[*passed..];
        if left.is_empty() {
            return false;
        }
        let part = left.len().min(buf.remaining());
        buf.put_slice(&left[..part]);
        *passed += part;
        if *passed == first.len() {
            self.first = (Vec::new(), 0);
        }
        true
    }

    /// Passes on how a write went, unless the peer has taken nothing for too long.
    fn bounded(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.seat.set_writing(written.is_pending());
        if let Poll::Ready(written) = written {
            self.stalled = None;
            self.seat.wrote(*written.as_ref().unwrap_or(&0));
            return Poll::Ready(written);
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        // The kernel is to forget what it could not send, instead of going on trying.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.pass_on(buf) {
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() || !self.is_closing() {
            return read;
        }
        // Whoever has said nothing is closed. The runtime may not have heard of all that was said:
        // the kernel is asked itself.
        match (&*SockRef::from(&self.stream)).read(buf.initialize_unfilled()) {
            Ok(bytes) => buf.advance(bytes),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bounded(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        let this = &mut *self;
        let linger = this.linger.get_or_insert_with(|| Linger::new(this.seat.is_cut()));
        linger.poll(&mut this.stream, cx).map(Ok)
    }
}
