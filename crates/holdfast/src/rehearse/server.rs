//! A server for one rehearsal.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use holdfast_rehearse::BuyerLimit;
use tempfile::TempDir;

use crate::folder::random_hex;

/// A server for one rehearsal: a child process on a free port, with a folder that goes with it.
pub(super) struct Server {
    child: Child,
    pub(super) address: String,
    pub(super) merchant_key: String,
    /// Signs for buyers.
    pub(super) buyer_secret: Vec<u8>,
    folder: Option<TempDir>,
}

impl Server {
    /// Starts one that lets each buyer ask so often, and begins so many payments in a second.
    pub(super) fn start(limit_buyer: BuyerLimit, payments: u32) -> anyhow::Result<Self> {
        let folder = folder()?;
        let (merchant_key, buyer_secret) = (random_hex()?, random_hex()?);
        let buyer_key = folder.path().join("buyer.key");
        write_secret(&buyer_key, &buyer_secret)
            .with_context(|| format!("write {}", buyer_key.display()))?;
        let mut command = Command::new(std::env::current_exe()?);
        // Nothing that is set for another server is meant for this one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HOLDFAST_") {
                command.env_remove(name);
            }
        }
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--config", "/dev/null", "--until-eof"])
            .args(["--limit-buyer", &limit_buyer.to_string()])
            .args(["--payments-per-second", &payments.to_string()])
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .arg("--buyer-key")
            .arg(&buyer_key)
            .env("HOLDFAST_MERCHANT_KEY", &merchant_key)
            // Its input ends when this process does, however it dies; and Ctrl-C is for this
            // process, which has a sale to close first.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let child = command.spawn().context("start a server")?;
        let buyer_secret = buyer_secret.into_bytes();
        let address = String::new();
        let mut server = Self { child, address, merchant_key, buyer_secret, folder: Some(folder) };
        server.address = server.read_address()?;
        Ok(server)
    }

    /// Its process.
    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }

    fn read_address(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if let Some(stdout) = self.child.stdout.as_mut() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim().strip_prefix("listening on ") {
            Some(address) => Ok(address.to_owned()),
            None => bail!("the server did not start"),
        }
    }

    /// Ends the server and removes its folder.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        self.kill();
        self.folder.take().map_or(Ok(()), TempDir::close).context("remove the server's folder")
    }

    /// Its folder goes too: there is nothing to drain for.
    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A folder for the server's data: in the working directory if it can be, since `/tmp` is often
/// memory, where no flush costs anything and no latency means anything.
fn folder() -> anyhow::Result<TempDir> {
    let named = |builder: &mut tempfile::Builder<'_, '_>| {
        builder.tempdir_in(".").or_else(|_| builder.tempdir())
    };
    let folder = named(tempfile::Builder::new().prefix(".holdfast-rehearsal-"));
    folder.context("make a folder for the server")
}

fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())
}
