//! The bounded queue in front of the engine: many callers put, one thread takes all there is.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A queue that is taken whole: what came during one flush is the next batch.
pub(crate) struct Inbox<R> {
    state: Mutex<State<R>>,
    arrived: Condvar,
    capacity: usize,
}

struct State<R> {
    requests: Vec<R>,
    is_closed: bool,
    /// Whether the taker sleeps; only then must it be woken.
    is_idle: bool,
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PutError {
    Full,
    Closed,
}

impl<R> Inbox<R> {
    /// A queue for at most `capacity` requests.
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State { requests: Vec::new(), is_closed: false, is_idle: false };
        Self { state: Mutex::new(state), arrived: Condvar::new(), capacity }
    }

    /// Adds a request, or refuses it at once.
    pub(crate) fn put(&self, request: R) -> Result<(), PutError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Err(PutError::Closed);
        }
        if state.requests.len() >= self.capacity {
            return Err(PutError::Full);
        }
        state.requests.push(request);
        let wake = std::mem::take(&mut state.is_idle);
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Adds as many of these as there is room for, in their order; those that are left are refused.
    pub(crate) fn put_all(&self, requests: &mut Vec<R>) -> Result<(), PutError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Err(PutError::Closed);
        }
        let room = self.capacity - state.requests.len();
        let is_full = requests.len() > room;
        if state.requests.is_empty() && !is_full {
            std::mem::swap(&mut state.requests, requests);
        } else {
            state.requests.extend(requests.drain(..requests.len().min(room)));
        }
        let wake = std::mem::take(&mut state.is_idle);
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
        if is_full { Err(PutError::Full) } else { Ok(()) }
    }

    /// Takes everything; waits for something, but no longer than `patience` (`None`: for ever).
    /// `false`: closed, and nothing was left.
    pub(crate) fn take(&self, into: &mut Vec<R>, patience: Option<Duration>) -> bool {
        debug_assert!(into.is_empty(), "the last batch has been dealt with");
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let may_wait = patience != Some(Duration::ZERO);
        if may_wait && state.requests.is_empty() && !state.is_closed {
            state.is_idle = true;
            let waits = |state: &mut State<R>| state.requests.is_empty() && !state.is_closed;
            state = match patience {
                None => {
                    self.arrived.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner)
                }
                Some(patience) => {
                    let waited = self.arrived.wait_timeout_while(state, patience, waits);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.is_idle = false;
        }
        std::mem::swap(&mut state.requests, into);
        !(state.is_closed && into.is_empty())
    }

    /// Takes no further requests.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_closed = true;
        drop(state);
        self.arrived.notify_one();
    }
}
