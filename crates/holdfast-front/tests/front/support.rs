//! A front at work, and its clients.

use std::convert::Infallible;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use holdfast_front::{Front, Options, Stop};
use http::{Request, Response};
use hyper::body::Incoming;
use tower::service_fn;

pub(crate) const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// Asks for a long answer, made at once.
pub(crate) const LONG_REQUEST: &[u8] = b"GET /long HTTP/1.1\r\nhost: test\r\n\r\n";

/// How long the service takes over a short answer.
pub(crate) const WORK: Duration = Duration::from_millis(300);

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
    stop: Stop,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Running {
    pub(crate) fn start(front: Front) -> Self {
        let (address, stop) = (front.address(), Stop::new());
        let told = stop.clone();
        let thread = thread::spawn(move || front.run(&|| service_fn(answer), &told));
        Self { address, stop, thread }
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

/// A short answer ends with who gave it: `done by front-1`.
async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    if request.uri().path() == "/long" {
        return Ok(Response::new("x".repeat(1 << 20)));
    }
    tokio::time::sleep(WORK).await;
    let name = thread::current().name().unwrap_or_default().to_owned();
    Ok(Response::new(format!("done by {name}")))
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
