//! A sale's promises, counted afresh.

use axum::extract::State;
use holdfast_api::{Audit, Difference, HoldCount, Tier};
use holdfast_engine::SaleRef;
use http::{HeaderMap, StatusCode};

use crate::address::{Path, sale_id};
use crate::app::App;
use crate::problem::{of_engine, sale_not_found};
use crate::routes::{Answer, private};

/// Counts from the records, off the engine's thread.
pub(crate) async fn show(
    State(app): State<App>,
    Path(sale): Path<String>,
    headers: HeaderMap,
) -> Answer {
    app.merchant(&headers)?;
    let sale = sale_id(&sale)?;
    let counted = app.engine.audit(SaleRef::Id(sale)).await;
    let counted = counted.map_err(|error| of_engine(&error))?.ok_or_else(sale_not_found)?;
    let difference =
        |found: holdfast_core::Difference| Difference { promise: found.promise, what: found.what };
    let tiers = counted.view.map(|view| view.tiers).unwrap_or_default();
    let audit = Audit {
        ok: counted.differences.is_empty(),
        differences: counted.differences.into_iter().map(difference).collect(),
        sale,
        snapshot_sequence: counted.snapshot_sequence,
        last_sequence: counted.last_sequence,
        holds: HoldCount {
            held: counted.holds.held,
            paying: counted.holds.paying,
            sold: counted.holds.sold,
            cancelled: counted.holds.cancelled,
            expired: counted.holds.expired,
        },
        tiers: tiers.into_iter().map(Tier::from).collect(),
    };
    Ok(private(StatusCode::OK, &audit))
}
