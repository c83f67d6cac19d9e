//! A journal on a disk and a clock in memory.

use std::sync::Arc;
use std::time::Duration;

use holdfast_store::journal::{Journal, Options};
use holdfast_store::{LogId, Result, Store};

use crate::suite::{self, Backend};
use crate::support::{Image, ManualClock, MemDisk};

/// What a journal stands on. Clones share it.
#[derive(Clone)]
pub(crate) struct Rig {
    pub(crate) disk: MemDisk,
    pub(crate) clock: ManualClock,
    pub(crate) options: Options,
}

/// What a log holds, to compare.
pub(crate) type Contents = Vec<(String, Vec<holdfast_store::Entry>)>;

impl Rig {
    pub(crate) fn new(segment_bytes: u64) -> Self {
        Self::with(&Image::new(), segment_bytes)
    }

    /// A disk that has these files.
    pub(crate) fn with(image: &Image, segment_bytes: u64) -> Self {
        let options = Options { segment_bytes };
        Self { disk: MemDisk::with(image), clock: ManualClock::default(), options }
    }

    pub(crate) fn try_open(&self) -> Result<Journal> {
        Journal::open(Arc::new(self.disk.clone()), Arc::new(self.clock.clone()), self.options)
    }

    pub(crate) fn journal(&self) -> Journal {
        self.try_open().unwrap()
    }

    /// The same disk after a power loss.
    pub(crate) fn after_power_loss(&self) -> Self {
        Self::with(&self.disk.image_after_power_loss(), self.options.segment_bytes)
    }
}

impl Backend for Rig {
    fn open(&self) -> Box<dyn Store> {
        Box::new(self.journal())
    }

    fn pass(&self, time: Duration) {
        self.clock.pass(time);
    }
}

/// Everything in a store that can still be read.
pub(crate) fn contents(store: &dyn Store) -> Contents {
    let logs = store.logs().into_iter();
    logs.map(|info| (info.name, suite::entries(store, info.id, info.trimmed).unwrap())).collect()
}

/// Appends one entry of `size` bytes to a log.
pub(crate) fn append(store: &mut dyn Store, log: LogId, size: usize) -> Result<()> {
    suite::append(store, log, &suite::batch([vec![0xA5; size]])).map(|_| ())
}
