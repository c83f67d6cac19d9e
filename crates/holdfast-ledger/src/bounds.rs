//! What no ledger takes.

use crate::order::{NO_UNIT, NewOrder, OrderId, Step};
use crate::{LedgerError, Result};

/// How many orders or steps a batch may have.
pub const BATCH_MAX: usize = 1_000;

/// How many bytes an order's metadata may have.
pub const METADATA_BYTES_MAX: usize = 65_536;

/// How many bytes a reason may have.
pub const REASON_BYTES_MAX: usize = 1_000;

/// How many bytes the names of a provider, of a payment and of a budget may have.
pub const NAME_BYTES_MAX: usize = 255;

/// How many bytes the control row's document may have.
pub const DOCUMENT_BYTES_MAX: usize = 262_144;

/// How many slots of a budget there may be in a second.
pub const PER_SECOND_MAX: u32 = 10_000;

pub(crate) fn orders(orders: &[NewOrder], now_ms: u64) -> Result<()> {
    batch(orders.len())?;
    number("the time", now_ms)?;
    orders.iter().try_for_each(|order| {
        let checked = new_order(order);
        checked.map_err(|why| LedgerError::Invalid(format!("order {}: {why}", order.id)))
    })
}

fn new_order(order: &NewOrder) -> Result<()> {
    number("the hold's number", order.hold.number())?;
    number("the amount", order.total.amount)?;
    if order.quantity == 0 {
        return invalid("the quantity must be at least 1");
    }
    text("the provider's name", &order.provider, NAME_BYTES_MAX)?;
    text("the payment's name", &order.payment, NAME_BYTES_MAX)?;
    text("the metadata", order.metadata.as_deref().unwrap_or_default(), METADATA_BYTES_MAX)
}

pub(crate) fn steps(steps: &[(OrderId, Step)], now_ms: u64) -> Result<()> {
    batch(steps.len())?;
    number("the time", now_ms)?;
    steps.iter().try_for_each(|(id, step)| {
        step_on(step).map_err(|why| LedgerError::Invalid(format!("order {id}: {why}")))
    })
}

fn step_on(step: &Step) -> Result<()> {
    match step {
        Step::Paid | Step::Refunded => Ok(()),
        Step::Void(why) if why == NO_UNIT => {
            invalid("that the guard refused an order is said by the guard alone")
        }
        Step::Void(why) | Step::AskRefund(why) => text("the reason", why, REASON_BYTES_MAX),
    }
}

pub(crate) fn budget(name: &str, per_second: u32, now_ms: u64) -> Result<()> {
    if name.is_empty() {
        return invalid("a budget must have a name");
    }
    text("the budget's name", name, NAME_BYTES_MAX)?;
    // In microseconds, and some beyond.
    number("the time", now_ms.saturating_mul(2_000))?;
    if (1..=PER_SECOND_MAX).contains(&per_second) {
        return Ok(());
    }
    invalid(&format!("a budget must have 1 to {PER_SECOND_MAX} slots a second, not {per_second}"))
}

pub(crate) fn document(document: &str) -> Result<()> {
    text("the control row's document", document, DOCUMENT_BYTES_MAX)
}

fn batch(size: usize) -> Result<()> {
    if size <= BATCH_MAX {
        return Ok(());
    }
    invalid(&format!("a batch may have {BATCH_MAX} orders, not {size}: make several of it"))
}

/// PostgreSQL keeps no NUL, and both databases count to 2⁶³ - 1.
fn text(what: &str, text: &str, bytes_max: usize) -> Result<()> {
    if text.contains('\0') {
        return invalid(&format!("{what} may not have a NUL character"));
    }
    if text.len() <= bytes_max {
        return Ok(());
    }
    invalid(&format!("{what} may have {bytes_max} bytes, not {}", text.len()))
}

fn number(what: &str, number: u64) -> Result<()> {
    if i64::try_from(number).is_ok() {
        return Ok(());
    }
    invalid(&format!("{what} may be {} at most, not {number}", i64::MAX))
}

fn invalid(why: &str) -> Result<()> {
    Err(LedgerError::Invalid(why.to_owned()))
}
