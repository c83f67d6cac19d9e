//! The routes as the front serves them: with what concerns every request, whatever it asks.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use holdfast_api::{Code, Problem};
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use tower::Service;

use crate::app::App;
use crate::lanes::Lanes;
use crate::metrics::Kind;
use crate::problem::Refused;
use crate::router::router;
use crate::routes::holds;

/// The HTTP contract behind a [`holdfast_front::Front`].
#[derive(Clone)]
pub struct Site {
    app: App,
    router: Router,
    /// The answer of a server that is busy, as bytes.
    busy: Arc<[u8]>,
    lanes: Arc<Lanes>,
}

impl Site {
    /// The contract over an app, for use on this runtime.
    ///
    /// # Panics
    /// When it is not called on a tokio runtime.
    pub fn on_this_runtime(app: &App) -> Self {
        let app = app.on_this_runtime();
        Self { router: router(app.clone()), app, busy: busy_bytes().into(), lanes: Arc::default() }
    }

    /// Whether the network that asks may ask so often.
    fn admit<B>(&self, peer: IpAddr, request: &Request<B>) -> Result<(), Problem> {
        // Whoever asks after the server's health shows no key and costs next to nothing.
        if matches!(request.uri().path(), "/healthz" | "/readyz") {
            return Ok(());
        }
        self.app.limits.of_network(peer, request.headers())
    }

    fn count(&self, response: &Response) {
        self.app.metrics.count(response.status(), response.extensions().get());
    }
}

impl holdfast_front::Site for Site {
    type Body = Body;

    fn answer(
        &self,
        peer: IpAddr,
        request: Request<holdfast_front::Body>,
    ) -> impl Future<Output = Response> + Send {
        let begun = Instant::now();
        let kind = Kind::of(request.method(), request.uri().path());
        let lane = self.lanes.of(request.uri());
        let refused = self.admit(peer, &request).err().map(|it| Refused(it).into_response());
        // One future for all, and no function that waits in between: each would keep a copy of the
        // request.
        async move {
            let response = match (refused, reserved_sale(&request)) {
                (Some(refused), _) => refused,
                // To hold units takes the straight way past the router: it is what all of a rush
                // ask for.
                (None, Some(sale)) => {
                    let request = request.map(Body::new);
                    holds::hold_units(&self.app, &sale, request).await.into_response()
                }
                (None, None) => match self.router.clone().call(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                },
            };
            if let Some(lane) = lane.filter(|_| is_of_a_sale(response.status())) {
                self.lanes.know(lane);
            }
            self.count(&response);
            self.app.metrics.latency(kind).observe_duration(begun.elapsed());
            response
        }
    }

    fn busy(&self) -> Response {
        let response = Refused(busy()).into_response();
        self.count(&response);
        response
    }

    fn busy_bytes(&self) -> &[u8] {
        self.app.metrics.count(StatusCode::SERVICE_UNAVAILABLE, Some(&Code::Overloaded));
        &self.busy
    }

    fn lane(&self, uri: &Uri) -> Option<u64> {
        // A server that is busy is well: whoever asks must not take it for dead in its best hour.
        if is_of_health(uri) {
            return None;
        }
        self.lanes.of(uri).filter(|lane| self.lanes.knows(*lane)).unwrap_or(Lanes::COMMON).into()
    }
}

fn is_of_health(uri: &Uri) -> bool {
    matches!(uri.path(), "/healthz" | "/readyz" | "/metrics")
}

/// What has waited too long is told this.
fn busy() -> Problem {
    let why = "the server has more to do than it can: this request has waited too long";
    Problem::new(Code::Overloaded).because(why)
}

/// The same as bytes of HTTP/1.1, for whoever is refused before anything is read into their
/// request.
fn busy_bytes() -> Vec<u8> {
    let problem = busy();
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = Refused(problem).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    [bytes, b"\r\n".to_vec(), body].concat()
}

/// The sale in which a request asks to hold units, if that is what it does and the sale's name
/// stands there as it is.
fn reserved_sale<B>(request: &Request<B>) -> Option<String> {
    let rest = request.uri().path().strip_prefix("/v1/sales/")?;
    let sale = rest.strip_suffix("/holds")?;
    let is_plain = request.method() == Method::POST && !sale.contains(['/', '%']);
    is_plain.then(|| sale.to_owned())
}

/// Whether an answer like this is given only where there is a sale.
fn is_of_a_sale(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::CONFLICT
}
