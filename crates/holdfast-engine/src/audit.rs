//! The audit: a sale read again from its records and its promises counted afresh.
//!
//! After every entry: no tier has more units out than it has (promise 1), and the sale clock has
//! taken no step longer than it may (8). At the end, from the holds themselves: units (1, 6), one
//! ending a hold (2), one live hold a buyer (7), limits (9), deadlines in order (6); and a running
//! engine's own count against all of it (3). What happened before a snapshot is known only by the
//! holds that it kept.

use std::collections::BTreeMap;

use holdfast_core::{Difference, HoldStatus, Sale, SaleId, SaleView};
use holdfast_store::{LogInfo, Records, StoreError};

use crate::OpenError;
use crate::recovery::replay;
use crate::witness::Witness;

/// What an audit counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The sale.
    pub sale: SaleId,
    /// The snapshot that the count began from, by its sequence; 0: every entry was read. What
    /// happened before a snapshot is known only by the holds that it kept.
    pub snapshot_sequence: u64,
    /// The last entry that was read.
    pub last_sequence: u64,
    /// Holds found, by how they stand.
    pub holds: HoldCount,
    /// The sale as its records make it; `None` if it was never configured.
    pub view: Option<SaleView>,
    /// Promises that are broken; empty if all are kept.
    pub differences: Vec<Difference>,
}

/// Holds by how they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldCount {
    /// With their units.
    pub held: u64,
    /// At the checkout, with their units.
    pub paying: u64,
    /// Ended as orders.
    pub sold: u64,
    /// Given back.
    pub cancelled: u64,
    /// Run out.
    pub expired: u64,
}

/// What a running engine believes of a sale, to be held against its records.
#[derive(Clone, Debug)]
pub(crate) struct Belief {
    pub(crate) log: LogInfo,
    pub(crate) view: SaleView,
}

/// Counts one sale from its records alone.
///
/// # Errors
/// When the records cannot be read.
pub fn audit(records: &dyn Records, log: &LogInfo) -> Result<Audit, OpenError> {
    count(records, log, u64::MAX)
}

/// Counts one sale up to the entry at which it was looked at, and holds the look against it.
/// `None`: a snapshot has overtaken the look; take another.
pub(crate) fn audit_belief(
    records: &dyn Records,
    belief: &Belief,
) -> Result<Option<Audit>, OpenError> {
    let last = belief.log.last.sequence;
    let mut audit = match count(records, &belief.log, last) {
        Err(OpenError::Store(StoreError::Trimmed { .. })) => return Ok(None),
        counted => counted?,
    };
    if audit.last_sequence != last {
        return Ok(None);
    }
    let counts = |view: &SaleView| -> BTreeMap<_, _> {
        let tiers = view.tiers.iter();
        tiers
            .map(|t| (t.config.id, [t.config.capacity, t.free, t.held, t.sold, t.withheld]))
            .collect()
    };
    if audit.view.as_ref().map(&counts) != Some(counts(&belief.view)) {
        let what = "the running engine's count is not what its records say".to_owned();
        audit.differences.push(Difference { promise: 3, what });
    }
    Ok(Some(audit))
}

fn count(records: &dyn Records, log: &LogInfo, to: u64) -> Result<Audit, OpenError> {
    let mut witness = Witness::default();
    let recovered =
        replay(records, log, 0, to, |sale, stamp, command| witness.see(sale, stamp, command))?;
    let sale = recovered.sale;
    let holds = count_holds(&sale);
    let mut differences = witness.conclude(holds.cancelled + holds.expired + holds.sold);
    differences.extend(sale.audit());
    Ok(Audit {
        sale: recovered.id,
        snapshot_sequence: recovered.snapshot_sequence,
        last_sequence: sale.last().sequence,
        holds,
        view: sale.view(sale.last().clock_ms),
        differences,
    })
}

fn count_holds(sale: &Sale) -> HoldCount {
    let mut count = HoldCount::default();
    for hold in sale.holds_after(None, usize::MAX, sale.last().clock_ms) {
        match hold.status {
            HoldStatus::Held => count.held += 1,
            HoldStatus::Paying => count.paying += 1,
            HoldStatus::Sold => count.sold += 1,
            HoldStatus::Cancelled => count.cancelled += 1,
            HoldStatus::Expired => count.expired += 1,
        }
    }
    count
}
