//! `payments.jsonl`: every change and every answer to an idempotency key, a line each. A line is on
//! disk before anyone is told of what it says.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::FILE;
use super::answer::Answer;
use crate::provider::{Manner, Payment};

/// Why a bank cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BankError {
    /// Its folder or file cannot be had.
    #[error("{path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another bank has it.
    #[error("{0} is in use by another process: a provider has its folder for itself")]
    InUse(PathBuf),
    /// Its file says what no bank writes.
    #[error(
        "{path}, line {line}, is damaged; put the file back from a copy, or begin anew without it"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// Its manners cannot be had.
    #[error(transparent)]
    Manners(#[from] super::InvalidManners),
    /// The address for its webhooks cannot be had.
    #[error("webhooks: {0}")]
    Webhooks(super::InvalidUrl),
    /// Its secret cannot be had.
    #[error("a provider's secret has visible ASCII characters, at least one")]
    Secret,
}

/// A payment, and what the bank alone knows of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub(super) payment: Payment,
    /// As it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) manner: Option<Manner>,
    /// When it is authorised by itself, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) due_ms: Option<u64>,
}

/// What was answered to an idempotency key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) key: String,
    /// What was asked under it.
    pub(super) request: String,
    pub(super) answer: Answer,
}

/// A line: a payment as it is from now on, an answer to remember, or both at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) line: u64,
    pub(super) at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payment: Option<Kept>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) remembered: Option<Remembered>,
}

/// The file, for this process alone.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// After a failed write nobody knows what is on disk.
    is_broken: bool,
}

impl Journal {
    /// Takes the file in a folder, which is made if it is missing, and reads it. A last line that
    /// was not written to its end has never been told to anyone: it is dropped.
    pub(super) fn open(folder: &Path) -> Result<(Self, Vec<Line>), BankError> {
        let path = folder.join(FILE);
        let io = |source| BankError::Io { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(io)?;
        let mut options = OpenOptions::new();
        let options = options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(&path).map_err(io)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => BankError::InUse(path.clone()),
            TryLockError::Error(error) => io(error),
        })?;
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut text)).map_err(io)?;
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            tracing::warn!(file = %path.display(), "the last line was not written to its end: dropped");
            file.set_len(whole as u64).map_err(io)?;
        }
        // What a killed bank had written and not yet flushed is as good as told from here on.
        file.sync_all().and_then(|()| File::open(folder)?.sync_all()).map_err(io)?;
        let lines = text[..whole].split_inclusive(|&byte| byte == b'\n').zip(1..);
        let lines = lines.map(|(text, number)| {
            let damaged = || BankError::Damaged { path: path.clone(), line: number };
            let line: Line = serde_json::from_slice(text).map_err(|_| damaged())?;
            if line.line == number { Ok(line) } else { Err(damaged()) }
        });
        let lines = lines.collect::<Result<_, _>>()?;
        Ok((Self { file, is_broken: false }, lines))
    }

    /// Writes a line and flushes it. After a failure nothing is written any more.
    pub(super) fn append(&mut self, line: &Line) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other("an earlier write failed"));
        }
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let written = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        self.is_broken = written.is_err();
        written
    }

    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Makes the next write fail, as on a full disk.
    #[cfg(test)]
    pub(super) fn fail_next(&mut self) {
        self.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    }
}
