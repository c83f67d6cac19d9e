//! The simulated clock. Time passes only when the run says so.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_store::Clock;

/// Where the wall clock stands when a run begins: 2023-11-14.
pub const WALL_START_MS: u64 = 1_700_000_000_000;

/// Monotonic time and a wall clock that may step.
#[derive(Debug, Default)]
pub struct SimClock(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    now_us: u64,
    /// When the process started: its monotonic time counts from here.
    started_us: u64,
    /// Time during which no process ran, or it was stopped, or waited for one slow call.
    lost_us: u64,
    outages: u64,
    /// No process is running.
    down: bool,
    wall_ahead_ms: u64,
    wall_behind_ms: u64,
    /// The process is stopped at the clock read after so many, for so long.
    stop: Option<(u32, u64)>,
}

impl SimClock {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True time since the run began, in microseconds.
    pub fn now_us(&self) -> u64 {
        self.state().now_us
    }

    /// True time during which a process was up and running, in microseconds.
    pub fn up_us(&self) -> u64 {
        let state = self.state();
        state.now_us - state.lost_us
    }

    /// How many outages there were: stops, slow calls, restarts.
    pub fn outages(&self) -> u64 {
        self.state().outages
    }

    /// By how much the wall clock has been set back in all, in milliseconds.
    pub fn wall_behind_ms(&self) -> u64 {
        self.state().wall_behind_ms
    }

    /// Lets time pass.
    pub fn advance(&self, us: u64) {
        let mut state = self.state();
        state.now_us += us;
        state.lost_us += if state.down { us } else { 0 };
    }

    /// The process is gone; what passes until the next one is nobody's time.
    pub fn end_process(&self) {
        let mut state = self.state();
        state.down = true;
        state.outages += 1;
    }

    /// Lets time pass while the process can do nothing.
    pub fn lose(&self, us: u64) {
        let mut state = self.state();
        state.now_us += us;
        state.lost_us += us;
        state.outages += 1;
    }

    /// Stops the process for so long at the clock read after `reads`: between looking at the
    /// clock and acting on it.
    pub fn stop_after(&self, reads: u32, us: u64) {
        self.state().stop = Some((reads, us));
    }

    /// Takes a stop that has not happened yet away.
    pub fn calm(&self) {
        self.state().stop = None;
    }

    /// Sets the wall clock forward.
    pub fn set_forward(&self, ms: u64) {
        self.state().wall_ahead_ms += ms;
    }

    /// Sets the wall clock back.
    pub fn set_back(&self, ms: u64) {
        self.state().wall_behind_ms += ms;
    }

    /// A new process: its monotonic time starts anew.
    pub fn new_process(&self) {
        let mut state = self.state();
        state.started_us = state.now_us;
        (state.down, state.stop) = (false, None);
    }
}

impl Clock for SimClock {
    fn monotonic(&self) -> Duration {
        let mut state = self.state();
        let read = Duration::from_micros(state.now_us - state.started_us);
        match &mut state.stop {
            Some((0, us)) => {
                let us = *us;
                state.stop = None;
                drop(state);
                self.lose(us);
            }
            Some((reads, _)) => *reads -= 1,
            None => {}
        }
        read
    }

    fn wall_ms(&self) -> u64 {
        let state = self.state();
        WALL_START_MS + state.now_us / 1_000 + state.wall_ahead_ms - state.wall_behind_ms
    }
}
