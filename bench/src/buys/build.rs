//! Building the servers that are compared, so that none of them is an old one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

const INSTALL_GO: &str = "the Go peer needs Go, its Redis client and Redis: apt-get install golang-go \
     golang-github-gomodule-redigo-dev redis-server (or choose with --only)";
/// Where Debian's packages put Go libraries.
const GOPATH: &str = "/usr/share/gocode";

/// The server, in the profile that this program was built in.
pub(super) fn holdfast() -> anyhow::Result<PathBuf> {
    let folder = beside_this()?;
    let name = folder.file_name().and_then(|name| name.to_str()).context("a profile's folder")?;
    let profile = if name == "debug" { "dev" } else { name };
    let target = folder.parent().context("a folder in the target folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--locked", "--quiet", "--package", "holdfast", "--profile", profile])
        .arg("--target-dir")
        .arg(target)
        .current_dir(workspace());
    run(&mut command).context("build the server with cargo")?;
    Ok(folder.join("holdfast"))
}

/// The Go peer.
pub(super) fn go() -> anyhow::Result<PathBuf> {
    for (program, version) in [("go", "version"), ("redis-server", "--version")] {
        let found = Command::new(program).arg(version).stdout(Stdio::null()).status();
        ensure!(found.is_ok_and(|status| status.success()), INSTALL_GO);
    }
    ensure!(Path::new(GOPATH).join("src/github.com/gomodule/redigo").is_dir(), INSTALL_GO);
    let peer = beside_this()?.join("holdfast-peer-go");
    let mut command = Command::new("go");
    command
        // Debian's libraries are found as Go found them before it had modules: no network is asked.
        .env("GO111MODULE", "off")
        .env("GOPATH", GOPATH)
        .args(["build", "-o"])
        .arg(&peer)
        .current_dir(workspace().join("bench/peer-go"));
    run(&mut command).context("build the Go peer")?;
    Ok(peer)
}

/// The folder that this program is in.
fn beside_this() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().context("a program is in a folder")?.to_owned())
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status()?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
