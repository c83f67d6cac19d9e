//! How a server is started.

use std::net::Ipv4Addr;
use std::path::Path;

use super::Program;

/// What a server keeps on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing.
    None,
    /// A snapshot now and then, as Debian's package has it.
    Rdb,
    /// Every write, flushed each second.
    EverySecond,
    /// Every write, flushed before it is answered.
    #[default]
    Always,
}

/// How a server is started. The default is what Holdfast asks of one: Redis 7.0, every write
/// flushed, nothing evicted.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// Which program.
    pub program: Program,
    /// What it keeps on disk.
    pub persistence: Persistence,
    /// The port of 127.0.0.1 of the master whose replica it is.
    pub replica_of: Option<u16>,
    /// `maxmemory-policy`; `noeviction` if it is not said.
    pub maxmemory_policy: Option<String>,
    /// The port that others are told, if it is not its own: that of a proxy before it.
    pub announced_port: Option<u16>,
    /// The address of loopback from which it connects to its master.
    pub source: Option<Ipv4Addr>,
    /// Whether its clock can be stepped. Not with [`Program::Redis7`]: Debian's does not start so.
    pub has_own_clock: bool,
    /// Further lines of its configuration.
    pub settings: Vec<String>,
}

impl RedisOptions {
    /// Those of a program.
    pub fn of(program: Program) -> Self {
        Self { program, ..Self::default() }
    }

    /// Its configuration, with its files in this folder.
    pub(super) fn lines(&self, data: &Path) -> Vec<String> {
        // A replica is served at once, not with others who may come within 5 s.
        let mut lines = vec![format!("dir {data:?}"), "repl-diskless-sync-delay 0".into()];
        lines.extend(
            match self.persistence {
                Persistence::None => &["save \"\"", "appendonly no"][..],
                Persistence::Rdb => &["save 3600 1 300 100 60 10000", "appendonly no"],
                Persistence::EverySecond => {
                    &["save \"\"", "appendonly yes", "appendfsync everysec"]
                }
                Persistence::Always => &["save \"\"", "appendonly yes", "appendfsync always"],
            }
            .iter()
            .map(|&line| line.to_owned()),
        );
        let policy = self.maxmemory_policy.as_deref().unwrap_or("noeviction");
        lines.push(format!("maxmemory-policy {policy}"));
        lines.extend(self.replica_of.map(|port| format!("replicaof 127.0.0.1 {port}")));
        if let Some(port) = self.announced_port {
            lines.push("replica-announce-ip 127.0.0.1".into());
            lines.push(format!("replica-announce-port {port}"));
        }
        lines.extend(self.source.map(|source| format!("bind-source-addr {source}")));
        lines.extend(self.settings.iter().cloned());
        lines
    }
}
