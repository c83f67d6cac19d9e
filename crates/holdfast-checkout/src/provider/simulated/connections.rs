//! Connections, and the end of all of them.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::answer::BreakOff;
use super::bank::{Bank, Duties};
use super::{courier, routes};

/// How long calls that are being done have to finish when the bank is told to stop.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long a head may take to arrive.
const HEAD: Duration = Duration::from_secs(10);

/// How long to wait when the system has no descriptor left.
const REST: Duration = Duration::from_millis(50);

/// Why a bank is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this provider is being served already")]
pub struct NotServed;

/// Lets a bank be asked, tells of its changes and authorises late payments, until it is told to
/// stop. Calls that are being done then have a second to finish; those that hang are broken off.
///
/// To drop the future is to kill the bank: every connection breaks, nobody is told of anything any
/// more. Webhooks that have not been taken by then are never sent.
///
/// # Errors
/// When the bank is being served already.
pub async fn serve(
    bank: Bank,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), NotServed> {
    let mut served = Served { duties: Some(bank.take_duties().ok_or(NotServed)?), bank };
    let (leave, left) = watch::channel(false);
    let router = routes::router(served.bank.clone(), left.clone());
    let mut connections = JoinSet::new();
    tokio::select! {
        () = accept(&listener, &router, &left, &mut connections) => {}
        () = served.do_duties() => {}
        () = stop => {}
    }
    drop(listener);
    leave.send_replace(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GOODBYE, finished).await;
    Ok(())
}

/// Gives a bank's duties back when it is no longer served.
struct Served {
    bank: Bank,
    duties: Option<Duties>,
}

impl Served {
    /// For ever.
    async fn do_duties(&mut self) {
        let tell = async {
            if let Some(Duties { tell: Some((address, news)) }) = &mut self.duties {
                courier::tell(address, news).await;
            }
        };
        tokio::join!(self.bank.ripen(), tell);
        pending::<()>().await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.duties.take().into_iter().for_each(|duties| self.bank.give_duties_back(duties));
    }
}

/// Takes whoever comes, for ever.
async fn accept(
    listener: &TcpListener,
    router: &Router,
    left: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (router, left) = (router.clone(), left.clone());
                connections.spawn(connection(stream, router, left));
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(REST).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, router: Router, mut left: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(router.clone(), request));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let told = async move {
        let _ = left.wait_for(|left| *left).await;
    };
    // A peer that breaks off, and one that is broken off, are what this is for.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = told => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// An error is how a connection is told to break without an answer.
async fn answer(router: Router, request: Request<Incoming>) -> io::Result<Response> {
    let answered: Result<Response, Infallible> = router.oneshot(request.map(Body::new)).await;
    let Ok(response) = answered;
    match response.extensions().get::<BreakOff>() {
        Some(BreakOff) => Err(io::Error::other("broken off")),
        None => Ok(response),
    }
}
