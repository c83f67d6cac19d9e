//! Every route, in one list.

use axum::Router;
use axum::routing::{get, patch, post, put};
use holdfast_api::{Code, Problem};

use crate::app::App;
use crate::problem::Refused;
use crate::routes::{audit, health, holds, sales};

/// The HTTP contract over an app.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/v1/sales", get(sales::list))
        .route("/v1/sales/{sale}", put(sales::configure).get(sales::show))
        .route("/v1/sales/{sale}/open", post(sales::open))
        .route("/v1/sales/{sale}/pause", post(sales::pause))
        .route("/v1/sales/{sale}/resume", post(sales::resume))
        .route("/v1/sales/{sale}/close", post(sales::close))
        .route("/v1/sales/{sale}/tiers/{tier}", patch(sales::resize))
        .route("/v1/sales/{sale}/holds", post(holds::reserve).get(holds::list))
        .route("/v1/sales/{sale}/me", get(holds::me))
        .route("/v1/sales/{sale}/audit", get(audit::show))
        .route("/v1/holds/{hold}", get(holds::show).delete(holds::cancel))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(async || Refused(Problem::new(Code::NotFound)))
        .method_not_allowed_fallback(async || Refused(Problem::new(Code::MethodNotAllowed)))
        .with_state(app)
}
