//! Every route, in one list, each with its description.

use std::sync::LazyLock;

use axum::Router;
use bytes::Bytes;
use holdfast_api::{
    Audit, Checkout, Code, Forgotten, Hold, Me, Order, Page, PatchTier, PostCheckout, PostHold,
    PostRefund, Problem, PutSale, Sale, Webhook,
};

use crate::app::App;
use crate::export::{CSV, LINES};
use crate::openapi::{
    self, AFTER_HOLD, AFTER_ORDER, AFTER_SALE, Answer, BUYER, IDEMPOTENCY_KEY, LIMIT, Operation,
    Route, SIGNATURE, delete, get, patch, post, put,
};
use crate::problem::Refused;
use crate::routes::{audit, buyers, checkout, description, health, holds, orders, sales, webhooks};
use crate::scrape::OPEN_METRICS;

/// The type of a word for people.
const PLAIN: &str = "text/plain; charset=utf-8";

/// The HTTP contract over an app.
pub fn router(app: App) -> Router {
    LazyLock::force(&DOCUMENT);
    let add = |router: Router<App>, route: Route| router.route(route.operation.path, route.handler);
    routes()
        .fold(Router::new(), add)
        .fallback(async || Refused(Problem::new(Code::NotFound)))
        .method_not_allowed_fallback(async || Refused(Problem::new(Code::MethodNotAllowed)))
        .with_state(app)
}

/// The description of the interface as JSON (`OpenAPI` 3.1): what `GET /openapi.json` answers.
pub fn document() -> Bytes {
    DOCUMENT.clone()
}

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let operations: Vec<Operation> = routes().map(|route| route.operation).collect();
    openapi::document(&operations).to_string().into()
});

fn routes() -> impl Iterator<Item = Route> {
    let sales = sales().map(|route| route.under("sales").by_the_engine());
    let holds = holds().map(|route| route.under("holds").by_the_engine());
    let orders = orders().map(|route| route.under("orders"));
    sales.into_iter().chain(holds).chain(orders).chain(server())
}

fn sales() -> [Route; 9] {
    let no_sale = &[Code::SaleNotFound];
    let no_move = &[Code::SaleNotFound, Code::WrongState];
    [
        get("/v1/sales", "list_sales", "List sales by id, page by page")
            .for_merchants()
            .looks_at(AFTER_SALE)
            .looks_at(LIMIT)
            .answers_pages::<Sale>("A page of sales.")
            .by(sales::list),
        put("/v1/sales/{sale}", "put_sale", "Make a sale, or change it until it opens")
            .for_merchants()
            .reads::<PutSale>(&[("merchant", openapi::sale())])
            .answers::<Sale>(201, "It was made.")
            .answers::<Sale>(200, "It was changed.")
            .gives(
                "sale",
                &["get_sale", "open_sale", "close_sale", "reserve", "list_orders", "audit_sale"],
            )
            .refuses(&[Code::WrongState])
            .by(sales::configure),
        get("/v1/sales/{sale}", "get_sale", "See a sale and what is left of it")
            .answers_with(Answer::json::<Sale>(200, "The sale.").kept(sales::SHOWN))
            .refuses(no_sale)
            .by(sales::show),
        post("/v1/sales/{sale}/open", "open_sale", "Start selling")
            .for_merchants()
            .answers::<Sale>(200, "It is open.")
            .refuses(no_move)
            .by(sales::open),
        post("/v1/sales/{sale}/pause", "pause_sale", "Make no new holds for now")
            .for_merchants()
            .answers::<Sale>(200, "It is paused.")
            .refuses(no_move)
            .by(sales::pause),
        post("/v1/sales/{sale}/resume", "resume_sale", "Go on after a pause")
            .for_merchants()
            .answers::<Sale>(200, "It is open.")
            .refuses(no_move)
            .by(sales::resume),
        post("/v1/sales/{sale}/close", "close_sale", "Make no new holds ever")
            .for_merchants()
            .answers::<Sale>(200, "It is closed.")
            .refuses(no_sale)
            .by(sales::close),
        patch("/v1/sales/{sale}/tiers/{tier}", "patch_tier", "Change a tier's capacity")
            .for_merchants()
            .reads::<PatchTier>(&[("merchant", openapi::capacity())])
            .answers::<Sale>(200, "It was changed.")
            .refuses(&[Code::SaleNotFound, Code::TierNotFound, Code::WrongState])
            .by(sales::resize),
        get("/v1/sales/{sale}/audit", "audit_sale", "Count the promises afresh")
            .for_merchants()
            .answers::<Audit>(200, "What was counted.")
            .refuses(no_sale)
            .by(audit::show),
    ]
}

fn holds() -> [Route; 6] {
    [
        post("/v1/sales/{sale}/holds", "reserve", "Hold units for a buyer")
            .for_buyers()
            .looks_at(IDEMPOTENCY_KEY)
            .reads::<PostHold>(&[("buyer", openapi::hold()), ("merchant", openapi::hold_for())])
            .answers::<Hold>(201, "A new hold.")
            .answers::<Hold>(200, "The hold that this buyer has already.")
            .gives("hold", &["get_hold", "check_out", "cancel_hold"])
            .refuses(&[Code::SaleNotFound, Code::TierNotFound, Code::KeyReused])
            .refuses(&[Code::Closed, Code::NotOpen, Code::Paused, Code::WrongState])
            .refuses(&[Code::HoldExists, Code::LimitReached])
            .refuses(&[Code::NotEnough, Code::AllHeld, Code::SoldOut])
            .by(holds::reserve),
        get("/v1/sales/{sale}/holds", "list_holds", "List a sale's holds as they were made")
            .for_merchants()
            .looks_at(AFTER_HOLD)
            .looks_at(LIMIT)
            .answers_pages::<Hold>("A page of holds.")
            .refuses(&[Code::SaleNotFound])
            .by(holds::list),
        get("/v1/sales/{sale}/me", "get_me", "See what a buyer has in a sale")
            .for_buyers()
            .looks_at(BUYER)
            .answers::<Me>(200, "The buyer's latest hold, if they ever had one, and their orders.")
            .refuses(&[Code::SaleNotFound])
            .by(holds::me),
        get("/v1/holds/{hold}", "get_hold", "Look at a hold")
            .for_buyers()
            .answers::<Hold>(200, "The hold.")
            .gives_its("order", &["get_order", "refund_order"])
            .refuses(&[Code::HoldNotFound])
            .by(holds::show),
        delete("/v1/holds/{hold}", "cancel_hold", "Give a hold back")
            .for_buyers()
            .answers_with(Answer::nothing("It has ended."))
            .refuses(&[Code::HoldNotFound, Code::WrongState])
            .by(holds::cancel),
        post("/v1/holds/{hold}/checkout", "check_out", "Take a hold to the checkout")
            .for_buyers()
            .looks_at(IDEMPOTENCY_KEY)
            .reads_if_any::<PostCheckout>(&[
                ("buyer", openapi::checkout()),
                ("merchant", openapi::checkout_for()),
            ])
            .answers::<Checkout>(200, "It is there, now or before; the payment goes on by itself.")
            .refuses(&[Code::HoldNotFound, Code::WrongState, Code::LimitReached, Code::KeyReused])
            .by(checkout::begin),
    ]
}

fn orders() -> [Route; 5] {
    let list = Answer::json::<Page<Order>>(200, "A page of orders, or all as CSV or JSON lines.");
    [
        get("/v1/sales/{sale}/orders", "list_orders", "List a sale's orders as they were recorded")
            .for_merchants()
            .looks_at(AFTER_ORDER)
            .looks_at(LIMIT)
            .answers_with(list.or_text(CSV).or_text(LINES))
            .refuses(&[Code::SaleNotFound])
            .by(orders::list)
            .by_the_engine(),
        get("/v1/orders/{order}", "get_order", "Look at an order")
            .for_buyers()
            .answers::<Order>(200, "The order.")
            .refuses(&[Code::OrderNotFound])
            .by(orders::show)
            .by_the_engine(),
        post("/v1/orders/{order}/refund", "refund_order", "Give an order's money and units back")
            .for_merchants()
            .reads_if_any::<PostRefund>(&[("merchant", openapi::refund())])
            .answers::<Order>(202, "It is being done, or has been.")
            .refuses(&[Code::OrderNotFound, Code::WrongState])
            .by(orders::refund)
            .by_the_engine(),
        delete("/v1/buyers/{buyer}", "forget_buyer", "Put an alias in a buyer's place, everywhere")
            .for_merchants()
            .answers::<Forgotten>(200, "The name is found nowhere any more.")
            .refuses(&[Code::WrongState, Code::InvalidRequest])
            .by(buyers::forget)
            .by_the_engine(),
        post(
            "/v1/webhooks/{provider}",
            "hear_webhook",
            "Tell that something happened to a payment",
        )
        .looks_at(SIGNATURE)
        .reads::<Webhook>(&[("provider", openapi::webhook())])
        .answers_with(Answer::nothing("It is being looked at."))
        .refuses(&[Code::Unauthorised])
        .by(webhooks::hear),
    ]
}

fn server() -> [Route; 4] {
    [
        get("/healthz", "get_health", "Ask whether the process runs")
            .answers_with(Answer::text(PLAIN, "It does."))
            .by(health::alive),
        get("/readyz", "get_readiness", "Ask whether this node can answer from durable state")
            .answers_with(Answer::text(PLAIN, "It can."))
            .by(health::ready)
            .by_the_engine(),
        get("/metrics", "get_metrics", "Read what is counted, unless it has a listener of its own")
            .for_merchants()
            .answers_with(Answer::text(OPEN_METRICS, "What is counted, as OpenMetrics has it."))
            .refuses(&[Code::NotFound, Code::StoreUnavailable])
            .by(health::metrics),
        get("/openapi.json", "get_description", "Read this description")
            .answers_with(
                Answer::json::<serde_json::Map<String, serde_json::Value>>(200, "OpenAPI 3.1.")
                    .kept(description::KEPT),
            )
            .by(description::show),
    ]
}
