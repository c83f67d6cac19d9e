//! The journal as a [`Store`]: checks each part, lays out one frame, makes it durable, then shows it.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use super::frame::{FrameBuffer, PAYLOAD_MAX};
use super::reader::Reader;
use super::record::{self, LogState};
use super::segment::FRAMES_AT;
use super::shared::{LogProgress, Progress, Shared, lock};
use super::upkeep::Upkeep;
use super::writer::{self, Active, Writer};
use super::{Options, recovery};
use crate::{
    Append, Appended, Clock, Disk, Entry, Epoch, FolderLock, LogId, LogInfo, Records, Result,
    SaleClock, Stamp, Store, StoreError,
};

const SEGMENT_BYTES_MIN: u64 = 4 << 10;

/// The embedded store.
pub struct Journal {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    writer: Writer,
    logs: Vec<Log>,
    frame: FrameBuffer,
    staged: Vec<Staged>,
}

struct Log {
    state: LogState,
    clock: SaleClock,
}

/// What a log will be once the frame is durable.
struct Staged {
    log: LogId,
    last: Stamp,
    /// Monotonic time of its stamp.
    now: Duration,
}

impl Journal {
    /// Opens the journal in a folder, or starts one; takes the folder for this process as long as
    /// the journal or a handle of it lives.
    ///
    /// # Errors
    /// `InUse`, `NewerFormat` and `Damaged`: nothing on disk has been changed. `Full`, `Io`.
    pub fn open(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>, options: Options) -> Result<Self> {
        let folder_lock = taken(disk.as_ref(), disk.lock())?;
        let segment_bytes =
            options.segment_bytes.max(SEGMENT_BYTES_MIN).next_multiple_of(FRAMES_AT);
        let found = recovery::examine(disk.as_ref())?;
        let active = found.repair(disk.as_ref())?;
        let spare = found.spare(disk.as_ref(), segment_bytes)?;
        let (progress, kept) = (found.progress, found.kept);
        let shared = Shared::new(disk, segment_bytes, progress, spare, kept, folder_lock);
        let shared = Arc::new(shared);
        let active = match active {
            Some(active) => active,
            None => start(&shared)?,
        };
        let now = clock.monotonic();
        let logs = found.logs.into_iter().map(|state| {
            let clock = SaleClock::resume(state.last.clock_ms, now);
            Log { state, clock }
        });
        Ok(Self {
            logs: logs.collect(),
            writer: Writer::resume(Arc::clone(&shared), active, found.next),
            shared,
            clock,
            frame: FrameBuffer::new(),
            staged: Vec::new(),
        })
    }

    /// A handle for the work that is done ahead of the writer, on another thread.
    pub fn upkeep(&self) -> Upkeep {
        Upkeep::new(Arc::clone(&self.shared))
    }

    fn log(&self, log: LogId) -> Result<&Log> {
        let found = record::index(log).and_then(|index| self.logs.get(index));
        found.ok_or(StoreError::NoSuchLog(log))
    }

    /// Checks one part of an append, and lays it out in the frame if it has anything to write.
    fn stage(&mut self, part: &Append<'_>, now: Duration) -> Result<Appended> {
        self.writer.check()?;
        let log = self.log(part.log)?;
        let LogState { epoch: reigning, last, .. } = log.state;
        if !reigns(part.epoch, reigning) {
            return Err(StoreError::Fenced { log: part.log, epoch: part.epoch, reigning });
        }
        let seen = part.seen.max(part.cursor);
        if seen > last.sequence {
            return Err(StoreError::RolledBack { log: part.log, seen, last: last.sequence });
        }
        let clock_ms = whole_ms(log.clock.read(now));
        let first = Stamp { epoch: reigning, sequence: last.sequence + 1, clock_ms };
        let others = self.others(part.log, part.cursor, last.sequence)?;
        let is_written = !part.batch.is_empty() && (others.is_empty() || !part.only_if_current);
        if is_written {
            let size = record::entries_size(part.batch);
            if self.frame.payload() + size + PART_MAX > PAYLOAD_MAX {
                let why = format!("a frame holds at most {PAYLOAD_MAX} bytes");
                return Err(StoreError::Io { doing: format!("append {size} bytes"), why });
            }
            self.frame.put_entries(part.log, first, part.batch);
            let sequence = last.sequence + part.batch.len() as u64;
            let last = Stamp { sequence, ..first };
            self.staged.push(Staged { log: part.log, last, now });
        }
        Ok(Appended { others, first, is_written })
    }

    /// The entries after the cursor. A writer that is not behind needs none, and none are read.
    fn others(&self, log: LogId, cursor: u64, last: u64) -> Result<Vec<Entry>> {
        let mut others = Vec::new();
        if cursor < last {
            self.records().read(log, cursor, &mut |stamp, bytes| {
                others.push(Entry { stamp, bytes: bytes.to_vec() });
                true
            })?;
        }
        Ok(others)
    }

    /// Stages the parts and writes them. All but the last frame are durable then: a log that is
    /// named twice is appended to twice, one after the other.
    fn launch_parts(&mut self, parts: &[Append<'_>], results: &mut Vec<Result<Appended>>) {
        // Whoever began it will ask for what came of it.
        let _ = self.land();
        let now = self.clock.monotonic();
        let mut begun = results.len();
        for part in parts {
            if self.staged.iter().any(|staged| staged.log == part.log) {
                share(self.launch(), &mut results[begun..]);
                self.finish(&mut results[begun..]);
                begun = results.len();
            }
            let staged = self.stage(part, now);
            results.push(staged);
        }
        share(self.launch(), &mut results[begun..]);
    }

    /// Writes the frame, if there is anything in it.
    fn launch(&mut self) -> Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let states = self.logs.iter().map(|log| &log.state);
        let launched = self.writer.launch(&mut self.frame, states);
        self.frame.clear();
        if launched.is_err() {
            self.staged.clear();
        }
        launched
    }

    /// Waits for the frame in flight, if there is one, and then lets everybody see it.
    fn land(&mut self) -> Result<()> {
        let is_in_flight = self.writer.is_in_flight();
        let landed = self.writer.land();
        if is_in_flight && landed.is_ok() {
            self.publish();
        }
        self.staged.clear();
        landed
    }

    /// Makes what is in the frame durable; nothing is in flight.
    fn commit(&mut self) -> Result<()> {
        self.launch()?;
        self.land()
    }

    fn publish(&mut self) {
        let mut progress = lock(&self.shared.progress);
        progress.logs.resize(self.logs.len(), LogProgress::default());
        for staged in &self.staged {
            let Some(index) = record::index(staged.log) else { continue };
            let log = &mut self.logs[index];
            log.state.last = staged.last;
            log.clock.advance(staged.now);
            progress.logs[index].last = staged.last;
        }
        if let Some(segment) = progress.segments.back_mut() {
            segment.end = self.writer.end();
            let lasts = self.staged.iter().map(|staged| (staged.log, staged.last.sequence));
            segment.lasts.extend(lasts);
        }
        if progress.watchers > 0 {
            self.shared.moved.notify_all();
        }
    }
}

/// Reads the journal in a folder without changing a byte of it: what a crash has left is looked
/// past, not repaired. Takes the folder as [`Journal::open`] does; only where there is no lock and
/// this process may not make one does it go without.
///
/// # Errors
/// `InUse`, `NewerFormat`, `Damaged`, `Io`.
pub fn read(disk: Arc<dyn Disk>) -> Result<(Vec<LogInfo>, Box<dyn Records>)> {
    let nobody_writes = |error: &io::Error| {
        matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
    };
    let folder_lock = match disk.lock() {
        Err(error) if nobody_writes(&error) => FolderLock::private(),
        asked => taken(disk.as_ref(), asked)?,
    };
    let found = recovery::examine(disk.as_ref())?;
    let logs = infos(&found.logs, &found.progress);
    let shared = Shared::new(disk, 0, found.progress, None, found.kept, folder_lock);
    Ok((logs, Box::new(Reader::new(Arc::new(shared)))))
}

/// The folder's lock, if this process got it.
fn taken(
    disk: &dyn Disk,
    asked: io::Result<std::result::Result<FolderLock, String>>,
) -> Result<FolderLock> {
    let asked = asked.map_err(|error| StoreError::io(format!("lock {}", disk.name()), &error))?;
    asked.map_err(|holder| StoreError::InUse { folder: disk.name(), holder })
}

fn infos<'a>(logs: impl IntoIterator<Item = &'a LogState>, progress: &Progress) -> Vec<LogInfo> {
    let logs = logs.into_iter().zip(&progress.logs).enumerate();
    logs.map(|(index, (log, progress))| LogInfo {
        id: record::id(index),
        name: log.name.clone(),
        last: log.last,
        epoch: log.epoch,
        trimmed: progress.trimmed,
    })
    .collect()
}

/// More than a record of entries takes besides its entries.
const PART_MAX: usize = 64;

/// Turns the results into the error that they share, if there is one.
fn share(outcome: Result<()>, results: &mut [Result<Appended>]) {
    if let Err(error) = outcome {
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(error.clone());
        }
    }
}

fn reigns(epoch: Epoch, reigning: Epoch) -> bool {
    #[cfg(feature = "planted")]
    if crate::planted::is(crate::planted::Bug::NoFence) {
        return true;
    }
    epoch == reigning && epoch.0 > 0
}

fn whole_ms(clock: Duration) -> u64 {
    u64::try_from(clock.as_millis()).unwrap_or(u64::MAX)
}

/// Makes the first segment of a new journal.
fn start(shared: &Shared) -> Result<Active> {
    let (file, length) = writer::place(shared, 1, FRAMES_AT)?;
    let flushed = shared.disk.sync_folder();
    flushed.map_err(|error| StoreError::io("flush the folder", &error))?;
    Ok(Active { number: 1, length, at: FRAMES_AT, file })
}

impl Store for Journal {
    fn logs(&self) -> Vec<LogInfo> {
        infos(self.logs.iter().map(|log| &log.state), &lock(&self.shared.progress))
    }

    fn create(&mut self, name: &str) -> Result<LogId> {
        // Whoever began it will ask for what came of it.
        let _ = self.land();
        self.writer.check()?;
        if let Some(index) = self.logs.iter().position(|log| log.state.name == name) {
            return Ok(record::id(index));
        }
        if name.len() > record::NAME_MAX {
            let why = format!("a name has at most {} bytes", record::NAME_MAX);
            return Err(StoreError::Io { doing: format!("create log {name}"), why });
        }
        let id = record::id(self.logs.len());
        self.frame.put_create(id, name);
        self.commit()?;
        let clock = SaleClock::resume(0, self.clock.monotonic());
        self.logs.push(Log { state: LogState::new(name), clock });
        lock(&self.shared.progress).logs.push(LogProgress::default());
        Ok(id)
    }

    fn reign(&mut self, logs: &[LogId]) -> Result<Vec<Epoch>> {
        let _ = self.land();
        self.writer.check()?;
        let next = |&log: &LogId| {
            let next = self.log(log)?.state.epoch.0.checked_add(1).map(Epoch);
            next.ok_or_else(|| StoreError::Io {
                doing: format!("reign over log {}", log.0),
                why: "its epochs are used up".into(),
            })
        };
        let epochs = logs.iter().map(next).collect::<Result<Vec<_>>>()?;
        for (&log, &epoch) in logs.iter().zip(&epochs) {
            self.frame.put_reign(log, epoch);
        }
        self.commit()?;
        for (&log, &epoch) in logs.iter().zip(&epochs) {
            if let Some(index) = record::index(log) {
                self.logs[index].state.epoch = epoch;
            }
        }
        Ok(epochs)
    }

    fn append(&mut self, parts: &[Append<'_>], results: &mut Vec<Result<Appended>>) {
        let begun = results.len();
        self.launch_parts(parts, results);
        self.finish(&mut results[begun..]);
    }

    fn begin(&mut self, parts: &[Append<'_>], results: &mut Vec<Result<Appended>>) {
        self.launch_parts(parts, results);
        if self.writer.is_in_flight() {
            self.writer.hurry();
        }
    }

    fn finish(&mut self, results: &mut [Result<Appended>]) {
        share(self.land(), results);
    }

    fn clock_ms(&self, log: LogId) -> Result<u64> {
        Ok(whole_ms(self.log(log)?.clock.read(self.clock.monotonic())))
    }

    fn records(&self) -> Box<dyn Records> {
        Box::new(Reader::new(Arc::clone(&self.shared)))
    }
}
