//! Sales: made, changed, moved and shown.

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use holdfast_api::{Page, PatchTier, Problem, PutSale, Sale};
use holdfast_core::{Command, Outcome, SaleConfig, SaleId, TierId};
use holdfast_engine::SaleRef;
use http::{HeaderMap, StatusCode, Uri, header};

use crate::address::{Cursor, Path, sale_id};
use crate::app::App;
use crate::body;
use crate::problem::{done_unseen, of_refusal};
use crate::routes::{Answer, private};

/// Creates a sale, or changes it before it opens.
pub(crate) async fn configure(
    State(app): State<App>,
    Path(sale): Path<String>,
    request: Request,
) -> Answer {
    app.merchant(request.headers())?;
    let sale = SaleId::new(&sale).map_err(|error| Problem::invalid("sale", error.to_string()))?;
    let config = SaleConfig::from(body::read::<PutSale>(request, app.body_deadline).await?);
    let outcome = execute(&app, sale, Command::Configure(Box::new(config))).await?;
    let created = outcome == Outcome::Configured { created: true };
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(private(status, &after_a_move(&app, sale).await?))
}

/// Starts selling.
pub(crate) async fn open(
    State(app): State<App>,
    Path(sale): Path<String>,
    headers: HeaderMap,
) -> Answer {
    change(app, &sale, &headers, Command::Open).await
}

/// No new holds for now.
pub(crate) async fn pause(
    State(app): State<App>,
    Path(sale): Path<String>,
    headers: HeaderMap,
) -> Answer {
    change(app, &sale, &headers, Command::Pause).await
}

/// Goes on after a pause.
pub(crate) async fn resume(
    State(app): State<App>,
    Path(sale): Path<String>,
    headers: HeaderMap,
) -> Answer {
    change(app, &sale, &headers, Command::Resume).await
}

/// No new holds ever.
pub(crate) async fn close(
    State(app): State<App>,
    Path(sale): Path<String>,
    headers: HeaderMap,
) -> Answer {
    change(app, &sale, &headers, Command::Close).await
}

/// Changes how many units a tier has.
pub(crate) async fn resize(
    State(app): State<App>,
    Path((sale, tier)): Path<(String, String)>,
    request: Request,
) -> Answer {
    app.merchant(request.headers())?;
    let sale = sale_id(&sale)?;
    let tier =
        TierId::new(&tier).map_err(|_| of_refusal(holdfast_core::Refusal::TierNotFound, None))?;
    let PatchTier { capacity } = body::read(request, app.body_deadline).await?;
    let answer = app.resize(sale, tier, capacity).await;
    moved(&app, answer)?;
    Ok(private(StatusCode::OK, &after_a_move(&app, sale).await?))
}

/// How long a cache may keep what everyone may see.
pub(crate) const SHOWN: &str = "public, s-maxage=1";

/// A sale as everyone may see it; a cache may keep it for a second.
pub(crate) async fn show(State(app): State<App>, Path(sale): Path<String>) -> Answer {
    let json = app.public_sale(sale_id(&sale)?).await?;
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, SHOWN)];
    Ok((headers, json).into_response())
}

/// All sales, by id.
pub(crate) async fn list(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Answer {
    app.merchant(&headers)?;
    let Cursor { after, limit } = Cursor::read(&uri, |id| SaleId::new(id).ok())?;
    let items = app.look(move |sales| {
        let all = sales
            .after(after)
            .filter_map(|(id, sale, clock_ms)| Some(Sale::new(id, sale.view(clock_ms)?)));
        all.take(limit + 1).collect::<Vec<_>>()
    });
    let mut items = items.await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|sale| sale.id.to_string());
    Ok(private(StatusCode::OK, &Page { items, next }))
}

async fn change(app: App, sale: &str, headers: &HeaderMap, command: Command) -> Answer {
    app.merchant(headers)?;
    let sale = sale_id(sale)?;
    execute(&app, sale, command).await?;
    Ok(private(StatusCode::OK, &after_a_move(&app, sale).await?))
}

async fn execute(app: &App, sale: SaleId, command: Command) -> Result<Outcome, Problem> {
    let answer = app.execute(SaleRef::Id(sale), command).await;
    moved(app, answer)
}

/// What came of a merchant's move.
fn moved(app: &App, answer: Result<holdfast_engine::Answer, Problem>) -> Result<Outcome, Problem> {
    // Also a move of which nobody knows what came of it may have been made.
    app.moves.count();
    match answer?.outcome {
        Outcome::Refused(refusal) => Err(of_refusal(refusal, None)),
        outcome => Ok(outcome),
    }
}

/// The sale after the merchant's move, which is durable already.
async fn after_a_move(app: &App, sale: SaleId) -> Result<Sale, Problem> {
    app.sale(sale).await.map_err(done_unseen)
}
