//! A front at work, and its clients.

use std::convert::Infallible;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use holdfast_front::{Body, Front, Metrics, Options, Site, Stop};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Bytes, Frame};
use prometheus_client::registry::Registry;

pub(crate) const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// Asks once, and for no more.
pub(crate) const LAST_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";

/// Asks for a long answer, made at once.
pub(crate) const LONG_REQUEST: &[u8] = b"GET /long HTTP/1.1\r\nhost: test\r\n\r\n";

/// How long the service takes over a short answer.
pub(crate) const WORK: Duration = Duration::from_millis(300);

/// How long a request may keep the whole listener from its work.
pub(crate) const BLOCK: Duration = Duration::from_millis(50);

/// How long the worst request does.
pub(crate) const STUCK: Duration = Duration::from_secs(2);

/// Bytes of an answer that no buffer holds.
pub(crate) const HUGE: usize = 32 << 20;

/// A deadline that no test waits for.
pub(crate) const NEVER: Duration = Duration::from_secs(60);

/// Deadlines short enough to wait for, long enough for a busy machine.
pub(crate) fn options() -> Options {
    let half_second = Duration::from_millis(500);
    Options { listeners: 2, first_byte: half_second, header: half_second, ..Options::default() }
}

pub(crate) fn bind(options: Options) -> Front {
    Front::bind((Ipv4Addr::LOCALHOST, 0).into(), options).unwrap()
}

/// A front at work.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    metrics: Metrics,
    stop: Stop,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Running {
    pub(crate) fn start(front: Front) -> Self {
        let (address, metrics, stop) = (front.address(), front.metrics().clone(), Stop::new());
        let told = stop.clone();
        let thread = thread::spawn(move || {
            let site = Test { stop: told.clone() };
            front.run(&move || site.clone(), &told)
        });
        Self { address, metrics, stop, thread }
    }

    /// What the front has counted under a name.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let mut registry = Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.address).unwrap()
    }

    /// Stops it, and says how long that took.
    pub(crate) fn stop(self) -> Duration {
        let begun = Instant::now();
        self.stop.stop();
        self.thread.join().unwrap().unwrap();
        begun.elapsed()
    }
}

/// Answers every request after a while, and says who did: `done by front-1`.
#[derive(Clone)]
struct Test {
    stop: Stop,
}

/// The end of a stream that goes on until the server stops.
struct UntilStop(Pin<Box<dyn Future<Output = ()> + Send>>);

impl hyper::body::Body for UntilStop {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.as_mut().poll(cx).map(|()| None)
    }
}

impl Site for Test {
    type Body = Either<Full<Bytes>, UntilStop>;

    async fn answer(&self, peer: IpAddr, request: Request<Body>) -> Response<Self::Body> {
        assert_eq!(peer, Ipv4Addr::LOCALHOST);
        match request.uri().path() {
            "/stream" => {
                let stop = self.stop.clone();
                let end = UntilStop(Box::pin(async move { stop.given().await }));
                return Response::new(Either::Right(end));
            }
            "/health" => return told("done"),
            "/long" => return told("x".repeat(1 << 20)),
            "/huge" => return told("x".repeat(HUGE)),
            // Keeps the whole listener from its work.
            "/block" => thread::sleep(BLOCK),
            "/stuck" => thread::sleep(STUCK),
            "/hard" | "/calm" | "/probe" => thread::sleep(BLOCK / 10),
            "/body" => {
                let _ = request.into_body().collect().await;
            }
            _ => tokio::time::sleep(WORK).await,
        }
        let name = thread::current().name().unwrap_or_default().to_owned();
        told(format!("done by {name}"))
    }

    fn busy(&self) -> Response<Self::Body> {
        let mut response = told("busy");
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
    }

    fn busy_bytes(&self) -> &[u8] {
        b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbusy"
    }

    fn lane(&self, uri: &Uri) -> Option<u64> {
        match uri.path() {
            "/health" | "/probe" => None,
            path => Some(u64::from(path == "/calm")),
        }
    }
}

fn told(text: impl Into<Bytes>) -> Response<Either<Full<Bytes>, UntilStop>> {
    Response::new(Either::Left(Full::new(text.into())))
}

pub(crate) fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

/// What the peer says until it closes.
pub(crate) fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection stays open: {error}"),
    }
    String::from_utf8(said).unwrap()
}
