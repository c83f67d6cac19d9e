//! The simulated disk: one flat folder in memory that fails as it is told.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_store::{Disk, DiskFile, FolderLock};

use super::clock::SimClock;
use super::fault::{Armed, Fault, Fired, Op, Stop};
use super::file::{File, Leaves};
use super::handle::Handle;
use super::interlude::Interlude;
use super::names::Names;
use super::watch::Watch;
use crate::rng::Rng;

/// One flat folder of simulated files.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    clock: Arc<SimClock>,
    pub(super) interlude: Arc<Mutex<Option<Interlude>>>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) files: Vec<File>,
    pub(super) names: Names,
    armed: Vec<Armed>,
    /// The process has died: nothing it asks for has an effect.
    dead: bool,
    /// Bytes that can still be allocated; `None`: plenty.
    room: Option<u64>,
    /// A full disk also refuses to overwrite, as one that copies on write does.
    copies: bool,
    fired: Fired,
    pub(super) watch: Watch,
    pub(super) rng: Rng,
}

impl SimDisk {
    /// An empty disk. What chance decides within it, `rng` decides.
    pub fn new(rng: Rng, clock: Arc<SimClock>) -> Self {
        let state = State {
            files: Vec::new(),
            names: Names::default(),
            armed: Vec::new(),
            dead: false,
            room: None,
            copies: false,
            fired: Fired::new(),
            watch: Watch::default(),
            rng,
        };
        Self { state: Arc::new(Mutex::new(state)), clock, interlude: Arc::default() }
    }

    /// Another disk with what a process reads on this one now. What chance decides within it, `rng`
    /// decides.
    pub fn copy(&self, rng: Rng) -> Self {
        let copy = Self::new(rng, Arc::clone(&self.clock));
        let from = self.state();
        let mut into = copy.state();
        into.files.clone_from(&from.files);
        into.names.clone_from(&from.names);
        drop(into);
        copy
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans a fault for the operation after `after` others of its kind.
    pub fn arm(&self, fault: Fault, op: Option<Op>, after: u32) {
        self.state().armed.push(Armed { fault, op, after });
    }

    /// Takes back every planned fault.
    pub fn disarm(&self) {
        self.state().armed.clear();
    }

    /// Leaves room for so many bytes. `copies`: overwriting needs room too.
    pub fn fill_up(&self, room: u64, copies: bool) {
        let mut state = self.state();
        (state.room, state.copies) = (Some(room), copies);
    }

    /// Gives room back.
    pub fn make_room(&self) {
        self.state().room = None;
    }

    /// Whether the disk is short of room.
    pub fn is_filled_up(&self) -> bool {
        self.state().room.is_some()
    }

    /// Whether the process has died at one of its operations.
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// The process is gone, by whatever means; what it wrote is still in the system's memory.
    pub fn kill(&self) {
        self.state().dead = true;
    }

    /// The power goes: what was not flushed may be gone, torn, or there.
    pub fn lose_power(&self) {
        let mut state = self.state();
        let State { files, names, rng, .. } = &mut *state;
        let leaves = match rng.below(10) {
            0 => Leaves::Nothing,
            1 => Leaves::Everything,
            _ => Leaves::Some,
        };
        names.lose_power(rng);
        for file in files {
            file.lose_power(leaves, rng);
        }
    }

    /// A new process: operations have an effect again.
    pub fn new_process(&self) {
        let mut state = self.state();
        state.dead = false;
        state.watch_start();
    }

    /// Does something with every fault and shortage put off until afterwards.
    pub fn calmly<T>(&self, act: impl FnOnce() -> T) -> T {
        let mut state = self.state();
        let (armed, room) = (std::mem::take(&mut state.armed), state.room.take());
        drop(state);
        let done = act();
        let mut state = self.state();
        (state.armed, state.room) = (armed, room);
        done
    }

    /// Faults that have happened so far.
    pub fn fired(&self) -> Fired {
        self.state().fired.clone()
    }

    /// How many faults have happened so far.
    pub fn fired_count(&self) -> u64 {
        self.state().fired.values().sum()
    }

    /// What happens to an operation before it takes effect.
    pub(super) fn enter(&self, state: &mut State, op: Op) -> Result<(), Stop> {
        if state.dead {
            return Err(Stop::Dead);
        }
        let fits = |armed: &Armed| armed.op.is_none_or(|kind| kind == op);
        let mut now = None;
        state.armed.retain_mut(|armed| {
            let strikes = fits(armed) && armed.after == 0 && now.is_none();
            if strikes {
                now = Some(armed.fault);
            } else if fits(armed) {
                armed.after = armed.after.saturating_sub(1);
            }
            !strikes
        });
        match now {
            None => Ok(()),
            Some(Fault::Slow(us)) => {
                state.count("slow call");
                self.clock.lose(us);
                Ok(())
            }
            Some(Fault::Error) => {
                state.count(match op {
                    Op::Read => "read failed",
                    Op::Write => "write failed",
                    Op::Sync => "flush failed",
                    Op::Name => "name change failed",
                });
                Err(Stop::Error)
            }
            Some(Fault::Crash) => {
                state.count(match op {
                    Op::Read => "died while reading",
                    Op::Write => "died while writing",
                    Op::Sync => "died while flushing",
                    Op::Name => "died while changing names",
                });
                state.dead = true;
                Err(Stop::Crash)
            }
        }
    }
}

impl State {
    pub(super) fn count(&mut self, what: &'static str) {
        *self.fired.entry(what).or_default() += 1;
    }

    fn file(&self, name: &str) -> io::Result<usize> {
        self.names.now.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// How many of these bytes fit.
    pub(super) fn allot(&mut self, file: usize, at: usize, count: usize) -> usize {
        let Some(room) = self.room else { return count };
        let old = self.files[file].bytes.len().saturating_sub(at).min(count);
        if self.copies && old > 0 {
            self.count("disk full");
            return 0;
        }
        let new = (count - old).min(usize::try_from(room).unwrap_or(usize::MAX));
        self.room = Some(room - new as u64);
        if old + new < count {
            self.count("disk full");
        }
        old + new
    }
}

impl Disk for SimDisk {
    fn name(&self) -> String {
        "the simulated disk".to_owned()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        self.enter(&mut state, Op::Read)?;
        Ok(state.names.now.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        let entered = self.enter(&mut state, Op::Name);
        if state.names.now.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if entered.is_ok() || (entered == Err(Stop::Crash) && state.rng.percent(50)) {
            let file = state.files.len();
            state.files.push(File::default());
            state.names.create(name, file);
            entered?;
            return Ok(Box::new(Handle { disk: self.clone(), file }));
        }
        Err(entered.err().unwrap_or(Stop::Dead).into())
    }

    fn open(&self, name: &str, _write: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        self.enter(&mut state, Op::Read)?;
        let file = state.file(name)?;
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let entered = self.enter(&mut state, Op::Name);
        if entered.is_ok() || (entered == Err(Stop::Crash) && state.rng.percent(50)) {
            state.file(from)?;
            state.watch_rename(from, to);
            state.names.rename(from, to);
        }
        Ok(entered?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let entered = self.enter(&mut state, Op::Name);
        if entered.is_ok() || (entered == Err(Stop::Crash) && state.rng.percent(50)) {
            state.file(name)?;
            state.watch_remove(name);
            state.names.remove(name);
        }
        Ok(entered?)
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.state();
        let entered = self.enter(&mut state, Op::Sync);
        if entered.is_ok() || (entered == Err(Stop::Crash) && state.rng.percent(50)) {
            state.names.flush();
        }
        Ok(entered?)
    }

    fn lock(&self) -> io::Result<Result<FolderLock, String>> {
        Ok(Ok(FolderLock::private()))
    }
}
