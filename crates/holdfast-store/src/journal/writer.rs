//! Puts frames on the disk, one in flight, and changes segments.

use std::io;
use std::sync::Arc;

use super::frame::FrameBuffer;
use super::names;
use super::record::LogState;
use super::segment::{self, FRAMES_AT};
use super::shared::{Segment, Shared, lock};
use crate::{DiskFile, Result, StoreError};

/// The end of the journal, and whether it can be trusted.
pub(super) struct Writer {
    shared: Arc<Shared>,
    active: Active,
    /// Number of the next frame in the whole journal.
    next: u64,
    roll: FrameBuffer,
    /// Length of the frame that has been written and not been flushed, if there is one.
    in_flight: Option<u64>,
    poisoned: Option<String>,
}

/// The segment that is being written.
pub(super) struct Active {
    pub(super) number: u64,
    pub(super) length: u64,
    /// Where the next frame goes.
    pub(super) at: u64,
    pub(super) file: Box<dyn DiskFile>,
}

impl Writer {
    /// Goes on after the last frame.
    pub(super) fn resume(shared: Arc<Shared>, active: Active, next: u64) -> Self {
        Self { shared, active, next, roll: FrameBuffer::new(), in_flight: None, poisoned: None }
    }

    /// Refuses if an earlier call left the end of the journal in doubt.
    pub(super) fn check(&self) -> Result<()> {
        match &self.poisoned {
            Some(why) => Err(StoreError::Poisoned(format!("reopen the store; earlier: {why}"))),
            None => Ok(()),
        }
    }

    /// Writes a frame, which [`Writer::land`] makes durable. `logs` says what every log is before
    /// it, in case a segment begins.
    pub(super) fn launch<'a>(
        &mut self,
        frame: &mut FrameBuffer,
        logs: impl ExactSizeIterator<Item = &'a LogState> + Clone,
    ) -> Result<()> {
        self.check()?;
        if self.active.at == FRAMES_AT {
            self.begin(logs.clone())?;
        }
        let needed = frame.extent() as u64;
        if self.active.length - self.active.at < needed {
            self.rotate(logs.clone(), needed)?;
            self.begin(logs)?;
        }
        self.write(frame.seal(self.next))
    }

    /// Lets the flush of the frame in flight begin while there is other work to do.
    pub(super) fn hurry(&self) {
        self.active.file.begin_sync();
    }

    /// Whether a frame is in flight.
    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Flushes the frame in flight. If there is none any more, says what came of it.
    pub(super) fn land(&mut self) -> Result<()> {
        if let Some(why) = &self.poisoned {
            return Err(in_doubt(why));
        }
        let Some(length) = self.in_flight.take() else { return Ok(()) };
        if let Err(error) = sync(self.active.file.as_ref()) {
            return Err(self.poison(&self.doing("flush"), &error));
        }
        self.active.at += length;
        self.next += 1;
        Ok(())
    }

    /// Where the last frame ended.
    pub(super) fn end(&self) -> u64 {
        self.active.at
    }

    /// Takes a new segment into use, with room for a first frame and one of `needed` bytes.
    fn rotate<'a>(
        &mut self,
        logs: impl ExactSizeIterator<Item = &'a LogState>,
        needed: u64,
    ) -> Result<()> {
        let number = self.active.number + 1;
        self.roll.clear();
        self.roll.put_roll(number, logs);
        let needed = FRAMES_AT + self.roll.extent() as u64 + needed;
        let (file, length) = place(&self.shared, number, needed)?;
        // From here the new name is there, durably or not: only success leaves no doubt.
        if let Err(error) = self.shared.disk.sync_folder() {
            return Err(self.poison("flush the folder", &error));
        }
        self.active = Active { number, length, at: FRAMES_AT, file };
        Ok(())
    }

    /// Writes the first frame of a segment.
    fn begin<'a>(&mut self, logs: impl ExactSizeIterator<Item = &'a LogState>) -> Result<()> {
        let mut roll = std::mem::replace(&mut self.roll, FrameBuffer::new());
        roll.clear();
        roll.put_roll(self.active.number, logs);
        let written = self.write(roll.seal(self.next));
        self.roll = roll;
        written.and_then(|()| self.land())?;
        let segment = Segment::new(self.active.number, self.active.length, self.active.at);
        lock(&self.shared.progress).segments.push_back(segment);
        Ok(())
    }

    /// Writes a frame, never before the one before it is durable.
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        assert!(self.in_flight.is_none(), "one frame is in flight");
        if let Err(error) = self.active.file.write_at(bytes, self.active.at) {
            let full = StoreError::io(self.doing("write"), &error);
            let undone = matches!(full, StoreError::Full(_)) && self.undo(bytes.len()).is_ok();
            return Err(if undone { full } else { self.poison(&self.doing("write"), &error) });
        }
        self.in_flight = Some(bytes.len() as u64);
        Ok(())
    }

    /// Turns what a failed write may have left back into zeros.
    fn undo(&self, count: usize) -> io::Result<()> {
        self.active.file.write_at(&vec![0; count], self.active.at)?;
        self.active.file.sync()
    }

    fn doing(&self, what: &str) -> String {
        format!("{what} {} at {}", names::segment(self.active.number), self.active.at)
    }

    fn poison(&mut self, doing: &str, error: &io::Error) -> StoreError {
        let why = format!("{doing}: {error}");
        tracing::error!(folder = self.shared.disk.name(), why, "the journal's end is in doubt");
        let error = in_doubt(&why);
        self.poisoned = Some(why);
        error
    }
}

fn in_doubt(why: &str) -> StoreError {
    StoreError::Unknown(format!("the last entries may or may not be durable: {why}"))
}

/// Puts a segment's file in its place, the spare if it will do, else one made now. The name is
/// durable once the folder is flushed.
pub(super) fn place(shared: &Shared, number: u64, needed: u64) -> Result<(Box<dyn DiskFile>, u64)> {
    let name = names::segment(number);
    let rename = |from: &str| {
        let renamed = shared.disk.rename(from, &name);
        renamed.map_err(|error| StoreError::io(format!("rename {from} to {name}"), &error))
    };
    let length = shared.segment_bytes.max(needed.next_multiple_of(FRAMES_AT));
    if length == shared.segment_bytes {
        let mut spare = lock(&shared.spare);
        if let Some(file) = spare.take() {
            rename(names::SPARE)?;
            return Ok((file, length));
        }
    }
    let file = segment::make(shared.disk.as_ref(), &name, length)?;
    rename(&names::temporary(&name))?;
    Ok((file, length))
}

/// Flushes what was written to a segment.
fn sync(file: &dyn DiskFile) -> io::Result<()> {
    #[cfg(feature = "planted")]
    if crate::planted::is(crate::planted::Bug::SkipSync) {
        return Ok(());
    }
    file.sync()
}
