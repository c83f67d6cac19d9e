//! The data folder: the journal, and the secrets that must outlive the process.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use data_encoding::HEXLOWER;
use holdfast_core::ReceiptKey;
use holdfast_metrics::Histogram;
use holdfast_store::journal::{self, Journal};
use holdfast_store::{Clock, Disk, FolderLock, LogInfo, Records, SystemDisk};

const JOURNAL: &str = "journal";
const RECEIPT_KEY: &str = "receipt.key";

/// Where a server that shares its store keeps what it is called, and a lock.
const NODE: &str = "node";
const NAME: &str = "name";

/// A data folder.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens a folder, and makes it if it is missing.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("make the data folder {}", path.display()))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Opens the journal, and what counts its flushes; takes the folder for this process.
    pub(crate) fn journal(
        &self,
        clock: Arc<dyn Clock>,
        options: journal::Options,
    ) -> anyhow::Result<(Journal, Histogram)> {
        let path = self.path.join(JOURNAL);
        let disk = SystemDisk::open(&path).with_context(|| format!("open {}", path.display()))?;
        let flushes = disk.flushes();
        let opened = Journal::open(Arc::new(disk), clock, options);
        Ok((opened.with_context(|| format!("open {}", path.display()))?, flushes))
    }

    /// The secret under which holds' ids are signed; made at the first start. A new one instead of
    /// one that was lost would turn away every buyer who comes back with their hold's id, so with
    /// sales in the journal a missing one is an error.
    pub(crate) fn receipt_key(&self, has_sales: bool) -> anyhow::Result<ReceiptKey> {
        let path = self.path.join(RECEIPT_KEY);
        if has_sales && !path.exists() {
            bail!(
                "{} is missing, and without it no hold's id that a buyer was told can be known \
                 again. Put it back from a backup. If it is lost for good, write 64 random \
                 hexadecimal digits there (openssl rand -hex 32): holds keep their units, but \
                 buyers must ask for their hold's new id",
                path.display()
            );
        }
        let secret = self.secret(RECEIPT_KEY)?;
        let bytes = HEXLOWER.decode(secret.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        let bytes =
            bytes.ok_or_else(|| anyhow!("{} is not 64 hexadecimal digits", path.display()))?;
        Ok(ReceiptKey::new(bytes))
    }

    /// Takes the folder for this process alone, as long as it lives.
    ///
    /// # Errors
    /// When another process has it.
    pub(crate) fn lock(&self) -> anyhow::Result<FolderLock> {
        let path = self.path.join(NODE);
        let disk = SystemDisk::open(&path).with_context(|| format!("open {}", path.display()))?;
        let locked = disk.lock().with_context(|| format!("lock {}", path.display()))?;
        locked.map_err(|holder| {
            anyhow!(
                "{} is in use by {holder}: stop it, or choose another folder",
                self.path.display()
            )
        })
    }

    /// Refuses a folder whose server shared its sales: its orders belong to them.
    pub(crate) fn must_be_alone(&self) -> anyhow::Result<()> {
        if self.path.join(NODE).join(NAME).exists() {
            bail!(
                "{} was the folder of a server that shares its sales over Redis: say --store \
                 redis://… as it did, or choose another folder",
                self.path.display()
            );
        }
        Ok(())
    }

    /// What the server that had this folder before was called among the others, if there was one.
    pub(crate) fn node(&self) -> anyhow::Result<Option<String>> {
        let path = self.path.join(NODE).join(NAME);
        match std::fs::read_to_string(&path) {
            Ok(name) => Ok(Some(name.trim().to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Keeps what this server is called among the others.
    pub(crate) fn keep_node(&self, name: &str) -> anyhow::Result<()> {
        let path = self.path.join(NODE).join(NAME);
        std::fs::write(&path, name).with_context(|| format!("write {}", path.display()))
    }

    /// Whether there is a secret under which holds' ids are signed.
    pub(crate) fn has_receipt_key(&self) -> anyhow::Result<bool> {
        let path = self.path.join(RECEIPT_KEY);
        path.try_exists().with_context(|| format!("look for {}", path.display()))
    }

    /// A secret of 64 hexadecimal digits; made when it is asked for the first time, durably and
    /// for the owner's eyes only.
    pub(crate) fn secret(&self, name: &str) -> anyhow::Result<String> {
        let path = self.path.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => return Ok(text.trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        }
        let secret = random_hex()?;
        self.write(name, &secret).with_context(|| format!("write {}", path.display()))?;
        Ok(secret)
    }

    /// The folder's whole path, good in every working directory.
    pub(crate) fn path(&self) -> anyhow::Result<PathBuf> {
        let folder = self.path.canonicalize();
        folder.with_context(|| format!("find {}", self.path.display()))
    }

    /// The whole path of a file in this folder, good in every working directory.
    pub(crate) fn file(&self, name: &str) -> anyhow::Result<PathBuf> {
        Ok(self.path()?.join(name))
    }

    /// A crash leaves the whole file or none: written under another name, then renamed.
    fn write(&self, name: &str, text: &str) -> std::io::Result<()> {
        let temporary = self.path.join(format!("{name}.new"));
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, self.path.join(name))?;
        File::open(&self.path)?.sync_all()
    }
}

/// A stopped server's logs and their records.
pub(crate) type Stopped = (Vec<LogInfo>, Box<dyn Records>);

/// Reads the journal of a stopped server and changes nothing; `None`: there is none.
pub(crate) fn read_journal(data_dir: &Path) -> anyhow::Result<Option<Stopped>> {
    let path = data_dir.join(JOURNAL);
    if !has_files(&path).with_context(|| format!("list {}", path.display()))? {
        return Ok(None);
    }
    let disk = SystemDisk::open_existing(&path);
    let disk = disk.with_context(|| format!("open {}", path.display()))?;
    let read = journal::read(Arc::new(disk));
    Ok(Some(read.with_context(|| format!("read {}", path.display()))?))
}

/// Whether there is anything of a journal's, whole or not. The lock alone says nothing.
fn has_files(journal: &Path) -> std::io::Result<bool> {
    let entries = match std::fs::read_dir(journal) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("journal-") || name.starts_with("snapshot-") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// 32 random bytes as hexadecimal digits.
pub(crate) fn random_hex() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("draw random bytes")?;
    Ok(HEXLOWER.encode(&bytes))
}

/// A random number, to spread hash tables.
pub(crate) fn random_seed() -> anyhow::Result<u64> {
    getrandom::u64().context("draw random bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_is_made_once_and_for_its_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let secret = folder.secret("some.key").unwrap();
        assert_eq!(folder.secret("some.key").unwrap(), secret);
        let mode = std::fs::metadata(place.path().join("some.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_receipt_key_is_made_for_a_new_folder_only() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let error = folder.receipt_key(true).unwrap_err().to_string();
        assert!(error.contains("receipt.key is missing"), "{error}");
        assert!(!place.path().join(RECEIPT_KEY).exists());
        folder.receipt_key(false).unwrap();
        folder.receipt_key(true).unwrap();
    }

    #[test]
    fn no_journal_is_made_only_to_read_it() {
        let place = tempfile::tempdir().unwrap();
        assert!(read_journal(&place.path().join("none")).unwrap().is_none());
        std::fs::create_dir(place.path().join(JOURNAL)).unwrap();
        assert!(read_journal(place.path()).unwrap().is_none());
        assert_eq!(std::fs::read_dir(place.path().join(JOURNAL)).unwrap().count(), 0);
    }
}
