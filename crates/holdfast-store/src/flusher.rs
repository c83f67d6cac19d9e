//! Flushing beside the writer: it does other work while the disk does its own.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Instant;

use holdfast_metrics::{Histogram, LATENCY_SECONDS};

use crate::DiskFile;

/// A flush to do, and where to say what came of it.
type Order = (Arc<File>, SyncSender<io::Result<()>>);

/// Flushes a disk's files, also on a thread that starts with the first order and ends with the disk.
#[derive(Debug)]
pub(crate) struct Flusher {
    orders: OnceLock<Option<Mutex<Sender<Order>>>>,
    /// How long flushes took.
    took: Histogram,
}

impl Default for Flusher {
    fn default() -> Self {
        Self { orders: OnceLock::new(), took: Histogram::new(&LATENCY_SECONDS) }
    }
}

impl Flusher {
    pub(crate) fn took(&self) -> &Histogram {
        &self.took
    }

    /// Orders a flush. `None`: there is no thread to do it.
    fn order(&self, file: &Arc<File>) -> Option<Receiver<io::Result<()>>> {
        let (done, flushed) = sync_channel(1);
        let orders = self.orders.get_or_init(|| start(self.took.clone())).as_ref()?;
        lock(orders).send((Arc::clone(file), done)).ok()?;
        Some(flushed)
    }
}

fn start(took: Histogram) -> Option<Mutex<Sender<Order>>> {
    let (orders, ordered) = channel::<Order>();
    let work = move || {
        for (file, done) in ordered {
            // Whoever has gone away needs no answer.
            let _ = done.send(flush(&file, &took));
        }
    };
    let thread = thread::Builder::new().name("flusher".into()).spawn(work);
    thread.is_ok().then(|| Mutex::new(orders))
}

fn flush(file: &File, took: &Histogram) -> io::Result<()> {
    let begun = Instant::now();
    let flushed = file.sync_data();
    took.observe_duration(begun.elapsed());
    flushed
}

/// A file of the machine's file system.
#[derive(Debug)]
pub(crate) struct SystemFile {
    file: Arc<File>,
    flusher: Arc<Flusher>,
    /// The flush that has begun, if one has.
    begun: Mutex<Option<Receiver<io::Result<()>>>>,
}

impl SystemFile {
    pub(crate) fn new(file: File, flusher: Arc<Flusher>) -> Self {
        Self { file: Arc::new(file), flusher, begun: Mutex::default() }
    }
}

impl DiskFile for SystemFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync_uncounted(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn begin_sync(&self) {
        *lock(&self.begun) = self.flusher.order(&self.file);
    }

    fn sync(&self) -> io::Result<()> {
        match lock(&self.begun).take() {
            None => flush(&self.file, &self.flusher.took),
            // A flusher that is gone may or may not have flushed, and may have taken the system's
            // only word of an error with it.
            Some(flushed) => {
                flushed.recv().map_err(|_| io::Error::other("no word of the flush"))?
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_begun_is_waited_for_and_the_rest_is_flushed_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let flusher = Arc::<Flusher>::default();
        let file = File::create_new(folder.path().join("file")).unwrap();
        let file = SystemFile::new(file, Arc::clone(&flusher));
        for round in 0..100 {
            file.write_at(&[round; 64], 0).unwrap();
            if round % 3 > 0 {
                file.begin_sync();
            }
            file.sync().unwrap();
            file.sync_uncounted().unwrap();
        }
        assert!(flusher.orders.get().unwrap().is_some(), "there is a thread");
        assert_eq!(flusher.took().count(), 100);
    }
}
