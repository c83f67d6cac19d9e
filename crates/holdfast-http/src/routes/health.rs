//! Whether the process lives, whether it can serve, and what it counts.

use axum::extract::State;
use axum::response::IntoResponse;
use holdfast_api::{Code, Problem};
use http::HeaderMap;

use crate::app::App;
use crate::routes::Answer;

/// The process lives.
pub(crate) async fn alive() -> &'static str {
    "alive\n"
}

/// The engine answers from a store that is not in doubt.
pub(crate) async fn ready(State(app): State<App>) -> Answer {
    app.look(|_| ()).await?;
    Ok("ready\n".into_response())
}

/// What is counted, for merchants; it says how a sale goes. On a server that has a listener of its
/// own for it there is nothing here.
pub(crate) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Answer {
    let elsewhere = "the metrics are served at an address of their own: see --metrics-listen";
    let scrape = app.scrape.as_ref();
    let scrape = scrape.ok_or_else(|| Problem::new(Code::NotFound).because(elsewhere))?;
    app.merchant(&headers)?;
    Ok(scrape.show().await)
}
