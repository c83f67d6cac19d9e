//! Accepting and serving connections.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tower::Service;

use crate::accept::{self, Failures};
use crate::{connection, listen};

/// How connections are treated.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Listeners, each with a thread of its own; at least 1.
    pub listeners: usize,
    /// How long a new connection may say nothing.
    pub first_byte: Duration,
    /// How long the head of a request may take once it has begun, and how long a connection may
    /// stay open between two requests.
    pub header: Duration,
    /// How long a client may leave its answers unread, once the kernel takes no more of them.
    pub write: Duration,
    /// How long requests in flight may take to finish once the server stops.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listeners: thread::available_parallelism().map_or(1, usize::from),
            first_byte: Duration::from_secs(10),
            header: Duration::from_secs(10),
            write: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        }
    }
}

/// Tells a [`Front`] to stop.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// A signal that has not been given.
    #[expect(clippy::new_without_default, reason = "a signal is made, it has no default state")]
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Stops: no new connections; requests that have arrived are answered.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Listeners that are bound and not yet served.
#[derive(Debug)]
pub struct Front {
    listeners: Vec<TcpListener>,
    address: SocketAddr,
    options: Options,
}

impl Front {
    /// Binds the listeners. From here on connections are taken by the kernel and wait.
    ///
    /// # Errors
    /// As the system says: the address is in use, by this server or another, or not this
    /// machine's.
    pub fn bind(address: SocketAddr, options: Options) -> io::Result<Self> {
        let listeners = listen::bind(address, options.listeners)?;
        let address = listeners.first().map_or(Ok(address), TcpListener::local_addr)?;
        Ok(Self { listeners, address, options })
    }

    /// The address, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is given and what was in flight has finished. Each listener makes a
    /// service for itself, on its own runtime.
    ///
    /// # Errors
    /// When the system has no thread or no runtime to give, or when requests in flight were cut
    /// off because they did not finish in time.
    pub fn run<M, S, B>(self, make: &M, stop: &Stop) -> io::Result<()>
    where
        M: Fn() -> S + Clone + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut threads = Vec::new();
        for (number, listener) in (1..).zip(self.listeners) {
            let (make, stop, options) = (make.clone(), stop.0.subscribe(), self.options);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let work = async move { serve(listener, make(), stop, options).await };
            let thread = thread::Builder::new().name(format!("front-{number}"));
            threads.push(thread.spawn(move || runtime.block_on(work))?);
        }
        for thread in threads {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a listener panicked")))?;
        }
        Ok(())
    }
}

async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    mut stop: watch::Receiver<bool>,
    options: Options,
) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut http = http1::Builder::new();
    // A client that says no more may still listen: it sent its request and closed its half.
    http.half_close(true).timer(TokioTimer::new()).header_read_timeout(options.header);
    // Each connection keeps a sender for as long as it lives.
    let (alive, mut gone) = mpsc::channel::<Infallible>(1);
    let told = stop.clone();
    let admit = move |stream| {
        let serve = connection::serve(stream, service.clone(), http.clone(), told.clone(), options);
        let alive = alive.clone();
        tokio::spawn(async move {
            serve.await;
            drop(alive);
        });
    };
    let mut failures = Failures::default();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|&stop| stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => admit(stream),
            Err(error) => failures.wait(&error).await,
        }
    }
    accept::last(listener, admit)?;
    let drained = timeout(options.drain, gone.recv()).await;
    drained.map(|_| ()).map_err(|_| {
        let what = "requests were cut off: they took longer than the server may take to stop";
        io::Error::new(io::ErrorKind::TimedOut, what)
    })
}
