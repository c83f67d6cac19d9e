//! Buyers: forgotten.

use axum::extract::State;
use holdfast_api::{Code, Problem};
use holdfast_checkout::Forgotten;
use holdfast_core::BuyerId;
use http::{HeaderMap, StatusCode};

use crate::address::Path;
use crate::app::App;
use crate::routes::{Answer, private};

/// Puts an alias in a buyer's place, everywhere.
pub(crate) async fn forget(
    State(app): State<App>,
    Path(buyer): Path<String>,
    headers: HeaderMap,
) -> Answer {
    app.merchant(&headers)?;
    let buyer = BuyerId::new(&buyer);
    let buyer = buyer.map_err(|invalid| Problem::invalid("buyer", invalid.to_string()))?;
    match app.forget(buyer).await? {
        Forgotten::Done { sales, orders } => {
            Ok(private(StatusCode::OK, &holdfast_api::Forgotten { sales, orders }))
        }
        Forgotten::NotYet { sale, why } => {
            let why = format!("{sale}: {why}");
            Err(Problem::new(Code::WrongState).because(why).into())
        }
    }
}
