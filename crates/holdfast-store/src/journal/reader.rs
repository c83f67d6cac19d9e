//! Reads durable entries back, while the writer goes on.

use std::sync::Arc;
use std::time::Duration;

use super::codec::Bytes;
use super::names;
use super::record::{self, Record};
use super::scan::{Scan, Step};
use super::segment::{self, damaged};
use super::shared::{Shared, lock};
use crate::{LogId, Records, Result, Stamp};

/// What to do with an entry; `false` ends the reading.
type Visit<'a> = &'a mut dyn FnMut(Stamp, &[u8]) -> bool;

/// A journal's durable records.
pub(super) struct Reader {
    shared: Arc<Shared>,
}

/// How far a reading has come.
struct Place {
    log: LogId,
    /// The last sequence visited.
    position: u64,
    /// The last sequence that was durable when the reading began.
    until: u64,
    stopped: bool,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Visits the log's entries in one segment up to its durable end.
    fn read_segment(&self, number: u64, end: u64, place: &mut Place, visit: Visit) -> Result<()> {
        let name = names::segment(number);
        let (file, _) = segment::open(self.shared.disk.as_ref(), &name, false)?;
        let mut scan = Scan::new(name, file, end);
        while !place.stopped && place.position < place.until {
            let Step::Frame { at, .. } = scan.next()? else { break };
            let mut payload = Bytes(scan.payload());
            while !payload.is_empty() {
                let record = record::next(&mut payload);
                let sound = record.is_some_and(|record| place.visit(&record, visit));
                if !sound {
                    return Err(damaged(scan.name(), at, "the log's entries do not follow"));
                }
            }
        }
        Ok(())
    }
}

impl Place {
    /// Visits a record's entries that are wanted; `false` if they do not follow what was visited.
    fn visit(&mut self, record: &Record<'_>, visit: Visit) -> bool {
        let Record::Entries { log, first, entries } = record else { return true };
        if *log != self.log || self.stopped {
            return true;
        }
        if first.sequence > self.position.saturating_add(1) {
            return false;
        }
        for (sequence, bytes) in (first.sequence..).zip(entries.iter()) {
            if sequence > self.until || self.stopped {
                return true;
            }
            if sequence > self.position {
                self.position = sequence;
                self.stopped = !visit(Stamp { sequence, ..*first }, bytes);
            }
        }
        true
    }
}

impl Records for Reader {
    fn snapshot(&self, log: LogId) -> Result<Option<(Stamp, Vec<u8>)>> {
        self.shared.snapshot(log)
    }

    fn snapshot_at(&self, log: LogId) -> Result<Option<Stamp>> {
        Ok(lock(&self.shared.kept).newest(log).map(|snapshot| snapshot.at))
    }

    fn backlog_bytes(&self) -> u64 {
        lock(&self.shared.progress).segments.iter().map(|segment| segment.end).sum()
    }

    fn read(
        &self,
        log: LogId,
        after: u64,
        visit: &mut dyn FnMut(Stamp, &[u8]) -> bool,
    ) -> Result<u64> {
        let segment_after = |position| lock(&self.shared.progress).segment_after(log, position);
        let until = self.shared.log(log)?.last.sequence;
        let mut place = Place { log, position: after, until, stopped: false };
        while !place.stopped && place.position < until {
            let Some((number, end)) = segment_after(place.position)? else { break };
            let before = place.position;
            if let Err(error) = self.read_segment(number, end, &mut place, visit) {
                // If the segment was trimmed meanwhile, that is what there is to say.
                segment_after(place.position)?;
                return Err(error);
            }
            if place.position == before {
                let what = format!("it should hold the entry after {before} of log {}", log.0);
                return Err(damaged(&names::segment(number), end, what));
            }
        }
        Ok(place.position)
    }

    fn watch(&self, log: LogId, after: u64, patience: Duration) -> u64 {
        self.shared.watch(log, after, patience)
    }

    fn save_snapshot(&self, log: LogId, at: Stamp, bytes: &[u8]) -> Result<()> {
        self.shared.save_snapshot(log, at, bytes)
    }

    fn trim(&self) -> Result<u64> {
        self.shared.trim()
    }
}
