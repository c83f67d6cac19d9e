//! Accepting and serving connections.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::accept::{self, Arrival};
use crate::host::Host;
use crate::metrics::Metrics;
use crate::patience::Patience;
use crate::seats::Seats;
use crate::site::Site;
use crate::standing::Standing;
use crate::{connection, listen};

/// How connections are treated.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Listeners, each with a thread of its own; at least 1.
    pub listeners: usize,
    /// Connections that may wait to be accepted, for each listener; the system allows no more than
    /// it is set to (on Linux `net.core.somaxconn`, mostly 4,096). Rust's own listeners take 128: a
    /// rush that arrives within a second overflows that and waits for TCP's retries.
    pub backlog: u16,
    /// Connections that may be open, over all listeners; at least one each. When they all are,
    /// those go that keep the server waiting longest.
    pub connections: usize,
    /// How long a request may wait before the server looks at it. `None`: for ever.
    pub patience: Option<Patience>,
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
            backlog: u16::MAX,
            connections: 10_000,
            patience: Some(Patience::default()),
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

    /// Comes back once the stop is given: what would go on for ever is to end then.
    pub async fn given(&self) {
        // The sender is here: it cannot have gone.
        let _ = self.0.subscribe().wait_for(|&stop| stop).await;
    }
}

/// Listeners that are bound and not yet served.
#[derive(Debug)]
pub struct Front {
    listeners: Vec<TcpListener>,
    address: SocketAddr,
    options: Options,
    metrics: Metrics,
}

impl Front {
    /// Binds the listeners. From here on connections are taken by the kernel and wait.
    ///
    /// # Errors
    /// As the system says: the address is in use, by this server or another, or not this
    /// machine's.
    pub fn bind(address: SocketAddr, options: Options) -> io::Result<Self> {
        let listeners = listen::bind(address, options.listeners, options.backlog)?;
        let address = listeners.first().map_or(Ok(address), TcpListener::local_addr)?;
        Ok(Self { listeners, address, options, metrics: Metrics::default() })
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The address, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is given and what was in flight has finished. Each listener makes a
    /// site for itself, on its own runtime.
    ///
    /// # Errors
    /// When the system has no thread or no runtime to give, or when requests in flight were cut
    /// off because they did not finish in time.
    pub fn run<S, M>(self, make: &M, stop: &Stop) -> io::Result<()>
    where
        S: Site,
        M: Fn() -> S + Clone + Send + 'static,
    {
        let connections = self.options.connections / self.listeners.len().max(1);
        let (mut threads, standing) = (Vec::new(), Standing::default());
        for (number, listener) in (1..).zip(self.listeners) {
            let (make, stop) = (make.clone(), stop.0.subscribe());
            let (options, metrics) = (self.options, self.metrics.clone());
            let standing = standing.clone();
            // Who yields, as the accepting does, is woken when the events are looked at.
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.event_interval(accept::POLLS).enable_all().build()?;
            let work = async move {
                let host = Host::new(make(), options, metrics, standing.clone());
                serve(listener, Arc::new(host), Seats::new(connections), standing, stop).await
            };
            let thread = thread::Builder::new().name(format!("front-{number}"));
            threads.push(thread.spawn(move || runtime.block_on(work))?);
        }
        for thread in threads {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a listener panicked")))?;
        }
        Ok(())
    }
}

async fn serve<S: Site>(
    listener: TcpListener,
    host: Arc<Host<S>>,
    seats: Seats,
    standing: Standing,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let watcher = Arc::clone(&host);
    tokio::spawn(async move { watcher.waiting.watch().await });
    // Each connection keeps a sender for as long as it lives.
    let (alive, mut gone) = mpsc::channel::<Infallible>(1);
    let (told, with, places) = (stop.clone(), Arc::clone(&host), seats.clone());
    let admit = move |Arrival { stream, peer, bytes }: Arrival| {
        let ticket = places.take(Instant::now());
        let host = Arc::clone(&with);
        let (metrics, alive) = (host.metrics.clone(), alive.clone());
        metrics.open.inc();
        let told = told.clone();
        tokio::spawn(async move {
            // Made here: a future that is made outside and kept by this one would be there twice.
            connection::serve(stream, peer.ip(), bytes, ticket, host, told).await;
            metrics.open.dec();
            drop(alive);
        });
    };
    let mut in_hand = None;
    tokio::select! {
        _ = stop.wait_for(|&stop| stop) => {}
        never = accept::all(&listener, &host, &seats, &mut in_hand, &admit) => match never {},
        never = accept::keep_backlog(&listener, host.options.backlog, &standing) => match never {},
    }
    in_hand.into_iter().for_each(&admit);
    let drained = timeout(host.options.drain, async {
        accept::last(listener, &host, admit).await?;
        gone.recv().await;
        io::Result::Ok(())
    });
    drained.await.unwrap_or_else(|_| {
        let what = "requests were cut off: they took longer than the server may take to stop";
        Err(io::Error::new(io::ErrorKind::TimedOut, what))
    })
}
