//! Endpoints: who may ask, how often, how ill they are treated, and what they get.

use std::future::pending;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use tokio::sync::watch;

use super::answer::{Answer, BreakOff, REPLAYED};
use super::bank::Bank;
use super::book::{Treatment, Wish};
use super::limits::Endpoint;
use super::manners::{Manners, Met};
use super::requests::{self, Look};
use crate::provider::{Manner, Payment};

/// After how long a slow payment is answered.
const SLOW: Duration = Duration::from_secs(3);

#[derive(Clone)]
struct Desk {
    bank: Bank,
    /// Whether the bank is closing: nothing hangs any more then.
    left: watch::Receiver<bool>,
}

pub(super) fn router(bank: Bank, left: watch::Receiver<bool>) -> Router {
    let desk = Desk { bank, left };
    let none = || async { refuse(not_found("there is no such path")) };
    Router::new()
        .route("/payments", get(look).post(authorise))
        .route("/payments/{reference}/{step}", post(step))
        .route("/manners", get(manners).put(set_manners))
        .fallback(none)
        .layer(from_fn_with_state(desk.clone(), let_in))
        .with_state(desk)
}

/// Nobody without the secret gets further.
async fn let_in(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let is_known = requests::bearer(request.headers()).is_some_and(|key| desk.bank.is_secret(key));
    if is_known {
        return next.run(request).await;
    }
    let message = "send Authorization: Bearer, with the provider's secret";
    refuse(Answer::refused(StatusCode::UNAUTHORIZED, "unauthorised", message))
}

async fn authorise(State(desk): State<Desk>, request: Request) -> Response {
    let read = |body: &[u8]| requests::charge(body).map(Wish::Authorise);
    desk.call(request, read).await.unwrap_or_else(|unsaid| unsaid)
}

async fn step(
    State(desk): State<Desk>,
    Path((reference, step)): Path<(String, String)>,
    request: Request,
) -> Response {
    let wish = match step.as_str() {
        "capture" => Wish::Capture,
        "cancel" => Wish::Cancel,
        "refund" => Wish::Refund,
        _ => return refuse(not_found("a payment's steps are capture, cancel and refund")),
    };
    let read = |body: &[u8]| {
        requests::nothing(body)?;
        requests::reference(&reference).map(wish)
    };
    desk.call(request, read).await.unwrap_or_else(|unsaid| unsaid)
}

async fn look(State(desk): State<Desk>, request: Request) -> Response {
    let looked = desk.look(request.uri().query().unwrap_or_default()).await;
    let payments = match looked {
        Ok(payments) => payments,
        Err(response) => return response,
    };
    Answer { status: 200, body: json!({ "payments": payments }) }.into_response()
}

async fn manners(State(desk): State<Desk>) -> Response {
    Answer { status: 200, body: json!(desk.bank.manners()) }.into_response()
}

async fn set_manners(State(desk): State<Desk>, body: Body) -> Response {
    let set = async {
        let manners: Manners = requests::json(&requests::body(body).await?)?;
        let set = desk.bank.set_manners(manners);
        set.map_err(|error| Answer::bad_request(&error.to_string()))
    };
    match set.await {
        Ok(()) => manners(State(desk)).await,
        Err(answer) => refuse(answer),
    }
}

impl Desk {
    /// A step: `Err` is what is sent instead of what came of it.
    async fn call(
        &self,
        request: Request,
        read: impl FnOnce(&[u8]) -> Result<Wish, Answer>,
    ) -> Result<Response, Response> {
        let (head, body) = request.into_parts();
        let body = requests::body(body).await.map_err(refuse)?;
        let wish = read(&body).map_err(refuse)?;
        let key = requests::key(&head.headers).map_err(refuse)?;
        let met = self.meet(Endpoint::Step(wish.step())).await?;
        let manner = match &wish {
            Wish::Authorise(charge) => charge.manner,
            _ => None,
        };
        if met.hang || manner == Some(Manner::Never) {
            return Err(self.hang().await);
        }
        let Met { decline, error, lost_error, .. } = met;
        let said = self.bank.call(wish, key, Treatment { decline, error, lost_error }).await;
        if met.lost {
            return Err(break_off());
        }
        if manner == Some(Manner::Slow) && !said.is_replayed {
            self.wait(SLOW).await;
        }
        let mut response = said.answer.into_response();
        if said.is_replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(response)
    }

    async fn look(&self, query: &str) -> Result<Vec<Payment>, Response> {
        let look = requests::look(query).map_err(refuse)?;
        let met = self.meet(Endpoint::Look).await?;
        if met.hang {
            return Err(self.hang().await);
        }
        if met.lost {
            return Err(break_off());
        }
        if met.error || met.lost_error {
            return Err(refuse(Answer::failure()));
        }
        let looked = match look {
            Look::Find(reference) => {
                self.bank.find(reference).await.map(|found| found.into_iter().collect())
            }
            Look::List { after, limit } => self.bank.after(after, limit).await,
        };
        looked.map_err(refuse)
    }

    /// What this call meets, once it has been held back. `Err`: it comes too often.
    async fn meet(&self, endpoint: Endpoint) -> Result<Met, Response> {
        self.bank.take(endpoint).map_err(busy)?;
        let met = self.bank.meet();
        self.wait(met.latency).await;
        if met.busy { Err(busy(Duration::from_secs(1))) } else { Ok(met) }
    }

    /// Never answers; once the bank closes, the connection breaks.
    async fn hang(&self) -> Response {
        self.or_closing(pending()).await;
        break_off()
    }

    async fn wait(&self, time: Duration) {
        self.or_closing(tokio::time::sleep(time)).await;
    }

    async fn or_closing(&self, done: impl Future<Output = ()>) {
        let mut left = self.left.clone();
        tokio::select! {
            () = done => {}
            _ = left.wait_for(|left| *left) => {}
        }
    }
}

fn not_found(message: &str) -> Answer {
    Answer::refused(StatusCode::NOT_FOUND, "not_found", message)
}

fn busy(wait: Duration) -> Response {
    let mut response = refuse(Answer::busy());
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}

fn refuse(answer: Answer) -> Response {
    answer.into_response()
}

fn break_off() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(BreakOff);
    response
}
