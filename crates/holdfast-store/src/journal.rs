//! The embedded store: one journal of segment files for all logs, one flush for each append.
//!
//! # The files
//!
//! One flat folder. *Segments* (`journal-0000000001.log` and on) hold the frames, one after the
//! other. Each is filled with zeros and flushed before it is used, so that an append only overwrites
//! blocks that are there. The *spare* (`journal-spare.log`) is a segment made ahead by [`Upkeep`]; the
//! writer renames it when the active segment is full. *Snapshots* stand for all entries of one log up
//! to a sequence. `LOCK` keeps a second process out. What ends in `.tmp` was never finished and is
//! removed at opening; files with any other name are left alone. Each kind of file is complete and
//! durable before it gets its name, so none but the active segment is ever half written.
//!
//! # One frame in flight
//!
//! An append is one frame: one write, one flush. Frame `k + 1` is never written before the flush of
//! frame `k` has succeeded, and a failed write or flush ends all writing until the journal is
//! reopened. At any moment, then, **at most the last frame is unacknowledged**, and there is no
//! frame beyond it. A segment begins with a frame that repeats what every log is (its name, epoch and
//! last stamp), so that older segments may go.
//!
//! # A torn write told apart from damage
//!
//! A disk writes sectors of 512 bytes whole or not at all, in any order. Frames start on a sector's
//! boundary, and the last byte of each sector is a mark: `A5` on a frame's first sector, `5A` on
//! its others, `00` on a sector that was never written. All bytes beyond the last frame are zero. So
//! where a frame should start, the marks say what happened:
//!
//! | first sector | the frame's other sectors | what it is |
//! |---|---|---|
//! | `A5`, header right | all `5A`, checksum right | a frame |
//! | `A5`, header right | all `5A`, checksum wrong | damage: all of it was written, then changed |
//! | `A5`, header right | some `00`, the rest `5A` | torn: part of it was never written |
//! | `A5`, header wrong | | damage: a sector is written whole |
//! | `00` | | torn if bytes follow, otherwise the end |
//! | anything else | | damage |
//!
//! Torn is cut only if it can be the unacknowledged last frame. It must be in the last segment; no
//! sector after it may be marked `A5`, for that would be a later frame, and a later frame proves that
//! this one was acknowledged; and beyond its extent every byte must be zero. (Could there be garbage
//! beyond it? No: nothing was ever written there. The next frame was not begun, an earlier torn frame
//! was zeroed and flushed before the journal went on, and a segment starts as zeros.) Entries may hold
//! any bytes: within a frame no sector is marked `A5`, so none of them passes for a frame. All else
//! is refused as [`crate::StoreError::Damaged`], and then not a byte in the folder is changed.
//!
//! The last whole frame may exist in the system's cache only: its flush failed, or never came. It is
//! written again and flushed at opening, before anything rests on it.
//!
//! The bytes themselves, and what is outside this model of a disk, are in
//! `docs/decisions/0002-journal-format.md`.

mod codec;
mod frame;
mod names;
mod reader;
mod record;
mod recovery;
mod replay;
mod scan;
mod segment;
mod shared;
mod snapshot;
mod store;
mod upkeep;
mod writer;

pub use store::{Journal, read};
pub use upkeep::Upkeep;

/// How a journal is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Length of a segment file in bytes, rounded up to whole sectors; at least 4 KiB. Space is
    /// freed in whole segments, and restart reads at most the segments that no snapshot covers.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 32 << 20 }
    }
}
