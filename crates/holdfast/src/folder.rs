//! The data folder: the journal, and the secrets that must outlive the process.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use data_encoding::HEXLOWER;
use holdfast_core::ReceiptKey;
use holdfast_store::journal::{self, Journal};
use holdfast_store::{Clock, SystemDisk};

/// A data folder.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens a folder, and makes it if it is missing.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(path)
            .with_context(|| format!("make the data folder {}", path.display()))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Opens the journal; takes the folder for this process.
    pub(crate) fn journal(&self, clock: Arc<dyn Clock>) -> anyhow::Result<Journal> {
        let path = self.path.join("journal");
        let disk = SystemDisk::open(&path).with_context(|| format!("open {}", path.display()))?;
        Ok(Journal::open(Arc::new(disk), clock, journal::Options::default())?)
    }

    /// The secret under which holds' ids are signed; made at the first start.
    pub(crate) fn receipt_key(&self) -> anyhow::Result<ReceiptKey> {
        let secret = self.secret("receipt.key")?;
        let bytes = HEXLOWER.decode(secret.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| {
            anyhow!("{} is not 64 hexadecimal digits", self.path.join("receipt.key").display())
        })?;
        Ok(ReceiptKey::new(bytes))
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
