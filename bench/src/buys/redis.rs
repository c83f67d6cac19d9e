//! Redis, for whoever keeps its state there.

use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;
use holdfast_testkit::Process;

use super::process;

/// How long a server may take to start, or a replica to reach its master.
const PATIENCE: Duration = Duration::from_secs(10);

/// When a write is on disk.
#[derive(Clone, Copy)]
pub(super) enum Flush {
    /// Before it is answered, as Holdfast asks for.
    Always,
    /// Within a second.
    EverySecond,
}

/// A server of Redis as a shop runs it: no snapshots, every write in a log, and never evicting.
pub(super) struct Redis {
    pub(super) process: Process,
    /// Where it listens on 127.0.0.1; 0: only at its socket.
    pub(super) port: u16,
    pub(super) socket: PathBuf,
}

impl Redis {
    /// Starts one in a folder of its own, on a port if it is to have one.
    pub(super) fn start(
        folder: &Path,
        core: usize,
        flush: Flush,
        port: Option<u16>,
        master: Option<&Self>,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir(folder)?;
        let (socket, port) = (folder.join("redis.sock"), port.unwrap_or(0));
        let flush = match flush {
            Flush::Always => "always",
            Flush::EverySecond => "everysec",
        };
        let mut command = Command::new("sh");
        // Redis does not end with its standard input. The shell sees to that.
        let until_eof = r#""$@" </dev/null >/dev/null & cat; kill $!; wait"#;
        command
            .args(["-c", until_eof, "sh", "redis-server", "--daemonize", "no"])
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", flush])
            .args(["--maxmemory-policy", "noeviction", "--dir"])
            .arg(folder)
            .arg("--unixsocket")
            .arg(&socket);
        if let Some(master) = master {
            command.args(["--replicaof", &format!("127.0.0.1 {}", master.port)]);
        }
        let redis = Self { process: process::start(&mut command, core)?, port, socket };
        let is_up = || UnixStream::connect(&redis.socket).is_ok();
        wait_until("redis-server did not start", is_up)?;
        Ok(redis)
    }

    /// Waits until so many replicas have all that it has, and follow it.
    pub(super) fn await_replicas(&self, replicas: usize) -> anyhow::Result<()> {
        let online = || {
            let mut ask = Command::new("redis-cli");
            ask.arg("-s").arg(&self.socket).args(["INFO", "replication"]).stderr(Stdio::null());
            let said = ask.output().map(|output| output.stdout).unwrap_or_default();
            String::from_utf8_lossy(&said).matches("state=online").count() == replicas
        };
        wait_until("the replicas do not reach their master", online)
    }
}

fn wait_until(otherwise: &str, is_so: impl Fn() -> bool) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !is_so() {
        ensure!(begun.elapsed() < PATIENCE, "{otherwise} within {PATIENCE:?}");
        sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Redis takes no port 0.
pub(super) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
