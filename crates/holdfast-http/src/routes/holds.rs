//! Holds: taken, looked at, given back.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use holdfast_api::{Code, Me, Order, Page, PostHold, Problem};
use holdfast_core::{
    BuyerId, Command, HoldKey, HoldView, KeyDigest, Outcome, Receipt, Refusal, Reserve, SaleId,
    SignedReceipt,
};
use holdfast_engine::SaleRef;
use http::{HeaderMap, StatusCode, Uri, header};
use tokio::time::timeout;

use crate::address::{Cursor, Path, parameter, sale_id};
use crate::app::App;
use crate::auth::Caller;
use crate::body;
use crate::orders::Seen;
use crate::problem::{PRIVATE, hold_not_found, of_refusal, sale_not_found};
use crate::routes::{Answer, private};

/// Bytes in an idempotency key, at most.
pub(crate) const KEY_BYTES_MAX: usize = 255;

/// Holds units for a buyer.
pub(crate) async fn reserve(
    State(app): State<App>,
    Path(sale): Path<String>,
    request: Request,
) -> Answer {
    hold_units(&app, &sale, request).await
}

/// What the head of a request to hold units says.
struct Asked {
    caller: Caller,
    sale: SaleId,
    key: Option<KeyDigest>,
}

impl Asked {
    fn read(app: &App, sale: &str, headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            caller: app.caller(headers)?,
            sale: sale_id(sale)?,
            key: idempotency_key(headers)?,
        })
    }
}

/// Holds units, as [`reserve`] does, for who knows the sale's name.
pub(crate) fn hold_units(
    app: &App,
    sale: &str,
    request: Request,
) -> impl Future<Output = Answer> + Send {
    // In a box: a problem is large, and rare.
    let asked = Asked::read(app, sale, request.headers()).map_err(Box::new);
    async move {
        let Asked { caller, sale, key } = asked.map_err(|problem| *problem)?;
        let PostHold { tier, quantity, buyer, if_held: _ } =
            body::read(request, app.body_deadline).await?;
        let buyer = who(caller, buyer)?;
        let command = Command::Reserve(Reserve { buyer, tier, quantity, key });
        let answer = app.execute(SaleRef::Id(sale), command).await?;
        let hold = answer.hold.map(|hold| app.hold(sale, &hold));
        match (answer.outcome, hold) {
            (Outcome::Reserved(_), Some(hold)) => Ok(private(StatusCode::CREATED, &hold)),
            (Outcome::Existing(_), Some(hold)) => Ok(private(StatusCode::OK, &hold)),
            (Outcome::Refused(refusal), hold) => Err(of_refusal(refusal, hold).into()),
            _ => Err(hold_not_found().into()),
        }
    }
}

/// One buyer's hold in a sale, after a reload.
pub(crate) async fn me(
    State(app): State<App>,
    Path(sale): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let caller = app.caller(&headers)?;
    let sale = sale_id(&sale)?;
    let named = parameter(&uri, "buyer")?.as_deref().map(BuyerId::new).transpose();
    let buyer = who(caller, named.map_err(|error| Problem::invalid("buyer", error.to_string()))?)?;
    let seen = app.look(move |sales| {
        let by_id = SaleRef::Id(sale);
        sales.get(by_id)?;
        Some(Seen::read(sales, by_id, |sale, clock_ms| sale.hold_of(&buyer, clock_ms)))
    });
    let seen = seen.await?.ok_or_else(sale_not_found)?;
    let orders = orders(&app, sale, buyer, seen.as_ref()).await;
    let hold = seen.map(|seen| app.hold(sale, &seen.hold));
    Ok(private(StatusCode::OK, &Me { buyer, hold, orders }))
}

/// How long a buyer waits for their orders before they see their hold alone.
const GLANCE: Duration = Duration::from_secs(1);

/// What a buyer has ordered. `None`: it cannot be known now. A hold runs out whether or not the
/// ledger answers, so its buyer is shown it in any case.
async fn orders(
    app: &App,
    sale: SaleId,
    buyer: BuyerId,
    seen: Option<&Seen>,
) -> Option<Vec<Order>> {
    // Whoever never had a hold has no order. In a rush they are most of those who ask.
    let Some(seen) = seen else { return Some(Vec::new()) };
    timeout(GLANCE, app.bought(sale, buyer, seen)).await.ok()?.ok()
}

/// All holds of a sale, in the order in which they were made.
pub(crate) async fn list(
    State(app): State<App>,
    Path(sale): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    app.merchant(&headers)?;
    let sale = sale_id(&sale)?;
    let row = |next: &str| next.parse().ok().map(HoldKey::from_number);
    let Cursor { after, limit } = Cursor::read(&uri, row)?;
    let holds = app.look(move |sales| {
        let (sale, clock_ms) = sales.get(SaleRef::Id(sale))?;
        Some(sale.holds_after(after, limit + 1, clock_ms).collect::<Vec<_>>())
    });
    let mut holds = holds.await?.ok_or_else(sale_not_found)?;
    let more = holds.len() > limit;
    holds.truncate(limit);
    let next = holds.last().filter(|_| more).map(|hold| hold.key.number().to_string());
    let items = holds.iter().map(|hold| app.hold(sale, hold)).collect();
    Ok(private(StatusCode::OK, &Page { items, next }))
}

/// Looks at a hold.
pub(crate) async fn show(
    State(app): State<App>,
    Path(hold): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let claimant = Claimant::read(&app, &headers, &uri)?;
    let (sale, hold) = find(&app, claimant, &hold).await?;
    Ok(private(StatusCode::OK, &app.hold(sale, &hold)))
}

/// Gives a hold back.
pub(crate) async fn cancel(
    State(app): State<App>,
    Path(hold): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let claimant = Claimant::read(&app, &headers, &uri)?;
    let (_, found) = find(&app, claimant, &hold).await?;
    let sale = SaleRef::Number(found.receipt.sale);
    let command = Command::Cancel { hold: found.key, buyer: Some(found.buyer) };
    let answer = app.execute(sale, command).await?;
    match answer.outcome {
        Outcome::Refused(refusal) => Err(of_refusal(refusal, None).into()),
        _ => Ok((StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, PRIVATE)]).into_response()),
    }
}

/// Who asks for a hold, and whose they say it is.
#[derive(Clone, Copy)]
pub(crate) struct Claimant {
    pub(crate) caller: Caller,
    /// A buyer themselves, or whom a merchant names.
    buyer: Option<BuyerId>,
}

impl Claimant {
    /// Reads who asks. A merchant may name the buyer; of a buyer it is refused.
    pub(crate) fn read(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<Self, Problem> {
        let caller = app.caller(headers)?;
        let named = parameter(uri, "buyer")?.as_deref().map(BuyerId::new).transpose();
        let named = named.map_err(|error| Problem::invalid("buyer", error.to_string()))?;
        let buyer = match (caller, named) {
            (Caller::Merchant, named) => named,
            (caller, named) => Some(who(caller, named)?),
        };
        Ok(Self { caller, buyer })
    }
}

/// Finds a hold by its id. The id must be genuine for the hold's own buyer, and a buyer sees only
/// their own: everything else is not there. One that was lost is claimed by its id, if it is known for
/// whom that was signed.
pub(crate) async fn find(
    app: &App,
    claimant: Claimant,
    id: &str,
) -> Result<(SaleId, HoldView), Problem> {
    let signed: SignedReceipt = Receipt::read(id).ok_or_else(hold_not_found)?;
    let is_theirs = |buyer: &BuyerId| signed.is_genuine(&app.options.receipts, buyer);
    if claimant.buyer.is_some_and(|buyer| !is_theirs(&buyer)) {
        return Err(hold_not_found());
    }
    let Receipt { sale, key, .. } = signed.receipt;
    let found = app.look(move |sales| {
        let (found, clock_ms) = sales.get(SaleRef::Number(sale))?;
        Some((sales.id(sale)?, found.hold_by_key(key, clock_ms)?))
    });
    match (found.await?, claimant.buyer) {
        (Some((sale, hold)), _) if is_theirs(&hold.buyer) => Ok((sale, hold)),
        (None, Some(buyer)) => claim(app, signed.receipt, buyer).await,
        _ => Err(hold_not_found()),
    }
}

/// Brings back a hold that nobody but its buyer knows, with a receipt that is known to be genuine.
async fn claim(app: &App, receipt: Receipt, buyer: BuyerId) -> Result<(SaleId, HoldView), Problem> {
    let number = SaleRef::Number(receipt.sale);
    let sale = app.look(move |sales| sales.id(receipt.sale)).await?.ok_or_else(hold_not_found)?;
    let answer = app.execute(number, Command::Claim { receipt, buyer }).await?;
    match (answer.outcome, answer.hold) {
        (Outcome::Claimed(_) | Outcome::Existing(_), Some(hold)) => Ok((sale, hold)),
        (Outcome::Refused(Refusal::AllHeld { .. } | Refusal::NotEnough { .. }), _) => {
            let why = "this hold was lost in an outage, and its units are another's for now";
            Err(Problem::new(Code::StoreUnavailable).because(why))
        }
        _ => Err(hold_not_found()),
    }
}

/// Whom a request is for: a buyer speaks for themselves, a merchant says for whom.
fn who(caller: Caller, named: Option<BuyerId>) -> Result<BuyerId, Problem> {
    match (caller, named) {
        (Caller::Buyer(buyer), None) => Ok(buyer),
        (Caller::Merchant, Some(buyer)) => Ok(buyer),
        (Caller::Buyer(_), Some(_)) => {
            Err(Problem::invalid("buyer", "only a merchant says for whom; the token does"))
        }
        (Caller::Merchant, None) => Err(Problem::invalid("buyer", "a merchant must say for whom")),
    }
}

pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<KeyDigest>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::invalid("Idempotency-Key", "must not be there twice"));
    }
    let key = value.to_str().ok().filter(|key| {
        (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    });
    let key = key.ok_or_else(|| {
        Problem::invalid("Idempotency-Key", "must have 1 to 255 visible ASCII characters")
    })?;
    Ok(Some(KeyDigest::of(key)))
}
