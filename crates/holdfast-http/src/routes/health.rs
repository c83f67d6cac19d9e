//! Whether the process lives, and whether it can serve.

use axum::extract::State;
use axum::response::IntoResponse;

use crate::app::App;
use crate::problem::of_engine;
use crate::routes::Answer;

/// The process lives.
pub(crate) async fn alive() -> &'static str {
    "alive\n"
}

/// The engine answers from a store that is not in doubt.
pub(crate) async fn ready(State(app): State<App>) -> Answer {
    app.engine.look(|_| ()).await.map_err(|error| of_engine(&error))?;
    Ok("ready\n".into_response())
}
