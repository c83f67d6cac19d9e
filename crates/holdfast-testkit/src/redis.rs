//! Redis servers of one's own.

mod daemon;
mod options;
mod program;
mod sentinel;
mod trio;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use redis::{Connection, FromRedisValue};
use rustix::process::Signal;
use tempfile::TempDir;

use daemon::Daemon;
pub use options::{Persistence, RedisOptions};
pub use program::{Program, libfaketime};
pub use sentinel::{Sentinel, SentinelOptions};
pub use trio::Trio;

/// How long what is awaited may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a free port of loopback, with a folder that goes with it. It does not outlive this
/// program; dropping it kills it.
pub struct Redis {
    daemon: Daemon,
    has_own_clock: bool,
}

/// What a server had on disk at some moment.
pub struct Backup(TempDir);

impl Redis {
    /// Starts it, empty; it answers then. A replica may not have reached its master yet: see
    /// [`Redis::await_link`].
    ///
    /// # Errors
    /// When the program is not there (says how to get it), or it does not start.
    pub fn start(options: &RedisOptions) -> anyhow::Result<Self> {
        let mut redis = Self::new(options)?;
        redis.launch(options)?;
        Ok(redis)
    }

    /// Finds it a port and a folder.
    fn new(options: &RedisOptions) -> anyhow::Result<Self> {
        let mut daemon = Daemon::new(&options.program.path()?)?;
        if options.has_own_clock {
            ensure!(
                options.program != Program::Redis7,
                "Redis 7.0 does not start with libfaketime"
            );
            let file = daemon.folder().join("clock");
            daemon
                .command()
                .env("LD_PRELOAD", libfaketime()?)
                .env("FAKETIME_TIMESTAMP_FILE", file)
                .env("FAKETIME_NO_CACHE", "1")
                // The clock that only counts on is right: a machine's wall clock is what steps.
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
                .env("DONT_FAKE_MONOTONIC", "1");
        }
        Ok(Self { daemon, has_own_clock: options.has_own_clock })
    }

    /// Starts it for the first time.
    fn launch(&mut self, options: &RedisOptions) -> anyhow::Result<()> {
        if self.has_own_clock {
            self.set_clock(0)?;
        }
        std::fs::create_dir(self.data())?;
        self.daemon.configure(&options.lines(&self.data()))?;
        self.daemon.start()
    }

    /// Its port of 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.daemon.port()
    }

    /// Where it listens, also while it is dead: nobody else gets its port.
    pub fn address(&self) -> SocketAddr {
        self.daemon.address()
    }

    /// The same, as `--store` takes it.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// The number of its process.
    ///
    /// # Errors
    /// When it is dead.
    pub fn id(&self) -> anyhow::Result<u32> {
        self.daemon.id()
    }

    /// A connection on which no question takes longer than 5 s.
    ///
    /// # Errors
    /// When it does not take one within 5 s.
    pub fn connect(&self) -> anyhow::Result<Connection> {
        self.daemon.connect()
    }

    /// Sends a command by a new connection, and waits for the reply.
    ///
    /// # Errors
    /// When it does not answer within 5 s, or with an error, or with something else than a `T`.
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> anyhow::Result<T> {
        self.daemon.ask(words)
    }

    /// A field of `INFO`, such as `role`.
    ///
    /// # Errors
    /// When it does not answer, or has no such field.
    pub fn info(&self, field: &str) -> anyhow::Result<String> {
        let info: String = self.ask(&["INFO", "everything"])?;
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        let value = lines.find(|&(name, _)| name == field).map(|(_, value)| value.to_owned());
        value.with_context(|| format!("INFO has no {field}"))
    }

    /// Waits until it is a replica that has all that its master had.
    ///
    /// # Errors
    /// When it is not within 20 s.
    pub fn await_link(&self) -> anyhow::Result<()> {
        let is_up = || self.info("master_link_status").is_ok_and(|status| status == "up");
        until("a replica has no link to its master", is_up)
    }

    /// kill -9. Does nothing if it is dead.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// SIGSTOP: it takes connections, and nothing else, until it is resumed.
    ///
    /// # Errors
    /// When it is dead.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.daemon.signal(Signal::STOP)
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// When it is dead.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.daemon.signal(Signal::CONT)
    }

    /// kill -9 if it lives, and a new process on the same port, with what is in its folder.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.kill();
        self.daemon.start()
    }

    /// Takes all that it has on disk; it must be dead. What it has learnt to be (a replica, by a
    /// Sentinel) it stays, as on a machine that has lost its volume.
    ///
    /// # Errors
    /// When it lives, or the system fails.
    pub fn wipe(&self) -> anyhow::Result<()> {
        ensure!(!self.daemon.is_alive(), "kill it before its files are changed");
        std::fs::remove_dir_all(self.data())?;
        std::fs::create_dir(self.data())?;
        Ok(())
    }

    /// Keeps what it has on disk now.
    ///
    /// # Errors
    /// When the system fails, or it was removing a file.
    pub fn backup(&self) -> anyhow::Result<Backup> {
        let backup = tempfile::Builder::new().prefix("redis-backup-").tempdir()?;
        copy(&self.data(), backup.path())?;
        Ok(Backup(backup))
    }

    /// Puts back what it had on disk; it must be dead.
    ///
    /// # Errors
    /// When it lives, or the system fails.
    pub fn roll_back(&self, backup: &Backup) -> anyhow::Result<()> {
        self.wipe()?;
        copy(backup.0.path(), &self.data())
    }

    /// Sets its wall clock so many seconds before or after the machine's, at once.
    ///
    /// # Errors
    /// When it has no clock of its own.
    pub fn set_clock(&self, seconds: i64) -> anyhow::Result<()> {
        ensure!(self.has_own_clock, "start it with a clock of its own");
        let (file, next) = (self.daemon.folder().join("clock"), self.daemon.folder().join("next"));
        std::fs::write(&next, format!("{seconds:+}\n"))?;
        std::fs::rename(next, file)?;
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.daemon.folder().join("data")
    }
}

/// Copies what is in a folder.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let there = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            std::fs::create_dir(&there)?;
            copy(&entry.path(), &there)?;
        } else {
            std::fs::copy(entry.path(), there)?;
        }
    }
    Ok(())
}

/// Waits until something is so.
fn until(otherwise: &str, mut is_so: impl FnMut() -> bool) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !is_so() {
        ensure!(begun.elapsed() < PATIENCE, "{otherwise} after {PATIENCE:?}");
        sleep(Duration::from_millis(5));
    }
    Ok(())
}
