//! What every route stands on.

use std::sync::Arc;
use std::time::Duration;

use holdfast_api::{Hold, Problem};
use holdfast_core::{HoldView, ReceiptKey, SaleId};
use holdfast_engine::{Handle, SaleRef};

use crate::auth::MerchantKeys;
use crate::problem;
use crate::token::BuyerKeys;

/// How long a request's body may take to arrive, unless something else is set.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// What the routes need.
pub struct Options {
    /// The secret under which holds' ids are signed.
    pub receipts: ReceiptKey,
    /// Who is a merchant.
    pub merchants: MerchantKeys,
    /// Who signs for buyers.
    pub buyers: BuyerKeys,
}

/// The routes' shared state; cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) engine: Handle,
    pub(crate) options: Arc<Options>,
    pub(crate) body_deadline: Duration,
}

impl App {
    /// An app in front of an engine.
    pub fn new(engine: Handle, options: Options) -> Self {
        Self { engine, options: Arc::new(options), body_deadline: BODY_DEADLINE }
    }

    /// The same app, with another deadline for a request's body than 10 s.
    #[must_use]
    pub fn with_body_deadline(self, body_deadline: Duration) -> Self {
        Self { body_deadline, ..self }
    }

    /// The same app for use on this runtime, where the engine's replies come together.
    ///
    /// # Panics
    /// When it is not called on a tokio runtime.
    #[must_use]
    pub fn on_this_runtime(&self) -> Self {
        Self { engine: self.engine.on_this_runtime(), ..self.clone() }
    }

    /// A hold under its signed id.
    pub(crate) fn hold(&self, sale: SaleId, hold: &HoldView) -> Hold {
        Hold::new(hold.receipt.id(&self.options.receipts, &hold.buyer), sale, hold)
    }

    /// The sale as everyone may see it.
    pub(crate) async fn sale(&self, id: SaleId) -> Result<holdfast_api::Sale, Problem> {
        let view = self.engine.look(move |sales| {
            let (sale, clock_ms) = sales.get(SaleRef::Id(id))?;
            sale.view(clock_ms)
        });
        let view = view.await.map_err(|error| problem::of_engine(&error))?;
        view.map(|view| holdfast_api::Sale::new(id, view)).ok_or_else(problem::sale_not_found)
    }
}
