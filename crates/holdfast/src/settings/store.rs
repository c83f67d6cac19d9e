//! Where the sales are: in this process's own journal, or in Redis for several servers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{anyhow, ensure};
use holdfast_store::redis;

use super::money::{LedgerPlace, Money, Payments};
use super::values::Values;
use crate::secret_file;

/// Where the sales are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StorePlace {
    /// In the journal in the data folder.
    Embedded,
    /// In Redis.
    Redis(redis::Place),
}

impl FromStr for StorePlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "embedded" => Ok(Self::Embedded),
            _ => redis::Place::read(text)
                .map(Self::Redis)
                .map_err(|why| format!("{why}. It must be embedded, or such as redis://host:6379")),
        }
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::Redis(place) => fmt::Display::fmt(place, f),
        }
    }
}

/// The store, decided.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    Embedded,
    Redis(Redis),
}

/// Redis, and what is said of it.
#[derive(Clone, Debug)]
pub(crate) struct Redis {
    pub(crate) place: redis::Place,
    pub(crate) data_nodes: u32,
    pub(crate) allow_volatile: bool,
    /// The ledger's database.
    pub(crate) ledger: String,
}

impl Store {
    /// Decides where the sales are; what several servers cannot share is refused.
    pub(super) fn decide(values: &Values, money: &Money) -> anyhow::Result<Self> {
        ensure!(
            values.store.is_none() || values.store_file.is_none(),
            "the store is set twice: by store (--store, HOLDFAST_STORE) and by store_file \
             (--store-file, HOLDFAST_STORE_FILE): take one of them away"
        );
        let place = match &values.store_file {
            Some(file) => Some(read_place(file)?),
            None => values.store.clone(),
        };
        let Some(StorePlace::Redis(place)) = place else {
            ensure!(
                values.redis_data_nodes.is_none() && !values.allow_volatile,
                "--redis-data-nodes and --allow-volatile are about Redis, and the store is embedded: \
                 say --store redis://… as well, or leave them out"
            );
            return Ok(Self::Embedded);
        };
        let LedgerPlace::Postgres(ledger) = &money.ledger else {
            anyhow::bail!(
                "sales in Redis need orders in PostgreSQL, which several servers can share and \
                 which says what reigns when Redis fails: --ledger postgres://user@host/database"
            )
        };
        ensure!(
            money.payments != Payments::Simulated,
            "servers that share their sales need one provider, not one in each of them: run \
             holdfast provider, and say --payments simulated=http://…"
        );
        let data_nodes = values.redis_data_nodes()?.ok_or_else(|| {
            anyhow!(
                "say how many data nodes Redis has, the master with them: --redis-data-nodes 1 for \
                 one server, 3 for a master with two replicas. An entry counts once more than half \
                 of them have it on disk"
            )
        })?;
        let allow_volatile = values.allow_volatile;
        Ok(Self::Redis(Redis { place, data_nodes, allow_volatile, ledger: ledger.clone() }))
    }
}

fn read_place(file: &Path) -> anyhow::Result<StorePlace> {
    let text = secret_file::read(file, "store_file")?;
    text.trim().parse().map_err(|form| anyhow!("{}: {form}", PathBuf::from(file).display()))
}
