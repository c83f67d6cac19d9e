//! Building the Go peer, so that it is no old one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use holdfast_testkit::build::{beside_this, run, workspace};

const INSTALL_GO: &str = "the Go peer needs Go, its Redis client and Redis: apt-get install golang-go \
     golang-github-gomodule-redigo-dev redis-server (or choose with --only)";
/// Where Debian's packages put Go libraries.
const GOPATH: &str = "/usr/share/gocode";

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
