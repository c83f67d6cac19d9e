//! From a refusal or a failure to a problem, and from a problem to an answer.

use axum::response::{IntoResponse, Response};
use holdfast_api::{Code, Hold, Problem, Time};
use holdfast_checkout::CheckoutError;
use holdfast_core::{Limit, Refusal};
use holdfast_engine::EngineError;
use holdfast_ledger::LedgerError;
use http::{HeaderValue, StatusCode, header};

/// A problem as an answer.
pub(crate) struct Refused(pub(crate) Problem);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response =
            (status, serde_json::to_vec(&problem).unwrap_or_default()).into_response();
        // For whoever counts the answers.
        response.extensions_mut().insert(problem.code);
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, PRIVATE);
        if let Some(seconds) = problem.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if problem.code == Code::Unauthorised {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What concerns one caller is nobody else's.
pub(crate) const PRIVATE_TEXT: &str = "private, no-store";

/// The same as a header's value.
pub(crate) const PRIVATE: HeaderValue = HeaderValue::from_static(PRIVATE_TEXT);

/// There is no such sale.
pub(crate) fn sale_not_found() -> Problem {
    Problem::new(Code::SaleNotFound)
}

/// There is no such hold, or it is another's.
pub(crate) fn hold_not_found() -> Problem {
    Problem::new(Code::HoldNotFound)
}

/// There is no such order, or it is another's.
pub(crate) fn order_not_found() -> Problem {
    Problem::new(Code::OrderNotFound)
}

/// What was done cannot be shown. That must not sound as if nothing had been done; a move that is
/// repeated changes nothing.
pub(crate) fn done_unseen(problem: Problem) -> Problem {
    let why = problem.detail.unwrap_or(problem.title);
    Problem::new(Code::OutcomeUnknown).because(format!("it was done, but cannot be shown: {why}"))
}

/// The engine has no outcome.
pub(crate) fn of_engine(error: &EngineError) -> Problem {
    let code = match error {
        EngineError::Overloaded | EngineError::Stopped => Code::Overloaded,
        EngineError::Unavailable(_) => Code::StoreUnavailable,
        EngineError::Unknown(_) => Code::OutcomeUnknown,
    };
    Problem::new(code).because(error.to_string())
}

/// The checkout has no answer. What a database or a provider says is for the log: it may name what
/// is nobody's business.
pub(crate) fn of_checkout(error: &CheckoutError) -> Problem {
    match error {
        CheckoutError::Engine(error) => of_engine(error),
        CheckoutError::Ledger(error) => of_ledger(error),
        CheckoutError::Provider(why) => {
            tracing::debug!(%why, "the provider cannot be asked");
            Problem::new(Code::StoreUnavailable).because("the payment provider cannot be asked")
        }
        CheckoutError::Stopped => Problem::new(Code::Overloaded).because(error.to_string()),
    }
}

fn of_ledger(error: &LedgerError) -> Problem {
    let unavailable = |why: &'static str| Problem::new(Code::StoreUnavailable).because(why);
    match error {
        LedgerError::Unavailable(why) => {
            tracing::debug!(%why, "the ledger does not answer");
            unavailable("the ledger does not answer")
        }
        LedgerError::Unknown(why) => {
            tracing::debug!(%why, "what came of a write to the ledger is not known");
            let why = "the ledger has not said what came of it";
            Problem::new(Code::OutcomeUnknown).because(why)
        }
        LedgerError::Fenced { .. } => unavailable("another server writes this sale's orders"),
        LedgerError::NoSale
        | LedgerError::NotOurs(_)
        | LedgerError::NoTier(_)
        | LedgerError::IdTaken(_)
        | LedgerError::Invalid(_)
        | LedgerError::Broken(_) => {
            tracing::error!(%error, "the ledger is not as it must be");
            unavailable("the ledger is not as it must be: see the server's log")
        }
    }
}

/// The rules refuse; `hold` is the one that the refusal names.
pub(crate) fn of_refusal(refusal: Refusal, hold: Option<Hold>) -> Problem {
    let plain = Problem::new;
    match refusal {
        Refusal::SaleNotFound => plain(Code::SaleNotFound),
        Refusal::TierNotFound => plain(Code::TierNotFound),
        Refusal::HoldNotFound => plain(Code::HoldNotFound),
        Refusal::Invalid(invalid) => Problem::invalid(invalid.path(), invalid.reason),
        Refusal::KeyReused => plain(Code::KeyReused),
        Refusal::Closed => plain(Code::Closed),
        Refusal::NotOpen { opens_at_ms } => {
            Problem { opens_at: opens_at_ms.map(Time), ..plain(Code::NotOpen) }
        }
        Refusal::Paused => plain(Code::Paused),
        Refusal::HoldExists(_) => Problem { hold, ..plain(Code::HoldExists) },
        Refusal::LimitReached(limit) => plain(Code::LimitReached).because(match limit {
            Limit::Units => "more units than one buyer may have in this sale",
            Limit::Holds => "this buyer has had as many holds as a sale remembers of one buyer",
            Limit::Keys => "this buyer has used as many idempotency keys as a sale remembers",
            Limit::Checkouts => "this hold has gone to the checkout as often as a hold can",
        }),
        Refusal::NotEnough { free } => Problem { free: Some(free), ..plain(Code::NotEnough) },
        Refusal::AllHeld { next_return_at_ms } => {
            Problem { next_return_at: next_return_at_ms.map(Time), ..plain(Code::AllHeld) }
        }
        Refusal::SoldOut => plain(Code::SoldOut),
        Refusal::WrongState(reason) => plain(Code::WrongState).because(reason),
        Refusal::Full => plain(Code::WrongState)
            .because("this sale has made as many holds as one sale can; it makes no more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_that_can_make_no_more_holds_does_not_ask_to_be_tried_again() {
        let problem = of_refusal(Refusal::Full, None);
        assert_eq!(problem.code, Code::WrongState);
        assert!(!Refused(problem).into_response().headers().contains_key(header::RETRY_AFTER));
    }
}
