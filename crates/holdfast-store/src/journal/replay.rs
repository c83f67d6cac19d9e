//! Follows the journal from its oldest frame to its newest and checks that each fits the last.

use super::codec::Bytes;
use super::record::{self, LogState, Record};
use super::shared::Segment;
use crate::Stamp;

/// What the frames so far add up to.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) logs: Vec<LogState>,
    /// For each log the last sequence that older, removed segments held.
    pub(super) trimmed: Vec<u64>,
    /// Number of the frame that must come next; none before the first.
    pub(super) next: Option<u64>,
}

impl Replay {
    /// Takes in one frame; the error says why it cannot follow.
    pub(super) fn frame(
        &mut self,
        number: u64,
        payload: &[u8],
        segment: &mut Segment,
        first: bool,
    ) -> Result<(), &'static str> {
        let expected = self.next.unwrap_or(if segment.number == 1 { 1 } else { number });
        if number != expected {
            return Err("a frame has not the number that must come next");
        }
        let mut payload = Bytes(payload);
        let mut rolled = false;
        while !payload.is_empty() {
            let record = record::next(&mut payload).ok_or("a frame's records make no sense")?;
            rolled |= matches!(record, Record::Roll { .. });
            self.record(record, segment, first)
                .ok_or("a record does not follow what was before")?;
        }
        if first != rolled {
            return Err("a segment must begin with what its logs are, and say it once");
        }
        self.next = Some(number.checked_add(1).ok_or("frame numbers are used up")?);
        Ok(())
    }

    fn record(&mut self, record: Record<'_>, segment: &mut Segment, first: bool) -> Option<()> {
        match record {
            Record::Roll { segment: number, logs } => {
                self.roll(logs, segment, first && number == segment.number)
            }
            Record::Create { log, name } => {
                let next = log == record::id(self.logs.len());
                let fresh = self.logs.iter().all(|log| log.name != name);
                (next && fresh).then(|| {
                    self.logs.push(LogState::new(name));
                    self.trimmed.push(0);
                })
            }
            Record::Reign { log, epoch } => {
                let state = self.logs.get_mut(record::index(log)?)?;
                (epoch.0 == state.epoch.0.checked_add(1)?).then(|| state.epoch = epoch)
            }
            Record::Entries { log, first, entries } => {
                let state = self.logs.get_mut(record::index(log)?)?;
                let follows = first.sequence == state.last.sequence.checked_add(1)?
                    && first.epoch == state.epoch
                    && first.clock_ms >= state.last.clock_ms
                    && entries.count > 0
                    && entries.add_up();
                let sequence = first.sequence.checked_add(entries.count.checked_sub(1)?)?;
                follows.then(|| {
                    state.last = Stamp { sequence, ..first };
                    segment.lasts.insert(log, sequence);
                })
            }
        }
    }

    /// A segment repeats what its logs are. The oldest one that is left is believed.
    fn roll(&mut self, logs: Vec<LogState>, segment: &Segment, right: bool) -> Option<()> {
        if self.next.is_none() && right && (segment.number > 1 || logs.is_empty()) {
            self.trimmed = logs.iter().map(|log| log.last.sequence).collect();
            self.logs = logs;
            return Some(());
        }
        (self.next.is_some() && right && logs == self.logs).then_some(())
    }
}
