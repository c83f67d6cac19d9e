//! From the store's records to a sale: the snapshot, then every entry after it.

use holdfast_core::{CodecError, Command, Sale, SaleId};
use holdfast_store::{LogInfo, Records, Stamp};

use crate::slot::{Slot, core_stamp};
use crate::{OpenError, Sales};

/// A sale as its records make it.
pub(crate) struct Recovered {
    pub(crate) id: SaleId,
    pub(crate) sale: Sale,
    /// The sequence of the snapshot that it began from; 0 if there was none.
    pub(crate) snapshot_sequence: u64,
}

/// Reads one sale from its records, up to the last durable entry.
pub(crate) fn recover(
    records: &dyn Records,
    log: &LogInfo,
    seed: u64,
) -> Result<(SaleId, Sale), OpenError> {
    let apply = |sale: &mut Sale, stamp, command: &Command| {
        sale.apply(core_stamp(stamp), command);
    };
    let Recovered { id, sale, .. } = replay(records, log, seed, u64::MAX, apply)?;
    if sale.last().sequence < log.last.sequence {
        let (sale, found) = (id.to_string(), sale.last().sequence);
        return Err(OpenError::Short { sale, found, expected: log.last.sequence });
    }
    Ok((id, sale))
}

/// Reads all sales of a stopped server, as they stand after their last entries. Changes nothing.
///
/// # Errors
/// When the records cannot be read, or hold what no version up to this one wrote.
pub fn read_sales(records: &dyn Records, logs: &[LogInfo]) -> Result<Sales, OpenError> {
    let mut sales = Sales::default();
    for log in logs {
        let (id, sale) = recover(records, log, 0)?;
        sales.push(Slot::new(id, log.id, log.epoch, sale));
    }
    Ok(sales)
}

/// Reads one sale from its records, up to the entry `to`; `apply` applies each entry.
pub(crate) fn replay(
    records: &dyn Records,
    log: &LogInfo,
    seed: u64,
    to: u64,
    mut apply: impl FnMut(&mut Sale, Stamp, &Command),
) -> Result<Recovered, OpenError> {
    let id = SaleId::new(&log.name)
        .map_err(|_| OpenError::Name { log: log.id.0, name: log.name.clone() })?;
    let wrong = |sequence, error| OpenError::Entry { sale: id.to_string(), sequence, error };
    let mut sale = match records.snapshot(log.id)? {
        Some((at, bytes)) => {
            restore(log, at, &bytes, seed).map_err(|error| wrong(at.sequence, error))?
        }
        None => Sale::new(log.id.0, seed),
    };
    let snapshot_sequence = sale.last().sequence;
    let mut failure = None;
    records.read(log.id, snapshot_sequence, &mut |stamp, bytes| {
        if stamp.sequence > to {
            return false;
        }
        match Command::decode(bytes) {
            Ok(command) => {
                apply(&mut sale, stamp, &command);
                true
            }
            Err(error) => {
                failure = Some(wrong(stamp.sequence, error));
                false
            }
        }
    })?;
    failure.map_or(Ok(Recovered { id, sale, snapshot_sequence }), Err)
}

/// A sale from its snapshot, which must be this log's and of the moment that it is kept under.
fn restore(log: &LogInfo, at: Stamp, bytes: &[u8], seed: u64) -> Result<Sale, CodecError> {
    let sale = Sale::from_snapshot(bytes, seed)?;
    if sale.number() != log.id.0 || sale.last() != core_stamp(at) {
        let what = "it is another sale's, or of another moment";
        return Err(CodecError::Snapshot(what.to_owned()));
    }
    Ok(sale)
}
