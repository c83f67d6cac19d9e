//! Follows the journal from its oldest frame to its newest and checks that each fits the last.

use super::codec::Bytes;
use super::record::{self, LogState, Record};
use super::shared::Segment;
use crate::Stamp;

/// Numbers and sequences stay below this. Nothing ever counts so far, and whoever counts on from
/// what was read needs no look at overflow.
pub(super) const COUNT_MAX: u64 = 1 << 62;

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
        if number != expected || number >= COUNT_MAX {
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
        self.next = Some(number + 1);
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
                let follows = first.sequence == state.last.sequence + 1
                    && first.epoch == state.epoch
                    && first.clock_ms >= state.last.clock_ms
                    && entries.count > 0
                    && entries.add_up();
                let sequence = first.sequence.checked_add(entries.count.checked_sub(1)?)?;
                let follows = follows && sequence < COUNT_MAX;
                follows.then(|| {
                    state.last = Stamp { sequence, ..first };
                    segment.lasts.insert(log, sequence);
                })
            }
        }
    }

    /// A segment repeats what its logs are. The oldest one that is left is believed.
    fn roll(&mut self, logs: Vec<LogState>, segment: &Segment, right: bool) -> Option<()> {
        let right = right && logs.iter().all(|log| log.last.sequence < COUNT_MAX);
        if self.next.is_none() && right && (segment.number > 1 || logs.is_empty()) {
            self.trimmed = logs.iter().map(|log| log.last.sequence).collect();
            self.logs = logs;
            return Some(());
        }
        (self.next.is_some() && right && logs == self.logs).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{FrameBuffer, Header, SECTOR};
    use super::*;
    use crate::{Batch, Epoch, LogId};

    const LOG: LogId = LogId(1);

    /// Takes frames in, each written by one call, and says whether the last one was taken.
    fn last_is_taken(frames: &[&dyn Fn(&mut FrameBuffer)]) -> bool {
        let (mut replay, mut segment) = (Replay::default(), Segment::new(1, 0, 0));
        let mut taken = Ok(());
        for (number, write) in (1..).zip(frames) {
            assert_eq!(taken, Ok(()), "all but the last are sound");
            let mut frame = FrameBuffer::new();
            write(&mut frame);
            let sealed = frame.seal(number).to_vec();
            let mut payload = Vec::new();
            Header::decode(&sealed[..SECTOR]).unwrap().unpack(&sealed, &mut payload);
            taken = replay.frame(number, &payload, &mut segment, number == 1);
        }
        taken.is_ok()
    }

    fn roll(frame: &mut FrameBuffer) {
        frame.put_roll(1, [].iter());
    }

    fn create(frame: &mut FrameBuffer) {
        frame.put_create(LOG, "sale");
    }

    fn reign(frame: &mut FrameBuffer) {
        frame.put_reign(LOG, Epoch(1));
    }

    fn entries(log: u32, epoch: u32, sequence: u64, clock_ms: u64) -> impl Fn(&mut FrameBuffer) {
        move |frame| {
            let mut batch = Batch::default();
            batch.push(|bytes| bytes.push(7));
            batch.push(|_| {});
            let first = Stamp { epoch: Epoch(epoch), sequence, clock_ms };
            frame.put_entries(LogId(log), first, &batch);
        }
    }

    #[test]
    fn what_follows_is_taken() {
        let (first, second) = (entries(1, 1, 1, 5), entries(1, 1, 3, 5));
        assert!(last_is_taken(&[&roll, &create, &reign, &first, &second]));
    }

    #[test]
    fn what_does_not_follow_is_refused() {
        let first = entries(1, 1, 1, 5);
        let before: [&dyn Fn(&mut FrameBuffer); 4] = [&roll, &create, &reign, &first];
        let wrong: [&dyn Fn(&mut FrameBuffer); 13] = [
            &entries(2, 1, 3, 5),
            &entries(0, 1, 3, 5),
            &entries(1, 2, 3, 5),
            &entries(1, 1, 4, 5),
            &entries(1, 1, 2, 5),
            &entries(1, 1, 3, 4),
            &|frame| frame.put_create(LOG, "other"),
            &|frame| frame.put_create(LogId(2), "sale"),
            &|frame| frame.put_reign(LOG, Epoch(1)),
            &|frame| frame.put_reign(LogId(2), Epoch(1)),
            &|frame| frame.put_entries(LOG, Stamp::default(), &Batch::default()),
            &|frame| frame.put(&[9]),
            &roll,
        ];
        for (case, wrong) in wrong.iter().enumerate() {
            let frames = before.iter().chain([wrong]).copied().collect::<Vec<_>>();
            assert!(!last_is_taken(&frames), "case {case}");
        }
        let other: &dyn Fn(&mut FrameBuffer) = &|frame| frame.put_roll(2, [].iter());
        assert!(!last_is_taken(&[other]), "another segment's first frame");
        assert!(!last_is_taken(&[&create]), "no first frame");
    }
}
