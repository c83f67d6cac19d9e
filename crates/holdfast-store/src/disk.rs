//! The disk: one flat folder of files. Real in production, a script of faults in the simulator.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_metrics::Histogram;

use crate::flusher::{Flusher, SystemFile};

/// A folder of files.
///
/// A file's bytes are durable after [`DiskFile::sync`]; that a file exists, or has its name, is
/// durable only after [`Disk::sync_folder`].
pub trait Disk: Send + Sync {
    /// The folder, for messages.
    fn name(&self) -> String;

    /// Names of all files, in no particular order.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a new empty file; an existing one is an error.
    ///
    /// # Errors
    /// As the system says.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file for reading, and for writing if `write`.
    ///
    /// # Errors
    /// As the system says.
    fn open(&self, name: &str, write: bool) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name; a file that has that name is replaced. Whoever has the file open
    /// keeps it.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renames and removals durable.
    ///
    /// # Errors
    /// As the system says.
    fn sync_folder(&self) -> io::Result<()>;

    /// Takes the folder for this process, for as long as the lock lives. `Err(holder)` names who
    /// has it.
    ///
    /// # Errors
    /// As the system says.
    fn lock(&self) -> io::Result<std::result::Result<FolderLock, String>>;
}

/// One file of a [`Disk`].
pub trait DiskFile: Send {
    /// Length in bytes.
    ///
    /// # Errors
    /// As the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// As the system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `into` from `offset`; an error if the file is too short.
    ///
    /// # Errors
    /// As the system says.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`; the file grows as needed.
    ///
    /// # Errors
    /// As the system says; part of the bytes may then have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the file's bytes and length durable (`fdatasync`).
    ///
    /// # Errors
    /// As the system says. What was written since the last success is then in doubt for ever.
    fn sync(&self) -> io::Result<()>;

    /// The same for a file that is being made, such as a snapshot: no entry waits for it, so a disk
    /// that counts how long flushes take leaves it out.
    ///
    /// # Errors
    /// As [`DiskFile::sync`].
    fn sync_uncounted(&self) -> io::Result<()> {
        self.sync()
    }

    /// Lets the work of the next [`DiskFile::sync`] begin, which then only waits for the rest.
    /// Nothing may be written to the file in between. A disk that cannot do this does nothing.
    fn begin_sync(&self) {}
}

/// Proof that a folder is this process's own.
#[derive(Debug)]
pub struct FolderLock {
    _file: Option<File>,
}

impl FolderLock {
    /// A lock on a folder that no other process can reach, such as a simulated one.
    pub fn private() -> Self {
        Self { _file: None }
    }
}

/// Entries name buyers: they are nobody else's business on this machine.
const OWNER_ONLY: u32 = 0o600;

/// A folder of the machine's file system.
#[derive(Debug)]
pub struct SystemDisk {
    folder: PathBuf,
    /// Kept open: flushing the folder must not fail for want of a file handle.
    handle: File,
    flusher: Arc<Flusher>,
}

impl SystemDisk {
    /// Opens a folder and makes it if it is missing, durably: whoever made the folders above it may
    /// not have flushed them.
    ///
    /// # Errors
    /// As the system says.
    pub fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        for above in folder.canonicalize()?.ancestors().skip(1) {
            match File::open(above).and_then(|above| above.sync_all()) {
                // What this process may not even read, it has not made.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
                // Some file systems have no folders to flush.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                flushed => flushed?,
            }
        }
        Self::open_existing(folder)
    }

    /// Opens a folder that is there, and changes nothing.
    ///
    /// # Errors
    /// As the system says.
    pub fn open_existing(folder: &Path) -> io::Result<Self> {
        let handle = File::open(folder)?;
        Ok(Self { folder: folder.to_path_buf(), handle, flusher: Arc::default() })
    }

    /// How long the flushes of its files take, as it is counted from here on; those of files that are
    /// being made are not in it.
    pub fn flushes(&self) -> Histogram {
        self.flusher.took().clone()
    }

    fn file(&self, file: File) -> Box<dyn DiskFile> {
        Box::new(SystemFile::new(file, Arc::clone(&self.flusher)))
    }
}

impl Disk for SystemDisk {
    fn name(&self) -> String {
        self.folder.display().to_string()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        std::fs::read_dir(&self.folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let path = self.folder.join(name);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create_new(true).mode(OWNER_ONLY);
        Ok(self.file(options.open(path)?))
    }

    fn open(&self, name: &str, write: bool) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(write).open(self.folder.join(name))?;
        Ok(self.file(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.folder.join(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn lock(&self) -> io::Result<std::result::Result<FolderLock, String>> {
        let path = self.folder.join("LOCK");
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(OWNER_ONLY);
        // Who may not write may still ask for the lock, if there is one to ask for.
        let file = options.open(&path).or_else(|error| File::open(&path).map_err(|_| error))?;
        match file.try_lock() {
            Ok(()) => {
                // Always the same length, so that a full disk does not keep us out; and the name is
                // only for messages, so that a failure to write it does not either.
                let holder = format!("{:<32}", format!("process {}", std::process::id()));
                let _ = file.write_all_at(holder.as_bytes(), 0);
                Ok(Ok(FolderLock { _file: Some(file) }))
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                let holder = std::io::read_to_string(&file).unwrap_or_default();
                let holder = holder.trim();
                Ok(Err(if holder.is_empty() { "another process".into() } else { holder.into() }))
            }
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }
}
