//! The bounded queue in front of the engine: many callers put, one thread takes all there is.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// With so many a batch is worth its flush.
const FEW: usize = 64;

/// A queue that is taken whole: what came during one flush is the next batch.
///
/// It is bounded by number and by time: while the engine hangs, on a disk that hangs, whoever
/// comes hears so at once instead of joining a queue that nobody takes.
pub(crate) struct Inbox<R> {
    state: Mutex<State<R>>,
    arrived: Condvar,
    capacity: usize,
    patience: Duration,
}

struct State<R> {
    requests: Vec<R>,
    /// Since when the first of them waits.
    since: Instant,
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
    /// A queue for at most `capacity` requests, which takes no more once the first has waited for
    /// longer than `patience`.
    pub(crate) fn new(capacity: usize, patience: Duration) -> Self {
        let (requests, since) = (Vec::new(), Instant::now());
        let state = State { requests, since, is_closed: false, is_idle: false };
        Self { state: Mutex::new(state), arrived: Condvar::new(), capacity, patience }
    }

    /// Adds a request, or refuses it at once.
    pub(crate) fn put(&self, request: R) -> Result<(), PutError> {
        self.add(|requests, room| {
            if room > 0 {
                requests.push(request);
            }
            room > 0
        })
    }

    /// Adds as many of these as there is room for, in their order; those that are left are refused.
    pub(crate) fn put_all(&self, added: &mut Vec<R>) -> Result<(), PutError> {
        self.add(|requests, room| {
            let has_room = added.len() <= room;
            if requests.is_empty() && has_room {
                std::mem::swap(requests, added);
            } else {
                requests.extend(added.drain(..added.len().min(room)));
            }
            has_room
        })
    }

    /// Lets `add` add to the queue; it is told how many there is room for, and says whether that
    /// was enough.
    fn add(&self, add: impl FnOnce(&mut Vec<R>, usize) -> bool) -> Result<(), PutError> {
        let mut state = self.state();
        if state.is_closed {
            return Err(PutError::Closed);
        }
        if state.requests.is_empty() {
            state.since = Instant::now();
        } else if state.since.elapsed() > self.patience {
            return Err(PutError::Full);
        }
        let room = self.capacity - state.requests.len();
        let had_room = add(&mut state.requests, room);
        let wake = std::mem::take(&mut state.is_idle);
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
        if had_room { Ok(()) } else { Err(PutError::Full) }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.state().requests.len()
    }

    /// Takes everything; waits for something, but no longer than `patience` (`None`: for ever).
    /// `false`: closed, and nothing was left.
    ///
    /// While only a few are there, whoever has more to put and no core for it but this one goes
    /// first: one flush then serves more of them.
    pub(crate) fn take(&self, into: &mut Vec<R>, patience: Option<Duration>) -> bool {
        debug_assert!(into.is_empty(), "the last batch has been dealt with");
        let mut state = self.wait(patience);
        if (1..FEW).contains(&state.requests.len()) {
            drop(state);
            thread::yield_now();
            state = self.state();
        }
        std::mem::swap(&mut state.requests, into);
        !(state.is_closed && into.is_empty())
    }

    fn wait(&self, patience: Option<Duration>) -> MutexGuard<'_, State<R>> {
        let mut state = self.state();
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
        state
    }

    fn state(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes no further requests.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        drop(state);
        self.arrived.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_fits_is_refused_and_what_fits_is_taken_in_order() {
        let inbox = Inbox::new(3, Duration::from_secs(60));
        assert_eq!(inbox.put(1), Ok(()));
        let mut more = vec![2, 3, 4];
        assert_eq!((inbox.put_all(&mut more), more), (Err(PutError::Full), vec![4]));
        assert_eq!(inbox.put(5), Err(PutError::Full));
        let mut taken = Vec::new();
        assert!(inbox.take(&mut taken, None));
        assert_eq!(taken, [1, 2, 3]);
        inbox.close();
        assert_eq!(inbox.put(6), Err(PutError::Closed));
    }

    #[test]
    fn a_queue_that_nobody_takes_takes_nobody() {
        let inbox = Inbox::new(3, Duration::from_millis(20));
        assert_eq!(inbox.put(1), Ok(()));
        assert_eq!(inbox.put(2), Ok(()));
        std::thread::sleep(Duration::from_millis(40));
        assert_eq!(inbox.put(3), Err(PutError::Full));
        let mut taken = Vec::new();
        assert!(inbox.take(&mut taken, None));
        assert_eq!(inbox.put(3), Ok(()), "it is taken again");
    }
}
