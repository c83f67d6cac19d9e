//! Bodies on their way through the front: they know when they have arrived or are told.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use pin_project_lite::pin_project;

use crate::seat::{Arriving, Seat, Told};

/// A request's body.
pub struct Body {
    incoming: Incoming,
    /// Until the last byte is here, the connection waits for its peer.
    arriving: Option<Arriving>,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, seat: &Arc<Seat>) -> Self {
        let arriving = (!incoming.is_end_stream()).then(|| seat.arriving());
        Self { incoming, arriving }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if frame.is_none() || self.incoming.is_end_stream() {
            self.arriving.take().into_iter().for_each(Arriving::arrived);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

pin_project! {
    /// An answer's body, which knows how it is taken.
    pub(crate) struct Answer<B> {
        #[pin]
        body: B,
        told: Told,
    }
}

impl<B> Answer<B> {
    pub(crate) fn new(body: B, told: Told) -> Self {
        Self { body, told }
    }
}

impl<B: hyper::body::Body> hyper::body::Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            this.told.goes_on(frame.data_ref().map_or(0, Buf::remaining));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
