//! A small disk in memory that can lose what was not flushed, fail and fill up; and a clock that
//! stands until it is told to move.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_store::{Clock, Disk, DiskFile, FolderLock};

/// Files by name, as a crash would leave them or as a test wants them.
pub(crate) type Image = BTreeMap<String, Vec<u8>>;

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Create,
    Write,
    Sync,
    Rename,
    SyncFolder,
}

#[derive(Clone, Default)]
pub(crate) struct MemDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Arc<Mutex<File>>>,
    durable: BTreeMap<String, Arc<Mutex<File>>>,
    /// These operations fail, each once, after so many that work.
    faults: Vec<(Op, usize, io::ErrorKind)>,
    /// Bytes that all files together may have.
    capacity: Option<usize>,
    /// Called once, before the next file is opened.
    before_open: Option<Box<dyn FnOnce() + Send>>,
    /// Every operation that changed something, in order.
    log: Vec<(Op, String)>,
}

#[derive(Clone, Default)]
struct File {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// What the next flush makes durable. A flush that fails forgets it, as Linux does.
    dirty: Vec<Range<usize>>,
}

struct Handle {
    name: String,
    file: Arc<Mutex<File>>,
    disk: MemDisk,
}

impl MemDisk {
    /// A disk with these files, all durable.
    pub(crate) fn with(image: &Image) -> Self {
        let disk = Self::default();
        {
            let mut state = disk.state.lock().unwrap();
            for (name, bytes) in image {
                let (cached, durable) = (bytes.clone(), bytes.clone());
                let file = File { cached, durable, dirty: Vec::new() };
                state.files.insert(name.clone(), Arc::new(Mutex::new(file)));
            }
            state.durable = state.files.clone();
        }
        disk
    }

    /// The files as a program sees them now.
    pub(crate) fn image(&self) -> Image {
        let state = self.state.lock().unwrap();
        let bytes = |file: &Arc<Mutex<File>>| file.lock().unwrap().cached.clone();
        state.files.iter().map(|(name, file)| (name.clone(), bytes(file))).collect()
    }

    /// What is left after the power was cut now: nothing that was not flushed.
    pub(crate) fn image_after_power_loss(&self) -> Image {
        let state = self.state.lock().unwrap();
        let bytes = |file: &Arc<Mutex<File>>| file.lock().unwrap().durable.clone();
        state.durable.iter().map(|(name, file)| (name.clone(), bytes(file))).collect()
    }

    /// Makes the operation fail once, after `skip` more that work.
    pub(crate) fn fail(&self, op: Op, skip: usize, kind: io::ErrorKind) {
        self.state.lock().unwrap().faults.push((op, skip, kind));
    }

    /// Takes back every failure that has not happened yet.
    pub(crate) fn heal(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// Does something just before the next file is opened.
    pub(crate) fn before_open(&self, call: impl FnOnce() + Send + 'static) {
        self.state.lock().unwrap().before_open = Some(Box::new(call));
    }

    /// Flips a bit, as a bad disk would.
    pub(crate) fn flip(&self, name: &str, at: usize) {
        self.state.lock().unwrap().files[name].lock().unwrap().cached[at] ^= 1;
    }

    /// Limits the bytes of all files together.
    pub(crate) fn set_capacity(&self, capacity: Option<usize>) {
        self.state.lock().unwrap().capacity = capacity;
    }

    /// Takes the record of what was done since the last call.
    pub(crate) fn take_log(&self) -> Vec<(Op, String)> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }

    fn step(&self, op: Op, name: &str) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.log.push((op, name.to_owned()));
        let mut due = None;
        state.faults.retain_mut(|(at, skip, kind)| {
            if *at == op && *skip == 0 {
                due = Some(*kind);
            }
            let stays = *at != op || *skip > 0;
            *skip = if *at == op { skip.saturating_sub(1) } else { *skip };
            stays
        });
        due.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn missing(name: &str) -> io::Error {
        io::Error::new(io::ErrorKind::NotFound, name)
    }
}

impl Disk for MemDisk {
    fn name(&self) -> String {
        "memory".into()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        // Not in the order of names: nobody may rely on one.
        Ok(self.state.lock().unwrap().files.keys().rev().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.step(Op::Create, name)?;
        let mut state = self.state.lock().unwrap();
        if state.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = Arc::new(Mutex::new(File::default()));
        state.files.insert(name.to_owned(), Arc::clone(&file));
        Ok(Box::new(Handle { name: name.to_owned(), file, disk: self.clone() }))
    }

    fn open(&self, name: &str, _write: bool) -> io::Result<Box<dyn DiskFile>> {
        let call = self.state.lock().unwrap().before_open.take();
        if let Some(call) = call {
            call();
        }
        let state = self.state.lock().unwrap();
        let file = Arc::clone(state.files.get(name).ok_or_else(|| Self::missing(name))?);
        Ok(Box::new(Handle { name: name.to_owned(), file, disk: self.clone() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step(Op::Rename, from)?;
        let mut state = self.state.lock().unwrap();
        let file = state.files.remove(from).ok_or_else(|| Self::missing(from))?;
        state.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.files.remove(name).map(|_| ()).ok_or_else(|| Self::missing(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.step(Op::SyncFolder, "")?;
        let mut state = self.state.lock().unwrap();
        state.durable = state.files.clone();
        Ok(())
    }

    fn lock(&self) -> io::Result<Result<FolderLock, String>> {
        Ok(Ok(FolderLock::private()))
    }
}

impl DiskFile for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.lock().unwrap().cached.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        let file = self.file.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let bytes = file.cached.get(start..start + into.len());
        into.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (start, all) = (usize::try_from(offset).unwrap(), bytes.len());
        let fault = self.disk.step(Op::Write, &self.name);
        // A write that fails has come half way.
        let count = if fault.is_ok() { all } else { all / 2 };
        let room = {
            let state = self.disk.state.lock().unwrap();
            let used = state.files.values().map(|file| file.lock().unwrap().cached.len());
            state.capacity.map(|capacity| capacity.saturating_sub(used.sum()))
        };
        let mut file = self.file.lock().unwrap();
        let grown = (start + count).saturating_sub(file.cached.len());
        if room.is_some_and(|room| room < grown) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let length = file.cached.len() + grown;
        file.cached.resize(length, 0);
        file.cached[start..start + count].copy_from_slice(&bytes[..count]);
        file.dirty.push(start..start + count);
        fault
    }

    fn sync(&self) -> io::Result<()> {
        let fault = self.disk.step(Op::Sync, &self.name);
        let mut file = self.file.lock().unwrap();
        let File { cached, durable, dirty } = &mut *file;
        let dirty = std::mem::take(dirty);
        if fault.is_ok() {
            durable.resize(cached.len(), 0);
            dirty.into_iter().for_each(|at| durable[at.clone()].copy_from_slice(&cached[at]));
        }
        fault
    }
}

/// A clock that stands until it is moved.
#[derive(Clone, Default)]
pub(crate) struct ManualClock {
    now: Arc<Mutex<Duration>>,
}

impl ManualClock {
    pub(crate) fn pass(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    fn wall_ms(&self) -> u64 {
        0
    }
}
