//! A hold goes to the checkout.

use std::time::Duration;

use axum::extract::{Request, State};
use holdfast_api::{Checkout, Code, PostCheckout, Problem, Simulate};
use holdfast_checkout::provider::Manner;
use holdfast_checkout::{Case, Note};
use holdfast_core::{
    Checkout as Asked, Command, HoldStatus, HoldView, METADATA_BYTES_MAX, Outcome, PAY_QUEUE_MAX_MS,
};
use holdfast_engine::SaleRef;
use http::StatusCode;

use crate::address::Path;
use crate::app::{App, ProviderName};
use crate::auth::Caller;
use crate::body;
use crate::problem::{hold_not_found, of_refusal};
use crate::routes::holds::{Claimant, find, idempotency_key};
use crate::routes::{Answer, private};

/// Takes a hold to the checkout. The answer does not wait for the provider.
pub(crate) async fn begin(
    State(app): State<App>,
    Path(hold): Path<String>,
    request: Request,
) -> Answer {
    let claimant = Claimant::read(&app, request.headers(), request.uri())?;
    let caller = claimant.caller;
    let key = idempotency_key(request.headers())?;
    let (sale, found) = find(&app, claimant, &hold).await?;
    let asked = body::read_if_any::<PostCheckout>(request, app.body_deadline).await?;
    let note = note(&app, caller, asked)?.write();
    has_room(&app, &found)?;
    let number = found.receipt.sale;
    let asked = Asked { hold: found.key, buyer: Some(found.buyer), key, note };
    let answer = app.execute(SaleRef::Number(number), Command::Checkout(asked)).await?;
    if let Outcome::Refused(refusal) = answer.outcome {
        return Err(of_refusal(refusal, None).into());
    }
    let hold = answer.hold.ok_or_else(hold_not_found)?;
    // Where this is never reached, after a crash or because the client has gone, the reconciler
    // finds the hold.
    app.checkout.begin(Case { sale: number, hold: hold.key });
    let hold = app.hold(sale, &hold);
    let payment = hold.payment.clone().ok_or_else(hold_not_found)?;
    Ok(private(StatusCode::OK, &Checkout { pay_by: payment.pay_by, payment, hold }))
}

/// What is to be kept with the checkout.
fn note(app: &App, caller: Caller, asked: PostCheckout) -> Result<Note, Problem> {
    let PostCheckout { simulate, metadata } = asked;
    if simulate.is_some() && app.options.provider != ProviderName::Simulated {
        let why = "only the simulated provider behaves as it is told";
        return Err(Problem::invalid("simulate", why));
    }
    if metadata.is_some() && caller != Caller::Merchant {
        return Err(Problem::invalid("metadata", "only a merchant says what is kept"));
    }
    if metadata.as_ref().is_some_and(|metadata| metadata.json().len() > METADATA_BYTES_MAX) {
        let why = format!("must have at most {METADATA_BYTES_MAX} bytes as JSON");
        return Err(Problem::invalid("metadata", why));
    }
    let metadata = metadata.map(holdfast_api::Metadata::into_json);
    Ok(Note { simulate: simulate.map(manner), metadata })
}

fn manner(simulate: Simulate) -> Manner {
    match simulate {
        Simulate::Approve => Manner::Approve,
        Simulate::Decline => Manner::Decline,
        Simulate::Slow => Manner::Slow,
        Simulate::Late => Manner::Late,
        Simulate::Twice => Manner::Twice,
        Simulate::Never => Manner::Never,
    }
}

/// Refuses a payment that would wait for the provider longer than a buyer's time can stand still.
/// Nobody waits who is there already, or has nothing to pay.
fn has_room(app: &App, hold: &HoldView) -> Result<(), Problem> {
    if hold.status != HoldStatus::Held || hold.total.amount == 0 || !app.checkout.is_full() {
        return Ok(());
    }
    let longest = Duration::from_millis(PAY_QUEUE_MAX_MS.into());
    let too_long = app.checkout.queue_time().saturating_sub(longest);
    let why = "more payments wait for the provider than it can take in time; the hold stays held";
    Err(Problem::new(Code::Overloaded).because(why).retry_after(too_long))
}
