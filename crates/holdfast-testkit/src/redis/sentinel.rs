//! A Sentinel: one of those who agree that a master is dead, and make another.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use redis::FromRedisValue;
use rustix::process::Signal;

use super::Program;
use super::daemon::Daemon;

/// How a Sentinel is started.
#[derive(Clone, Debug)]
pub struct SentinelOptions {
    /// Which program.
    pub program: Program,
    /// How many must agree.
    pub quorum: u32,
    /// How long a server must be silent to be thought dead. Under a second (two, if it is not in
    /// a hurry) living ones are too.
    pub down_after: Duration,
    /// Whether it asks and tells ten times as often as usual.
    pub is_hurried: bool,
    /// How long a failover may take before another is tried; also how long a server may
    /// believe something else before it is set right.
    pub failover_timeout: Duration,
    /// The address of loopback from which it connects to servers.
    pub source: Option<Ipv4Addr>,
    /// Further lines of its configuration.
    pub settings: Vec<String>,
}

impl Default for SentinelOptions {
    /// Two must agree after a second, in a hurry.
    fn default() -> Self {
        Self {
            program: Program::default(),
            quorum: 2,
            down_after: Duration::from_secs(1),
            is_hurried: true,
            failover_timeout: Duration::from_secs(2),
            source: None,
            settings: Vec::new(),
        }
    }
}

/// A Sentinel on a free port of loopback. It does not outlive this program; dropping it kills it.
pub struct Sentinel(Daemon);

impl Sentinel {
    /// The name by which it knows its master.
    pub const MASTER: &'static str = "shop";

    /// Starts it over the master on this port of 127.0.0.1.
    ///
    /// # Errors
    /// When the program is not there (says how to get it), or it does not start.
    pub fn start(master: u16, options: &SentinelOptions) -> anyhow::Result<Self> {
        let mut daemon = Daemon::new(&options.program.path()?)?;
        daemon.command().arg("--sentinel");
        let (name, quorum) = (Self::MASTER, options.quorum);
        let (down_after, timeout) = (options.down_after, options.failover_timeout);
        let mut lines = vec![
            format!("dir {:?}", daemon.folder()),
            "sentinel announce-ip 127.0.0.1".into(),
            format!("sentinel monitor {name} 127.0.0.1 {master} {quorum}"),
            format!("sentinel down-after-milliseconds {name} {}", down_after.as_millis()),
            format!("sentinel failover-timeout {name} {}", timeout.as_millis()),
            format!("sentinel parallel-syncs {name} 2"),
        ];
        lines.extend(options.source.map(|source| format!("bind-source-addr {source}")));
        lines.extend(options.settings.iter().cloned());
        daemon.configure(&lines)?;
        daemon.start()?;
        let sentinel = Self(daemon);
        if options.is_hurried {
            sentinel.hurry()?;
        }
        Ok(sentinel)
    }

    fn hurry(&self) -> anyhow::Result<()> {
        let mut periods = vec!["SENTINEL", "DEBUG"];
        periods.extend(["INFO-PERIOD", "100", "PUBLISH-PERIOD", "100", "ASK-PERIOD", "100"]);
        // Not more often: a replica not heard of for five of these is never made master, and those
        // of a dead master are asked once a second. Not less: a server that is new to it counts as
        // silent until it has answered for the first time.
        periods.extend(["PING-PERIOD", "300"]);
        // A machine under load makes it doubt its own clock, and then it does nothing for 30 s.
        periods.extend(["TILT-PERIOD", "500"]);
        self.ask(&periods)
    }

    /// The port of 127.0.0.1 that its master has.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn master(&self) -> anyhow::Result<u16> {
        let (_, port): (String, u16) =
            self.0.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::MASTER])?;
        Ok(port)
    }

    /// Whether it takes its master for well, sees so many others, and so many replicas that have
    /// a link to it.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn sees(&self, sentinels: usize, replicas: usize) -> anyhow::Result<bool> {
        type Fields = HashMap<String, String>;
        let master: Fields = self.0.ask(&["SENTINEL", "MASTER", Self::MASTER])?;
        let others: Vec<Fields> = self.0.ask(&["SENTINEL", "SENTINELS", Self::MASTER])?;
        let all: Vec<Fields> = self.0.ask(&["SENTINEL", "REPLICAS", Self::MASTER])?;
        let is = |fields: &Fields, name, value| fields.get(name).is_some_and(|it| it == value);
        let are_well = others.iter().filter(|it| is(it, "flags", "sentinel")).count();
        let linked =
            all.iter().filter(|it| is(it, "flags", "slave") && is(it, "master-link-status", "ok"));
        let is_well = is(&master, "flags", "master");
        Ok(is_well && are_well == sentinels && linked.count() == replicas)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Sends a command by a new connection, and waits for the reply.
    ///
    /// # Errors
    /// When it does not answer within 5 s, or with an error, or with something else than a `T`.
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> anyhow::Result<T> {
        self.0.ask(words)
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.0.kill();
    }

    /// SIGSTOP.
    ///
    /// # Errors
    /// When it is dead.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.0.signal(Signal::STOP)
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// When it is dead.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.0.signal(Signal::CONT)
    }
}
