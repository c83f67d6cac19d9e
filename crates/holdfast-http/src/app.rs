//! What every route stands on.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_api::{Code, Hold, Payment, Problem, Time};
use holdfast_checkout::{CheckoutError, LiveCheckout, NOBODY};
use holdfast_core::{
    Command, HoldKey, HoldStatus, HoldView, OrderName, PaymentStatus, ReceiptKey, SaleId, TierId,
};
use holdfast_engine::{Answer, Handle, SaleRef, Sales};
use prometheus_client::registry::Registry;
use tokio::time::{Instant, timeout};

use crate::auth::MerchantKeys;
use crate::limits::{LimitOptions, Limits};
use crate::metrics::Metrics;
use crate::problem;
use crate::scrape::Scrape;
use crate::token::BuyerKeys;
use crate::views::{Moves, Views};

/// How long a request's body may take to arrive, unless something else is set.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// How long the store may take before whoever asked hears that it does not answer: a disk hangs, or
/// Redis is away.
const STORE_DEADLINE: Duration = Duration::from_millis(1_900);

const NO_ANSWER: &str = "the store has not answered for 2 seconds";

/// What the routes need.
pub struct Options {
    /// The secret under which holds' ids are signed.
    pub receipts: ReceiptKey,
    /// Who is a merchant.
    pub merchants: MerchantKeys,
    /// Who signs for buyers.
    pub buyers: BuyerKeys,
    /// Who may ask how often.
    pub limits: LimitOptions,
    /// Who takes the money.
    pub provider: ProviderName,
    /// What the provider's webhooks may be signed with: all secrets that are good now. Without any,
    /// no webhook is believed.
    pub webhook_secrets: Vec<Vec<u8>>,
}

/// Who takes the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderName {
    /// The provider to test against.
    Simulated,
}

impl ProviderName {
    /// As orders and addresses spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
        }
    }
}

/// The routes' shared state; cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) engine: Handle,
    pub(crate) checkout: LiveCheckout,
    pub(crate) options: Arc<Options>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) moves: Moves,
    pub(crate) metrics: Metrics,
    pub(crate) scrape: Option<Scrape>,
    /// The views of this runtime.
    views: Arc<Views>,
    pub(crate) body_deadline: Duration,
}

impl App {
    /// An app in front of an engine and the checkout beside it.
    pub fn new(engine: Handle, checkout: LiveCheckout, options: Options) -> Self {
        Self {
            engine,
            checkout,
            limits: Arc::new(Limits::new(&options.limits)),
            options: Arc::new(options),
            moves: Moves::default(),
            metrics: Metrics::default(),
            scrape: None,
            views: Arc::default(),
            body_deadline: BODY_DEADLINE,
        }
    }

    /// The same app, with another deadline for a request's body than 10 s.
    #[must_use]
    pub fn with_body_deadline(self, body_deadline: Duration) -> Self {
        Self { body_deadline, ..self }
    }

    /// Adds what the routes count to a registry.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// The same app, with `/metrics` for merchants.
    #[must_use]
    pub fn with_scrape(self, scrape: Scrape) -> Self {
        Self { scrape: Some(scrape), ..self }
    }

    /// The same app for use on this runtime, where the engine's replies come together.
    ///
    /// # Panics
    /// When it is not called on a tokio runtime.
    #[must_use]
    pub fn on_this_runtime(&self) -> Self {
        Self { engine: self.engine.on_this_runtime(), views: Arc::default(), ..self.clone() }
    }

    /// Applies a command to a sale.
    pub(crate) async fn execute(&self, sale: SaleRef, command: Command) -> Result<Answer, Problem> {
        let answer = in_time(self.engine.execute(sale, command)).await;
        // It may still be written.
        let answer = answer.ok_or_else(|| Problem::new(Code::OutcomeUnknown).because(NO_ANSWER))?;
        answer.map_err(|error| problem::of_engine(&error))
    }

    /// Changes how many units a tier has. It takes several steps, in the engine and in the ledger:
    /// when it fails elsewhere than in the engine, nobody knows how far it got.
    pub(crate) async fn resize(
        &self,
        sale: SaleId,
        tier: TierId,
        capacity: u32,
    ) -> Result<Answer, Problem> {
        let unknown = |why| Problem::new(Code::OutcomeUnknown).because(why);
        let answer = in_time(self.checkout.resize(sale, tier, capacity)).await;
        answer.ok_or_else(|| unknown(NO_ANSWER))?.map_err(|error| {
            let problem = problem::of_checkout(&error);
            match error {
                CheckoutError::Engine(_) => problem,
                _ => Problem { detail: problem.detail, ..Problem::new(Code::OutcomeUnknown) },
            }
        })
    }

    /// Looks at the sales.
    pub(crate) async fn look<R, F>(&self, look: F) -> Result<R, Problem>
    where
        R: Send + 'static,
        F: FnOnce(&Sales) -> R + Send + 'static,
    {
        let seen = in_time(self.engine.look(look)).await;
        let seen = seen.ok_or_else(|| Problem::new(Code::StoreUnavailable).because(NO_ANSWER))?;
        seen.map_err(|error| problem::of_engine(&error))
    }

    /// A hold under its signed id.
    pub(crate) fn hold(&self, sale: SaleId, hold: &HoldView) -> Hold {
        let receipts = &self.options.receipts;
        let order = |hold_key| OrderName { sale: hold.receipt.sale, hold: hold_key }.id(receipts);
        Hold {
            payment: hold.payment.map(|payment| Payment {
                provider: Cow::Borrowed(self.provider_of(hold)),
                status: payment.status.into(),
                attempt: payment.attempt,
                pay_by: payment.pay_by_ms.map(Time),
            }),
            order: ordered(hold).map(order),
            ..Hold::new(hold.receipt.id(receipts, &hold.buyer), sale, hold)
        }
    }

    /// Who takes the money for a hold.
    pub(crate) fn provider_of(&self, hold: &HoldView) -> &'static str {
        if hold.total.amount == 0 { NOBODY } else { self.options.provider.as_str() }
    }

    /// The sale as JSON, as it was at most 250 ms ago and after every merchant's move.
    pub(crate) async fn public_sale(&self, id: SaleId) -> Result<Bytes, Problem> {
        let make = async || {
            let json = serde_json::to_vec(&self.sale(id).await?);
            json.map(Bytes::from).map_err(|_| Problem::new(Code::StoreUnavailable))
        };
        self.views.get(id, &self.moves, make).await
    }

    /// The sale as everyone may see it.
    pub(crate) async fn sale(&self, id: SaleId) -> Result<holdfast_api::Sale, Problem> {
        let view = self.look(move |sales| {
            let (sale, clock_ms) = sales.get(SaleRef::Id(id))?;
            sale.view(clock_ms)
        });
        view.await?
            .map(|view| holdfast_api::Sale::new(id, view))
            .ok_or_else(problem::sale_not_found)
    }
}

/// What comes of it, if that comes in time. An answer that this process has slept over is none: others
/// may have gone on meanwhile.
async fn in_time<T>(work: impl Future<Output = T>) -> Option<T> {
    let asked = Instant::now();
    let answer = timeout(STORE_DEADLINE, work).await.ok();
    answer.filter(|_| asked.elapsed() <= STORE_DEADLINE)
}

/// The hold whose order a hold has: its own once it is sold, another's if its money came late and
/// pays for that.
fn ordered(hold: &HoldView) -> Option<HoldKey> {
    let moved = hold.payment.filter(|payment| payment.status == PaymentStatus::Moved);
    match (hold.status, moved) {
        (HoldStatus::Sold, _) => Some(hold.key),
        (_, Some(payment)) => payment.linked,
        _ => None,
    }
}
