//! The routes as the front serves them: with what concerns every request, whatever it asks.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use holdfast_api::{Code, Problem};
use holdfast_front::Peer;
use http::{Request, StatusCode, Uri};
use tower::Service;

use crate::app::App;
use crate::lanes::Lanes;
use crate::limits::Limits;
use crate::metrics::{Kind, Metrics};
use crate::problem::Refused;
use crate::router::router;

/// The HTTP contract behind a [`holdfast_front::Front`].
#[derive(Clone)]
pub struct Site {
    router: Router,
    limits: Arc<Limits>,
    metrics: Metrics,
    lanes: Arc<Lanes>,
}

impl Site {
    /// The contract over an app, for use on this runtime.
    ///
    /// # Panics
    /// When it is not called on a tokio runtime.
    pub fn on_this_runtime(app: &App) -> Self {
        Self {
            router: router(app.on_this_runtime()),
            limits: Arc::clone(&app.limits),
            metrics: app.metrics.clone(),
            lanes: Arc::default(),
        }
    }

    async fn route(&self, request: Request<holdfast_front::Body>) -> Response {
        let peer = request.extensions().get::<Peer>();
        let within =
            peer.map_or(Ok(()), |Peer(peer)| self.limits.of_network(*peer, request.headers()));
        if let Err(problem) = within {
            return Refused(problem).into_response();
        }
        let lane = self.lanes.of(request.uri());
        let response = match self.router.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if let Some(lane) = lane.filter(|_| is_of_a_sale(response.status())) {
            self.lanes.know(lane);
        }
        response
    }

    fn count(&self, response: &Response) {
        self.metrics.count(response.status(), response.extensions().get());
    }
}

impl holdfast_front::Site for Site {
    type Body = Body;

    async fn answer(&self, request: Request<holdfast_front::Body>) -> Response {
        let begun = Instant::now();
        let kind = Kind::of(request.method(), request.uri().path());
        let response = self.route(request).await;
        self.count(&response);
        self.metrics.latency(kind).observe_duration(begun.elapsed());
        response
    }

    fn busy(&self) -> Response {
        let why = "the server has more to do than it can: this request has waited too long";
        let response = Refused(Problem::new(Code::Overloaded).because(why)).into_response();
        self.count(&response);
        response
    }

    fn lane(&self, uri: &Uri) -> u64 {
        self.lanes.of(uri).filter(|lane| self.lanes.knows(*lane)).unwrap_or(Lanes::COMMON)
    }
}

/// Whether an answer like this is given only where there is a sale.
fn is_of_a_sale(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::CONFLICT
}
