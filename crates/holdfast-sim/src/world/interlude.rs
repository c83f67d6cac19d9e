//! What other threads of a process do while its writer is within an append.
//!
//! They share locks with it, and never while it writes or flushes a frame: there they may run.

use std::fmt;
use std::sync::PoisonError;

use super::disk::SimDisk;
use super::fault::Op;
use super::names;

/// An act that waits for its moment.
pub(super) struct Interlude {
    op: Op,
    act: Box<dyn FnOnce() + Send>,
}

impl fmt::Debug for Interlude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "something before the next {:?}", self.op)
    }
}

impl SimDisk {
    /// Lets something happen just before the next frame is written, or flushed.
    pub fn meanwhile(&self, op: Op, act: Box<dyn FnOnce() + Send>) {
        *self.interlude.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Interlude { op, act });
    }

    /// Takes back what has not happened. Whether it has.
    pub fn has_happened(&self) -> bool {
        self.interlude.lock().unwrap_or_else(PoisonError::into_inner).take().is_none()
    }

    /// An operation on a file is about to begin.
    pub(super) fn let_others_act(&self, op: Op, file: usize) {
        let mut waiting = self.interlude.lock().unwrap_or_else(PoisonError::into_inner);
        let its_time = waiting.as_ref().is_some_and(|waiting| waiting.op == op);
        if !its_time || !self.state().is_segment(file) {
            return;
        }
        let interlude = waiting.take();
        drop(waiting);
        if let Some(Interlude { act, .. }) = interlude {
            act();
        }
    }
}

impl super::disk::State {
    fn is_segment(&self, file: usize) -> bool {
        self.names.now.iter().any(|(name, &other)| other == file && names::is_segment(name))
    }
}
