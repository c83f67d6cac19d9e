//! A sale's promises, counted afresh.

use axum::extract::State;
use holdfast_api::{Audit, Difference, HoldCount, MoneyCount, Tier};
use holdfast_engine::SaleRef;
use http::{HeaderMap, StatusCode};

use crate::address::{Path, sale_id};
use crate::app::App;
use crate::problem::{of_checkout, of_engine, sale_not_found};
use crate::routes::{Answer, private};

/// Counts from the records, off the engine's thread, and holds the ledger and the provider against
/// them. What cannot be read is never said to be as it must be.
pub(crate) async fn show(
    State(app): State<App>,
    Path(sale): Path<String>,
    headers: HeaderMap,
) -> Answer {
    app.merchant(&headers)?;
    let sale = sale_id(&sale)?;
    let counted = app.engine.audit(SaleRef::Id(sale)).await;
    let counted = counted.map_err(|error| of_engine(&error))?.ok_or_else(sale_not_found)?;
    let money = app.checkout.audit(sale).await;
    let money = money.map_err(|error| of_checkout(&error))?.ok_or_else(sale_not_found)?;
    let differences = counted.differences.into_iter().chain(money.differences);
    let difference =
        |found: holdfast_core::Difference| Difference { promise: found.promise, what: found.what };
    let tiers = counted.view.map(|view| view.tiers).unwrap_or_default();
    let differences: Vec<_> = differences.map(difference).collect();
    let audit = Audit {
        ok: differences.is_empty(),
        differences,
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
        money: MoneyCount {
            orders: money.orders,
            paid: money.paid,
            paid_amount: money.paid_amount,
            captured: money.captured,
            captured_amount: money.captured_amount,
            under_way: money.under_way,
        },
        tiers: tiers.into_iter().map(Tier::from).collect(),
    };
    Ok(private(StatusCode::OK, &audit))
}
