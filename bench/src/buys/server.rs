//! The servers to compare: each started afresh for every run, on a state in which nothing is held.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use clap::ValueEnum;
use holdfast_testkit::build::program;
use holdfast_testkit::{Postgres, Process};
use serde::Serialize;
use tempfile::TempDir;

use super::redis::{Flush, Redis, free_port};
use super::{GONE, OPEN, build, process, shop};

/// Units in the tier that has enough for all.
pub(super) const ENOUGH: u32 = 10_000_000;

const MERCHANT_KEY: &str = "a-merchant-key-for-the-benchmark";
/// Nobody pays: there is no provider.
const NO_PROVIDER: &str = "simulated=http://127.0.0.1:9";
const SECRET: &str = "a secret for the benchmark, of more than 32 bytes";

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// `holdfast serve`, with its journal on disk.
    Holdfast,
    /// The same with its sales in Redis, which flushes before it answers.
    Redis,
    /// The same with three data nodes, of which two must have an entry on disk.
    RedisThree,
    /// Three servers of Holdfast that sell the same sale, over three data nodes.
    ThreeOnRedis,
    /// The same listener and authentication around a handler that decides nothing.
    Axum,
    /// A loop that answers the same bytes to everyone.
    Epoll,
    /// The common design: Go's net/http, a client pool, one Lua script in Redis over TCP.
    Go,
    /// The same with Redis behind a socket file, as only one machine can have it.
    GoUnix,
}

impl Kind {
    /// Servers of Holdfast and data nodes of Redis, for one that has its sales there.
    fn on_redis(self) -> Option<(usize, usize)> {
        match self {
            Self::Redis => Some((1, 1)),
            Self::RedisThree => Some((1, 3)),
            Self::ThreeOnRedis => Some((3, 3)),
            _ => None,
        }
    }

    pub(super) fn is_on_redis(self) -> bool {
        self.on_redis().is_some()
    }
}

/// Where servers are made.
pub(super) struct Stage {
    folder: PathBuf,
    buyer_key: PathBuf,
    core: usize,
    holdfast: Option<PathBuf>,
    go: Option<PathBuf>,
    /// For orders and for the row that says which Redis reigns: no buy asks it for anything.
    postgres: Option<Postgres>,
    /// Each run has a database of its own.
    databases: Cell<usize>,
    _keys: TempDir,
}

/// A server that runs, or several that sell the same.
#[derive(Default)]
pub(super) struct Server {
    addresses: Vec<SocketAddr>,
    /// Those that listen.
    listening: Vec<Process>,
    /// The servers of Redis that they rest on.
    data: Vec<Process>,
    folder: Option<TempDir>,
}

impl Stage {
    /// Builds what is asked for, but for a server that is there.
    pub(super) fn new(
        folder: &Path,
        kinds: &[Kind],
        core: usize,
        holdfast: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let is_ours = |kind: &Kind| *kind == Kind::Holdfast || kind.is_on_redis();
        let is_missing = holdfast.is_none() && kinds.iter().any(is_ours);
        let holdfast = if is_missing { Some(program("holdfast")?) } else { holdfast };
        let has_go = kinds.contains(&Kind::Go) || kinds.contains(&Kind::GoUnix);
        let go = has_go.then(build::go).transpose()?;
        let is_shared = kinds.iter().any(|kind| kind.is_on_redis());
        let postgres = is_shared.then(Postgres::start).transpose()?;
        let keys = tempfile::tempdir()?;
        let buyer_key = keys.path().join("buyer.key");
        std::fs::write(&buyer_key, SECRET)?;
        let (folder, databases) = (folder.to_owned(), Cell::new(0));
        Ok(Self { folder, buyer_key, core, holdfast, go, postgres, databases, _keys: keys })
    }

    /// The secret that signs for buyers.
    pub(super) fn secret(&self) -> &'static str {
        SECRET
    }

    /// Starts a server on an empty folder.
    pub(super) fn start(&self, kind: Kind) -> anyhow::Result<Server> {
        let made = tempfile::Builder::new().prefix("buys-").tempdir_in(&self.folder)?;
        let folder = made.path().to_owned();
        let mut server = Server { folder: Some(made), ..Server::default() };
        match kind {
            Kind::Holdfast => self.listen(&mut server, self.holdfast(&folder)?)?,
            Kind::Redis | Kind::RedisThree | Kind::ThreeOnRedis => {
                self.on_redis(&mut server, kind, &folder)?;
            }
            Kind::Axum => {
                let mut command = self.floor("axum")?;
                command.arg("--buyer-key").arg(&self.buyer_key);
                self.listen(&mut server, command)?;
            }
            Kind::Epoll => self.listen(&mut server, self.floor("epoll")?)?,
            Kind::Go | Kind::GoUnix => {
                let port = if kind == Kind::Go { Some(free_port()?) } else { None };
                let folder = folder.join("redis");
                let redis = Redis::start(&folder, self.core, Flush::EverySecond, port, None)?;
                let dial = match port {
                    Some(port) => format!("tcp:127.0.0.1:{port}"),
                    None => format!("unix:{}", redis.socket.display()),
                };
                server.data.push(redis.process);
                self.listen(&mut server, self.go(&dial)?)?;
            }
        }
        if kind == Kind::Holdfast || kind.is_on_redis() {
            shop::open(server.addresses[0], MERCHANT_KEY)?;
        }
        Ok(server)
    }

    fn listen(&self, server: &mut Server, mut command: Command) -> anyhow::Result<()> {
        let mut process = process::start(&mut command, self.core)?;
        let address = process.address();
        server.listening.push(process);
        server.addresses.push(address?);
        Ok(())
    }

    /// Data nodes of Redis, and servers of Holdfast over them that sign with one key.
    fn on_redis(&self, server: &mut Server, kind: Kind, folder: &Path) -> anyhow::Result<()> {
        let (servers, nodes) = kind.on_redis().context("it is on Redis")?;
        let mut redis: Vec<Redis> = Vec::new();
        for node in 0..nodes {
            let folder = folder.join(format!("redis-{node}"));
            let (port, master) = (Some(free_port()?), redis.first());
            redis.push(Redis::start(&folder, self.core, Flush::Always, port, master)?);
        }
        redis[0].await_replicas(nodes - 1)?;
        let store = format!("redis://127.0.0.1:{}", redis[0].port);
        server.data.extend(redis.into_iter().map(|redis| redis.process));
        let postgres = self.postgres.as_ref().context("it was started")?;
        let database = self.databases.replace(self.databases.get() + 1);
        let ledger = postgres.create(&format!("run_{database}"))?;
        for number in 0..servers {
            let own = folder.join(format!("holdfast-{number}"));
            std::fs::create_dir(&own)?;
            if number > 0 {
                let key = "receipt.key";
                std::fs::copy(folder.join("holdfast-0").join(key), own.join(key))?;
            }
            let mut command = self.holdfast(&own)?;
            command
                .args(["--store", &store, "--redis-data-nodes", &nodes.to_string()])
                .args(["--ledger", &ledger, "--payments", NO_PROVIDER])
                .env("HOLDFAST_PROVIDER_SECRET", MERCHANT_KEY)
                .env("RUST_LOG", "error");
            self.listen(server, command)?;
        }
        Ok(())
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
}

impl Server {
    /// Where it listens; each of the several.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The processes that listen.
    pub(super) fn pids(&self) -> BTreeSet<u32> {
        self.listening.iter().flat_map(process::pids).collect()
    }

    /// Those of Redis.
    pub(super) fn data_pids(&self) -> BTreeSet<u32> {
        self.data.iter().flat_map(process::pids).collect()
    }

    pub(super) fn stop(self) -> anyhow::Result<()> {
        let Self { listening, data, folder, .. } = self;
        listening.into_iter().chain(data).try_for_each(Process::stop)?;
        drop(folder);
        Ok(())
    }
}
