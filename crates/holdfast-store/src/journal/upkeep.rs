//! Work that is done ahead of the writer, on a thread of its own.

use std::sync::Arc;

use super::names;
use super::segment;
use super::shared::{Shared, lock};
use crate::{Result, StoreError};

/// Keeps a zero-filled segment ready, so that the writer never waits for one to be made.
///
/// The owner calls [`Upkeep::prepare_segment`] every now and then (in production a thread, a few
/// times a second). Without it everything is still right: the writer makes its segments itself, and
/// the append that does takes as long as that takes.
#[derive(Clone)]
pub struct Upkeep {
    shared: Arc<Shared>,
}

impl Upkeep {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Makes the spare segment if there is none; returns whether it made one.
    ///
    /// # Errors
    /// `Full` and `Io`. Nothing rests on it: a later call simply tries again.
    pub fn prepare_segment(&self) -> Result<bool> {
        let shared = &self.shared;
        let _one_at_a_time = lock(&shared.preparing);
        if lock(&shared.spare).is_some() {
            return Ok(false);
        }
        let disk = shared.disk.as_ref();
        let file = segment::make(disk, names::SPARE, shared.segment_bytes)?;
        // Under this lock the writer is not renaming the spare at the same moment. The name need
        // not be durable: the writer flushes the folder when it takes the spare, and without a
        // spare it makes a segment itself.
        let mut spare = lock(&shared.spare);
        let renamed = disk.rename(&names::temporary(names::SPARE), names::SPARE);
        renamed.map_err(|error| StoreError::io("rename the spare segment", &error))?;
        *spare = Some(file);
        Ok(true)
    }
}
