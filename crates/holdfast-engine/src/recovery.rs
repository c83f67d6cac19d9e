//! From the store's records to a sale: the snapshot, then every entry after it.

use holdfast_core::{Command, Sale, SaleId};
use holdfast_store::{LogInfo, Records};

use crate::OpenError;
use crate::slot::core_stamp;

/// Reads one sale from its records, up to the last durable entry.
pub(crate) fn recover(
    records: &dyn Records,
    log: &LogInfo,
    seed: u64,
) -> Result<(SaleId, Sale), OpenError> {
    recover_to(records, log, seed, u64::MAX).map(|(id, sale, _)| (id, sale))
}

/// Reads one sale from its records, up to the entry `to`. Also gives the sequence of the snapshot
/// that it began from, 0 if there was none.
pub(crate) fn recover_to(
    records: &dyn Records,
    log: &LogInfo,
    seed: u64,
    to: u64,
) -> Result<(SaleId, Sale, u64), OpenError> {
    let id = SaleId::new(&log.name)
        .map_err(|_| OpenError::Name { log: log.id.0, name: log.name.clone() })?;
    let wrong = |sequence, error| OpenError::Entry { sale: id.to_string(), sequence, error };
    let mut sale = match records.snapshot(log.id)? {
        Some((at, bytes)) => {
            Sale::from_snapshot(&bytes, seed).map_err(|error| wrong(at.sequence, error))?
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
                sale.apply(core_stamp(stamp), &command);
                true
            }
            Err(error) => {
                failure = Some(wrong(stamp.sequence, error));
                false
            }
        }
    })?;
    failure.map_or(Ok((id, sale, snapshot_sequence)), Err)
}
