//! The log: ordered, fenced, durable.
//!
//! A store keeps any number of logs. Each log is one total order of entries, and an entry is bytes:
//! this crate knows no sale, no buyer and no rule. Whoever appends must reign over the log: the
//! reign is an [`Epoch`], a later reign fences every earlier one.
//!
//! Invariant: when [`Store::append`] has answered `Ok`, the entries survive `kill -9` and power
//! loss, and their stamps never change.

mod clock;
mod disk;
mod error;
mod flusher;
mod log;
mod nodes;
mod outage;

pub mod journal;
#[cfg(feature = "planted")]
pub mod planted;
#[cfg(feature = "redis")]
pub mod redis;

pub use clock::{Clock, STEP_MAX, SaleClock, SystemClock};
pub use disk::{Disk, DiskFile, FolderLock, SystemDisk};
pub use error::{Result, StoreError};
pub use log::{
    Append, Appended, Batch, Entry, Epoch, LogId, LogInfo, News, Records, Resumed, Stamp, Store,
};
pub use nodes::Nodes;
pub use outage::Outage;
