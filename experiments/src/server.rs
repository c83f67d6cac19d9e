//! A server for one experiment.

use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast_testkit::Process;
use tempfile::TempDir;

use crate::quota::Quota;

pub(crate) const MERCHANT_KEY: &str = "the-key-of-an-experiment";
pub(crate) const BUYER_SECRET: &str = "the shop of an experiment signs with this";

/// A server on a free port, with a folder that goes with it. It ends when this is dropped, and
/// also if this process dies: its input ends then.
pub(crate) struct Server {
    process: Process,
    pub(crate) address: String,
    /// Dropped after the process: a group that has one cannot be removed.
    quota: Option<Quota>,
    is_bare: bool,
    folder: TempDir,
}

impl Server {
    /// Starts Holdfast with more arguments than the usual ones.
    pub(crate) fn start(program: &Path, arguments: &[String]) -> anyhow::Result<Self> {
        Self::new(program, |command, folder| {
            command
                .args(["serve", "--listen", "127.0.0.1:0", "--config", "/dev/null"])
                .arg("--until-eof")
                .arg("--data-dir")
                .arg(folder.join("data"))
                .args(arguments)
                .env("HOLDFAST_MERCHANT_KEY", MERCHANT_KEY);
        })
    }

    /// Starts a bare handler behind the same listener: it gives so many holds, decides nothing and
    /// keeps nothing. `bench` is the benchmarks' program.
    pub(crate) fn bare(bench: &Path, units: u32) -> anyhow::Result<Self> {
        let server = Self::new(bench, |command, _| {
            command.args(["peer", "axum", "--units", &units.to_string()]);
        })?;
        Ok(Self { is_bare: true, ..server })
    }

    fn new(program: &Path, say: impl FnOnce(&mut Command, &Path)) -> anyhow::Result<Self> {
        // In the working folder: `/tmp` is often memory, where no flush costs anything.
        let folder = tempfile::Builder::new().prefix(".holdfast-experiment-").tempdir_in(".")?;
        std::fs::write(folder.path().join("buyer.key"), BUYER_SECRET)?;
        let mut command = Command::new(program);
        say(&mut command, folder.path());
        command.arg("--buyer-key").arg(folder.path().join("buyer.key"));
        let mut process = Process::start(&mut command)?;
        let address = format!("http://{}", process.address()?);
        Ok(Self { process, address, quota: None, is_bare: false, folder })
    }

    /// Holds it to so many hundredths of a core.
    pub(crate) fn hold_to(mut self, percent: u32) -> anyhow::Result<Self> {
        self.quota = Some(Quota::hold(self.process.id(), percent)?);
        Ok(self)
    }

    /// Whether it is a bare handler.
    pub(crate) fn is_bare(&self) -> bool {
        self.is_bare
    }

    /// The file with the secret that signs for buyers.
    pub(crate) fn buyer_secret(&self) -> PathBuf {
        self.folder.path().join("buyer.key")
    }
}
