//! Opening a journal: look at everything first, then repair what a crash may have left.
//!
//! [`examine`] only reads. Whatever it refuses is on disk as it was.

use std::collections::VecDeque;

use super::names::{self, Kind};
use super::record::{self, LogState};
use super::replay::Replay;
use super::scan::{Scan, Step};
use super::segment::{self, damaged};
use super::shared::{LogProgress, Progress, Segment};
use super::snapshot::{Kept, Snapshot};
use super::writer::Active;
use crate::{Disk, DiskFile, Result, StoreError};

/// What the folder holds.
pub(super) struct Found {
    pub(super) logs: Vec<LogState>,
    pub(super) progress: Progress,
    pub(super) kept: Kept,
    /// Number of the next frame.
    pub(super) next: u64,
    /// None: the folder holds no journal yet.
    end: Option<End>,
    unfinished: Vec<String>,
    has_spare: bool,
}

/// Where the journal ends.
struct End {
    segment: u64,
    length: u64,
    /// Where its last whole frame starts, if it has one.
    last_at: Option<u64>,
    /// Where its last whole frame ends.
    at: u64,
    /// Where the remains of a torn frame end.
    remains_end: u64,
}

/// Reads and checks the whole folder, and changes nothing.
pub(super) fn examine(disk: &dyn Disk) -> Result<Found> {
    let cannot = |error| StoreError::io(format!("list {}", disk.name()), &error);
    let mut names = disk.list().map_err(cannot)?;
    names.sort_unstable();
    let (mut numbers, mut kept, mut unfinished) = (Vec::new(), Kept::default(), Vec::new());
    for name in &names {
        match names::kind(name) {
            Kind::Segment(number) => numbers.push(number),
            Kind::Snapshot(..) => kept.add(Snapshot::examine(disk, name)?),
            Kind::Unfinished => unfinished.push(name.clone()),
            Kind::Spare | Kind::Foreign => {}
        }
    }
    numbers.sort_unstable();
    let mut replay = Replay::default();
    let mut segments = VecDeque::new();
    let mut end = None;
    for (place, &number) in numbers.iter().enumerate() {
        if place > 0 && numbers[place - 1] + 1 != number {
            return Err(damaged(&names::segment(numbers[place - 1] + 1), 0, "it is missing"));
        }
        let last = place + 1 == numbers.len();
        let (segment, found) = read_segment(disk, number, last, &mut replay)?;
        segments.extend(segment);
        end = Some(found);
    }
    check_snapshots(&replay, &kept, &numbers)?;
    let has_spare = names.iter().any(|name| names::kind(name) == Kind::Spare);
    if numbers.is_empty() && has_spare {
        // A spare is made once the first segment is durable.
        return Err(damaged(&names::segment(1), 0, "it is missing, and there is a spare for it"));
    }
    let progress = Progress { logs: progress(&replay), segments, watchers: 0 };
    let next = replay.next.unwrap_or(1);
    Ok(Found { logs: replay.logs, progress, kept, next, end, unfinished, has_spare })
}

fn progress(replay: &Replay) -> Vec<LogProgress> {
    let logs = replay.logs.iter().zip(&replay.trimmed);
    logs.map(|(log, &trimmed)| LogProgress { last: log.last, trimmed }).collect()
}

/// Follows one segment to its end. There is no [`Segment`] to list before its first frame.
fn read_segment(
    disk: &dyn Disk,
    number: u64,
    last: bool,
    replay: &mut Replay,
) -> Result<(Option<Segment>, End)> {
    let name = names::segment(number);
    let (file, length) = segment::open(disk, &name, false)?;
    let mut scan = Scan::new(name.clone(), file, length);
    let mut segment = Segment::new(number, length, scan.at());
    let mut last_at = None;
    let torn_end = loop {
        match next(&mut scan)? {
            Step::Frame { number, at } => {
                let taken = replay.frame(number, scan.payload(), &mut segment, last_at.is_none());
                taken.map_err(|what| damaged(&name, at, what))?;
                last_at = Some(at);
                segment.end = scan.at();
            }
            Step::Unwritten if last => break length,
            Step::Torn { number, end } if last && replay.next.is_none_or(|n| n == number) => {
                break end;
            }
            Step::Unwritten => break scan.at(),
            Step::Torn { .. } => {
                return Err(damaged(
                    &name,
                    scan.at(),
                    "a torn frame that is not the journal's last",
                ));
            }
        }
    };
    let remains_end = scan.remains(torn_end)?;
    let oldest_and_bare = last_at.is_none() && replay.next.is_none() && number > 1;
    if oldest_and_bare || (last_at.is_none() && !last) {
        return Err(damaged(&name, scan.at(), "the segment's first frame is missing"));
    }
    let end = End { segment: number, length, last_at, at: scan.at(), remains_end };
    Ok((last_at.map(|_| segment), end))
}

fn next(scan: &mut Scan) -> Result<Step> {
    let step = scan.next();
    #[cfg(feature = "planted")]
    if crate::planted::is(crate::planted::Bug::CutAnywhere) {
        return step.or(Ok(Step::Unwritten));
    }
    step
}

/// Snapshots and entries must meet: what is trimmed is covered, and nothing is covered that the
/// journal never had.
fn check_snapshots(replay: &Replay, kept: &Kept, numbers: &[u64]) -> Result<()> {
    for snapshot in kept.iter() {
        let state = record::index(snapshot.log).and_then(|index| replay.logs.get(index));
        if state.is_none_or(|state| state.last.sequence < snapshot.at.sequence) {
            let newest = names::segment(numbers.last().copied().unwrap_or(1));
            let (log, at) = (snapshot.log.0, snapshot.at.sequence);
            let what = format!("the journal ends before the snapshot of log {log} at {at}");
            return Err(damaged(&newest, 0, what));
        }
    }
    for (place, &trimmed) in replay.trimmed.iter().enumerate() {
        let log = record::id(place);
        if kept.newest(log).map_or(0, |snapshot| snapshot.at.sequence) < trimmed {
            let missing = names::segment(numbers.first().map_or(1, |oldest| oldest - 1));
            let what = format!("it is missing, and no snapshot of log {} covers it", log.0);
            return Err(damaged(&missing, 0, what));
        }
    }
    Ok(())
}

impl Found {
    /// Removes unfinished files, cuts what is torn, and makes the last frame durable: it may have
    /// been written but never flushed. Returns the segment to go on with.
    pub(super) fn repair(&self, disk: &dyn Disk) -> Result<Option<Active>> {
        for name in &self.unfinished {
            let removed = disk.remove(name);
            removed.map_err(|error| StoreError::io(format!("remove {name}"), &error))?;
        }
        let active = self.end.as_ref().map(|end| end.repair(disk)).transpose()?;
        disk.sync_folder().map_err(|error| StoreError::io("flush the folder", &error))?;
        Ok(active)
    }

    /// The spare segment that an earlier process left, if it will do.
    pub(super) fn spare(&self, disk: &dyn Disk, length: u64) -> Result<Option<Box<dyn DiskFile>>> {
        if !self.has_spare {
            return Ok(None);
        }
        match segment::open(disk, names::SPARE, true) {
            Ok((file, found)) if found == length => Ok(Some(file)),
            Err(error @ (StoreError::Io { .. } | StoreError::Full(_))) => Err(error),
            // It holds nothing, so one that does not fit is simply made again.
            _ => {
                let removed = disk.remove(names::SPARE);
                removed.map_err(|error| StoreError::io("remove the spare segment", &error))?;
                Ok(None)
            }
        }
    }
}

impl End {
    fn repair(&self, disk: &dyn Disk) -> Result<Active> {
        let name = names::segment(self.segment);
        let (file, _) = segment::open(disk, &name, true)?;
        let cannot = |error| StoreError::io(format!("repair {name}"), &error);
        let bytes = self.remains_end - self.at;
        if bytes > 0 {
            tracing::warn!(
                file = name,
                offset = self.at,
                bytes,
                "cut a torn write; nothing in it was ever acknowledged"
            );
            let zeros = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
            file.write_at(&zeros, self.at).map_err(cannot)?;
        }
        if let Some(at) = self.last_at {
            let mut frame = vec![0; usize::try_from(self.at - at).unwrap_or(usize::MAX)];
            file.read_at(&mut frame, at).map_err(cannot)?;
            file.write_at(&frame, at).map_err(cannot)?;
        }
        file.sync().map_err(cannot)?;
        Ok(Active { number: self.segment, length: self.length, at: self.at, file })
    }
}
