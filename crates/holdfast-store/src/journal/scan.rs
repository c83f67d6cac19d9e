//! Walks the frames of one segment and tells a torn write from damage.
//!
//! What a sector's mark says decides: see [`super`] for the whole argument.

use super::frame::{FIRST, Header, REST, SECTOR, UNWRITTEN};
use super::segment::{FRAMES_AT, damaged};
use crate::{DiskFile, Result, StoreError};

const WINDOW: usize = 256 << 10;

/// What is found where a frame would start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A whole frame, as it was written. Its payload is in [`Scan::payload`].
    Frame {
        /// Its number.
        number: u64,
        /// Where it starts.
        at: u64,
    },
    /// No frame: the sector has not been written, or the segment is at its end.
    Unwritten,
    /// A frame's first sector, but some of its others have not been written.
    Torn {
        /// Its number.
        number: u64,
        /// Where it would end.
        end: u64,
    },
}

/// A position in a segment, with a window of the bytes around it.
pub(super) struct Scan {
    name: String,
    file: Box<dyn DiskFile>,
    /// Where reading stops: the file's end, or the end of what is durable.
    end: u64,
    at: u64,
    window: Vec<u8>,
    window_at: u64,
    payload: Vec<u8>,
}

impl Scan {
    /// Starts at the first frame; `end` is a sector's boundary within the file.
    pub(super) fn new(name: String, file: Box<dyn DiskFile>, end: u64) -> Self {
        let (window, payload) = (Vec::new(), Vec::new());
        Self { name, file, end, at: FRAMES_AT, window, window_at: 0, payload }
    }

    /// Where the next frame would start.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The payload of the frame found last.
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The segment's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Looks at what is here, and passes it if it is a whole frame.
    pub(super) fn next(&mut self) -> Result<Step> {
        let at = self.at;
        if at >= self.end {
            return Ok(Step::Unwritten);
        }
        let sector = self.fetch(at, SECTOR)?;
        let header = match sector[SECTOR - 1] {
            UNWRITTEN => return Ok(Step::Unwritten),
            FIRST => Header::decode(sector).map_err(|what| self.damaged(at, what))?,
            _ => return Err(self.damaged(at, "no frame starts here, but one should")),
        };
        let extent = header.extent();
        let end = at + extent as u64;
        if end > self.end {
            return Err(self.damaged(at, "a frame goes beyond the end of its segment"));
        }
        let sectors = self.fetch(at, extent)?;
        let marks = sectors.chunks_exact(SECTOR).map(|sector| sector[SECTOR - 1]);
        let mut torn = false;
        for (place, mark) in marks.enumerate().skip(1) {
            match mark {
                REST => {}
                UNWRITTEN => torn = true,
                _ => {
                    let wrong = at + (place * SECTOR) as u64;
                    return Err(self.damaged(wrong, "a sector within a frame has a wrong mark"));
                }
            }
        }
        if torn {
            return Ok(Step::Torn { number: header.number, end });
        }
        if !header.matches(sectors) {
            return Err(self.damaged(at, "a frame does not match its checksum"));
        }
        // The window cannot be borrowed while the payload is written, so it is lent out.
        let mut payload = std::mem::take(&mut self.payload);
        header.unpack(self.fetch(at, extent)?, &mut payload);
        self.payload = payload;
        self.at = end;
        Ok(Step::Frame { number: header.number, at })
    }

    /// Looks at all from here to the end, where no whole frame may be, and returns the end of
    /// what is not zero. A frame that was being written may have left bytes up to `torn_end`;
    /// beyond, and in a sector that starts another frame, bytes are damage.
    pub(super) fn remains(&mut self, torn_end: u64) -> Result<u64> {
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Bug::CutAnywhere) {
            return Ok(self.end);
        }
        let (start, mut written_end) = (self.at, self.at);
        let mut at = start;
        while at < self.end {
            let sector = self.fetch(at, SECTOR)?;
            let mark = sector[SECTOR - 1];
            let another = mark == FIRST && at != start;
            if another || ![UNWRITTEN, FIRST, REST].contains(&mark) {
                let what = format!("no valid frame at {start}, but bytes after it");
                return Err(self.damaged(at, &what));
            }
            if sector.iter().any(|&byte| byte != 0) {
                if at >= torn_end {
                    return Err(self.damaged(at, "bytes where nothing was ever written"));
                }
                written_end = at + SECTOR as u64;
            }
            at += SECTOR as u64;
        }
        Ok(written_end)
    }

    fn damaged(&self, offset: u64, what: &str) -> StoreError {
        damaged(&self.name, offset, what)
    }

    /// The bytes at `at`, which lie before the end.
    fn fetch(&mut self, at: u64, count: usize) -> Result<&[u8]> {
        let start = at.checked_sub(self.window_at).and_then(|start| usize::try_from(start).ok());
        let held = start.filter(|start| start + count <= self.window.len());
        let start = match held {
            Some(start) => start,
            None => {
                let left = usize::try_from(self.end - at).unwrap_or(usize::MAX);
                self.window.resize(count.max(WINDOW.min(left)), 0);
                self.window_at = at;
                if let Err(error) = self.file.read_at(&mut self.window, at) {
                    self.window.clear();
                    return Err(StoreError::io(format!("read {} at {at}", self.name), &error));
                }
                0
            }
        };
        Ok(&self.window[start..start + count])
    }
}
