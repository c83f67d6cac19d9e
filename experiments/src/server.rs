//! A server for one experiment, and the program that it runs.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

pub(crate) const MERCHANT_KEY: &str = "the-key-of-an-experiment";
const BUYER_SECRET: &str = "the shop of an experiment signs with this";

/// The program, built in the profile that this one was built in, so that it is no old one.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("a program is in a folder")?;
    let name = folder.file_name().and_then(|name| name.to_str()).context("a profile's folder")?;
    let profile = if name == "debug" { "dev" } else { name };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--locked", "--quiet", "--package", "holdfast", "--profile", profile])
        .arg("--target-dir")
        .arg(folder.parent().context("a folder in the target folder")?)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()?;
    ensure!(status.success(), "the server could not be built");
    Ok(folder.join("holdfast"))
}

/// A server on a free port, with a folder that goes with it. It ends when this is dropped, and
/// also if this process dies: its input ends then.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    folder: TempDir,
}

impl Server {
    /// Starts it with more arguments than the usual ones.
    pub(crate) fn start(program: &Path, arguments: &[String]) -> anyhow::Result<Self> {
        // In the working folder: `/tmp` is often memory, where no flush costs anything.
        let folder = tempfile::Builder::new().prefix(".holdfast-experiment-").tempdir_in(".")?;
        std::fs::write(folder.path().join("buyer.key"), BUYER_SECRET)?;
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--config", "/dev/null", "--until-eof"])
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .arg("--buyer-key")
            .arg(folder.path().join("buyer.key"))
            .args(arguments)
            .env("HOLDFAST_MERCHANT_KEY", MERCHANT_KEY)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let mut line = String::new();
        let stdout = child.stdout.as_mut().context("a server's output is read")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").unwrap_or_default().to_owned();
        let server = Self { child, address, folder };
        ensure!(!server.address.is_empty(), "the server did not start: {line:?}");
        Ok(server)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file with the secret that signs for buyers.
    pub(crate) fn buyer_secret(&self) -> PathBuf {
        self.folder.path().join("buyer.key")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
