//! What a Redis server and a Sentinel have in common as processes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use redis::{Client, Connection, FromRedisValue};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Process;
use crate::port::Port;

/// How long it may take to answer after its start.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a question to it may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A program with a port and a folder of its own, and perhaps a process.
pub(super) struct Daemon {
    /// Dropped before the folder, into which it writes.
    process: Option<Process>,
    command: Command,
    port: Port,
    folder: TempDir,
}

impl Daemon {
    /// Gives the program what it needs; starts nothing.
    pub(super) fn new(program: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("redis-").tempdir()?;
        let mut command = Command::new(program);
        command.arg(folder.path().join("conf"));
        Ok(Self { command, port: Port::claim()?, folder, process: None })
    }

    /// What it is started by, to add to.
    pub(super) fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Writes its configuration, which it may then rewrite.
    pub(super) fn configure(&self, lines: &[String]) -> anyhow::Result<()> {
        let mut text = format!("port {}\nbind 127.0.0.1\nprotected-mode no\n", self.port());
        text += &format!("logfile {:?}\n", self.log());
        for line in lines {
            text += line;
            text.push('\n');
        }
        std::fs::write(self.folder().join("conf"), text)?;
        Ok(())
    }

    /// Starts it; it answers then.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        self.process = Some(Process::guarded(&self.command)?);
        let begun = Instant::now();
        // Before it has read what it had it answers with an error.
        while self.ask::<String>(&["PING"]).is_err() {
            if self.has_ended() || begun.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.log()).unwrap_or_default();
                let end: Vec<_> = log.lines().rev().take(3).collect();
                bail!("{:?} did not start on port {}: {end:?}", self.command, self.port());
            }
            sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Whether its process is gone, or only waits for somebody to take notice.
    fn has_ended(&self) -> bool {
        let Some(process) = &self.process else { return true };
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id()));
        stat.is_ok_and(|stat| stat.contains(") Z "))
    }

    /// kill -9. Does nothing if it is dead.
    pub(super) fn kill(&mut self) {
        if self.process.is_some() {
            let _ = self.signal(Signal::KILL);
        }
        self.process = None;
    }

    pub(super) fn is_alive(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.id()?).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.context("a process number")?, signal)?)
    }

    pub(super) fn id(&self) -> anyhow::Result<u32> {
        Ok(self.process.as_ref().context("it is dead")?.id())
    }

    pub(super) fn port(&self) -> u16 {
        self.port.number()
    }

    pub(super) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self) -> PathBuf {
        self.folder().join("log")
    }

    pub(super) fn connect(&self) -> anyhow::Result<Connection> {
        connect(self.address())
    }

    pub(super) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> anyhow::Result<T> {
        ask(&mut self.connect()?, words)
    }
}

/// A connection on which no question takes longer than 5 s.
pub(super) fn connect(address: SocketAddr) -> anyhow::Result<Connection> {
    let client = Client::open(format!("redis://{address}"))?;
    let connection = client.get_connection_with_timeout(ANSWER_WITHIN)?;
    connection.set_read_timeout(Some(ANSWER_WITHIN))?;
    connection.set_write_timeout(Some(ANSWER_WITHIN))?;
    Ok(connection)
}

/// Sends a command and waits for its reply.
pub(super) fn ask<T: FromRedisValue>(
    connection: &mut Connection,
    words: &[&str],
) -> anyhow::Result<T> {
    let (name, arguments) = words.split_first().context("a command has a name")?;
    Ok(redis::cmd(name).arg(arguments).query(connection)?)
}
