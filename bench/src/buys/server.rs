//! The servers to compare: each started afresh for every run, on a state in which nothing is held.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use holdfast_testkit::Process;
use holdfast_testkit::build::program;
use serde::Serialize;
use tempfile::TempDir;

use super::{GONE, OPEN, build, process, shop};

/// Units in the tier that has enough for all.
pub(super) const ENOUGH: u32 = 10_000_000;

const MERCHANT_KEY: &str = "a-merchant-key-for-the-benchmark";
const SECRET: &str = "a secret for the benchmark, of more than 32 bytes";

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// `holdfast serve`, with its journal on disk.
    Holdfast,
    /// The same listener and authentication around a handler that decides nothing.
    Axum,
    /// A loop that answers the same bytes to everyone.
    Epoll,
    /// The common design: Go's net/http, a client pool, one Lua script in Redis over TCP.
    Go,
    /// The same with Redis behind a socket file, as only one machine can have it.
    GoUnix,
}

/// Where servers are made.
pub(super) struct Stage {
    folder: PathBuf,
    buyer_key: PathBuf,
    core: usize,
    holdfast: Option<PathBuf>,
    go: Option<PathBuf>,
    _keys: TempDir,
}

/// A server that runs.
pub(super) struct Server {
    address: SocketAddr,
    /// The one that listens, then what it rests on.
    processes: Vec<Process>,
    _folder: TempDir,
}

impl Stage {
    /// Builds what is asked for, but for a server that is there.
    pub(super) fn new(
        folder: &Path,
        kinds: &[Kind],
        core: usize,
        holdfast: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let is_missing = holdfast.is_none() && kinds.contains(&Kind::Holdfast);
        let holdfast = if is_missing { Some(program("holdfast")?) } else { holdfast };
        let has_go = kinds.contains(&Kind::Go) || kinds.contains(&Kind::GoUnix);
        let go = has_go.then(build::go).transpose()?;
        let keys = tempfile::tempdir()?;
        let buyer_key = keys.path().join("buyer.key");
        std::fs::write(&buyer_key, SECRET)?;
        Ok(Self { folder: folder.to_owned(), buyer_key, core, holdfast, go, _keys: keys })
    }

    /// The secret that signs for buyers.
    pub(super) fn secret(&self) -> &'static str {
        SECRET
    }

    /// Starts a server on an empty folder.
    pub(super) fn start(&self, kind: Kind) -> anyhow::Result<Server> {
        let folder = tempfile::Builder::new().prefix("buys-").tempdir_in(&self.folder)?;
        let mut processes = Vec::new();
        let mut command = match kind {
            Kind::Holdfast => self.holdfast(folder.path())?,
            Kind::Axum => self.floor("axum")?,
            Kind::Epoll => self.floor("epoll")?,
            Kind::Go | Kind::GoUnix => {
                let (redis, dial) = self.redis(kind, folder.path())?;
                processes.push(redis);
                self.go(&dial)?
            }
        };
        if kind == Kind::Axum {
            command.arg("--buyer-key").arg(&self.buyer_key);
        }
        let mut server = process::start(&mut command, self.core)?;
        let address = server.address()?;
        processes.insert(0, server);
        if kind == Kind::Holdfast {
            shop::open(address, MERCHANT_KEY)?;
        }
        Ok(Server { address, processes, _folder: folder })
    }

    fn holdfast(&self, folder: &Path) -> anyhow::Result<Command> {
        let mut command = Command::new(self.holdfast.as_ref().context("it was built")?);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--config", "/dev/null", "--until-eof"])
            .arg("--data-dir")
            .arg(folder)
            .arg("--buyer-key")
            .arg(&self.buyer_key)
            .env("HOLDFAST_MERCHANT_KEY", MERCHANT_KEY)
            .env("RUST_LOG", "warn");
        Ok(command)
    }

    fn floor(&self, name: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["peer", name]);
        Ok(command)
    }

    fn go(&self, redis: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(self.go.as_ref().context("it was built")?);
        command
            .args(["-redis", redis, "-stock", &format!("{OPEN}={ENOUGH},{GONE}=0"), "-buyer-key"])
            .arg(&self.buyer_key);
        Ok(command)
    }

    /// Redis as such a shop runs it: no snapshots, a log that is flushed every second, and never
    /// evicting. Also how the peer reaches it.
    fn redis(&self, kind: Kind, folder: &Path) -> anyhow::Result<(Process, String)> {
        let socket = folder.join("redis.sock");
        let port = if kind == Kind::Go { free_port()? } else { 0 };
        let mut command = Command::new("sh");
        // Redis does not end with its standard input. The shell sees to that.
        let until_eof = r#""$@" </dev/null >/dev/null & cat; kill $!; wait"#;
        command
            .args(["-c", until_eof, "sh", "redis-server", "--daemonize", "no"])
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "everysec"])
            .args(["--maxmemory-policy", "noeviction", "--dir"])
            .arg(folder)
            .arg("--unixsocket")
            .arg(&socket);
        let redis = process::start(&mut command, self.core)?;
        let begun = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            ensure!(begun.elapsed() < Duration::from_secs(10), "redis-server did not start");
            sleep(Duration::from_millis(5));
        }
        let dial = match kind {
            Kind::Go => format!("tcp:127.0.0.1:{port}"),
            _ => format!("unix:{}", socket.display()),
        };
        Ok((redis, dial))
    }
}

/// Redis takes no port 0.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

impl Server {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn pids(&self) -> BTreeSet<u32> {
        self.processes.iter().flat_map(process::pids).collect()
    }

    pub(super) fn stop(self) -> anyhow::Result<()> {
        self.processes.into_iter().try_for_each(Process::stop)
    }
}
