//! What a provider tells.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use holdfast_api::{Code, Problem};
use holdfast_checkout::webhook::{self, Forged};
use http::{StatusCode, header};

use crate::address::Path;
use crate::app::App;
use crate::body;
use crate::problem::PRIVATE;
use crate::routes::Answer;

/// Takes a provider's word that something has happened to a payment.
///
/// To say 2xx at once is honest, though nothing is written: what the message points to, the payment
/// that is under way, has been durable in the engine since before the provider was asked. The
/// message only makes us look sooner; after a crash the reconciler looks without it.
pub(crate) async fn hear(
    State(app): State<App>,
    Path(provider): Path<String>,
    request: Request,
) -> Answer {
    if provider != app.options.provider.as_str() {
        return Err(Problem::new(Code::NotFound).into());
    }
    let signature = request.headers().get(webhook::SIGNATURE);
    let signature = signature.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let unsigned = || problem(Forged::Unreadable);
    let signature = signature.ok_or_else(unsigned)?;
    let body = body::bytes(request, app.body_deadline).await?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (secrets, tolerance) = (&app.options.webhook_secrets, webhook::TOLERANCE_SECONDS);
    let event = webhook::verify(secrets, &signature, &body, since.as_secs(), tolerance);
    app.checkout.hint(&event.map_err(problem)?.reference);
    Ok((StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, PRIVATE)]).into_response())
}

/// What nobody who knows the secret has signed is nobody's; what is signed and cannot be used is
/// malformed.
fn problem(forged: Forged) -> Problem {
    let code = match forged {
        Forged::Unreadable | Forged::Signature => Code::Unauthorised,
        Forged::Time | Forged::Event => Code::Malformed,
    };
    Problem::new(code).because(forged.to_string())
}
