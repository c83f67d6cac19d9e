//! What all connections of a listener share.

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::metrics::Metrics;
use crate::patience::Waiting;
use crate::serve::Options;
use crate::standing::Standing;

/// Requests that one connection of HTTP/2 may have open: a proxy sends a rush through a few.
const STREAMS: u32 = 250;

/// Bytes of a head, in HTTP/2, and of what is buffered of a connection of HTTP/1.1.
const HEAD_BYTES: u32 = 16 << 10;
const BUFFER_BYTES: usize = 64 << 10;

pub(crate) struct Host<S> {
    pub(crate) site: S,
    pub(crate) http1: http1::Builder,
    pub(crate) http2: http2::Builder<TokioExecutor>,
    pub(crate) waiting: Waiting,
    pub(crate) metrics: Metrics,
    pub(crate) options: Options,
}

impl<S> Host<S> {
    pub(crate) fn new(site: S, options: Options, metrics: Metrics, standing: Standing) -> Self {
        let mut http1 = http1::Builder::new();
        // A client that says no more may still listen: it sent its request and closed its half.
        http1.half_close(true).timer(TokioTimer::new()).header_read_timeout(options.header);
        // Answers are small: to copy one beside its head is cheaper than to write two pieces.
        http1.writev(false).max_buf_size(BUFFER_BYTES);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD_BYTES)
            // A peer that is gone is noticed, also while nobody asks.
            .keep_alive_interval(options.header)
            .keep_alive_timeout(options.header);
        let waiting = Waiting::new(options.patience, standing);
        Self { site, http1, http2, waiting, metrics, options }
    }
}
