//! Orders: seen, listed, given back.

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use holdfast_api::schema::REASON_BYTES_MAX;
use holdfast_api::{Code, Order, Page, PostRefund, Problem};
use holdfast_core::SaleId;
use holdfast_engine::SaleRef;
use holdfast_ledger::{Moved, OrderStatus};
use http::{HeaderMap, StatusCode, Uri, Version, header};

use crate::address::{Cursor, Path, sale_id};
use crate::app::App;
use crate::auth::Caller;
use crate::body;
use crate::export::{self, Form};
use crate::problem::{PRIVATE, done_unseen, order_not_found, sale_not_found};
use crate::routes::{Answer, private};

/// Looks at an order. Another buyer's is not there.
pub(crate) async fn show(
    State(app): State<App>,
    Path(order): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let caller = app.caller(&headers)?;
    let (name, id) = app.order_name(&order)?;
    let order = app.order(name, id).await?;
    match caller {
        Caller::Buyer(buyer) if buyer != order.buyer => Err(order_not_found().into()),
        _ => Ok(private(StatusCode::OK, &order)),
    }
}

/// Asks for an order's money to be given back, and its units after it. That goes on by itself.
pub(crate) async fn refund(
    State(app): State<App>,
    Path(order): Path<String>,
    request: Request,
) -> Answer {
    app.merchant(request.headers())?;
    let (name, id) = app.order_name(&order)?;
    let PostRefund { reason } = body::read_if_any(request, app.body_deadline).await?;
    check_reason(reason.as_deref())?;
    match app.refund(name, id.clone(), reason.unwrap_or_default()).await? {
        Moved::Done(order) => {
            let shown = app.show(order.sale, vec![order]).await.map_err(done_unseen)?;
            let order = shown.into_iter().next().ok_or_else(order_not_found)?;
            Ok(private(StatusCode::ACCEPTED, &order))
        }
        Moved::Refused(order) if order.status == OrderStatus::Void => {
            Err(not_now("the order is void: no money was taken").into())
        }
        Moved::Refused(_) => Err(not_now(NOT_PAID).into()),
        Moved::NoOrder => {
            // Either there is none, or the ledger does not know it yet.
            app.order(name, id).await?;
            Err(not_now(NOT_PAID).into())
        }
    }
}

const NOT_PAID: &str = "the order is not paid yet: ask again in a moment";

fn not_now(why: &'static str) -> Problem {
    Problem::new(Code::WrongState).because(why)
}

fn check_reason(reason: Option<&str>) -> Result<(), Problem> {
    let is_good = |reason: &str| {
        (1..=REASON_BYTES_MAX).contains(&reason.len()) && !reason.chars().any(char::is_control)
    };
    if reason.is_none_or(is_good) {
        return Ok(());
    }
    let why = format!("must have 1 to {REASON_BYTES_MAX} bytes and no control characters");
    Err(Problem::invalid("reason", why))
}

/// A sale's orders in the order in which they were recorded: a page of them, or all as CSV or as
/// lines of JSON.
pub(crate) async fn list(
    State(app): State<App>,
    Path(sale): Path<String>,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
) -> Answer {
    app.merchant(&headers)?;
    let sale = sale_id(&sale)?;
    let Cursor { after, limit } = Cursor::read(&uri, |next| next.parse::<u64>().ok())?;
    let after = after.unwrap_or(0);
    app.look(move |sales| sales.get(SaleRef::Id(sale)).map(|_| ()))
        .await?
        .ok_or_else(sale_not_found)?;
    match Form::wanted(&headers) {
        None => page(&app, sale, after, limit).await,
        Some(_) if version <= Version::HTTP_10 => {
            let why =
                "needs HTTP/1.1 or 2: with HTTP/1.0 a part of the list would look like all of it";
            Err(Problem::invalid("Accept", why).into())
        }
        Some(form) => {
            let body = export::all(app, sale, after, form).await?;
            let kind = (header::CONTENT_TYPE, form.kind());
            Ok(([kind], [(header::CACHE_CONTROL, PRIVATE)], body).into_response())
        }
    }
}

async fn page(app: &App, sale: SaleId, after: u64, limit: usize) -> Answer {
    let mut items = app.orders(sale, after, limit + 1).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let number = |order: &Order| order.number.map(|number| number.to_string());
    let next = items.last().filter(|_| more).and_then(number);
    Ok(private(StatusCode::OK, &Page { items, next }))
}
