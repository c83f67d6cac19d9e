//! Where orders are recorded, and who takes the money.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{anyhow, ensure};

use super::values::{PAYMENTS, Values};
use crate::{provider, secret_file};

/// Flags and environment that say where orders are and who takes the money: the same for every
/// command that reads them.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct MoneyArgs {
    #[arg(
        long,
        env = "HOLDFAST_LEDGER",
        hide_env = true,
        value_name = "DATABASE",
        help_heading = PAYMENTS,
        help = "Where orders are recorded: sqlite, a file in the data folder, or a PostgreSQL \
                database such as postgres://user:password@host/database [default: sqlite] \
                [env: HOLDFAST_LEDGER=]"
    )]
    ledger: Option<LedgerPlace>,

    /// File with the ledger's database in it, for its password's sake
    #[arg(long, env = "HOLDFAST_LEDGER_FILE", value_name = "FILE", help_heading = PAYMENTS)]
    ledger_file: Option<PathBuf>,

    /// Who takes the money: simulated, a provider in this process that takes none, or
    /// simulated=URL, one that runs by itself (holdfast provider) [default: simulated]
    #[arg(long, env = "HOLDFAST_PAYMENTS", value_name = "PROVIDER", help_heading = PAYMENTS)]
    payments: Option<Payments>,

    #[arg(
        long,
        value_name = "FILE",
        help_heading = PAYMENTS,
        help = "File with the provider's secret in it; or the secret itself, in the environment \
                [default: one is made for the provider in this process] \
                [env: HOLDFAST_PROVIDER_SECRET=] [env: HOLDFAST_PROVIDER_SECRET_FILE=]"
    )]
    provider_secret_file: Option<PathBuf>,
}

/// Where orders are and who takes the money, decided.
#[derive(Clone, Debug)]
pub(crate) struct Money {
    pub(crate) ledger: LedgerPlace,
    pub(crate) payments: Payments,
    /// The provider's secret, if it was given.
    pub(crate) secret: Option<String>,
}

impl MoneyArgs {
    /// Puts flags and environment over the settings file over the defaults.
    pub(super) fn decide(self, file: &Values) -> anyhow::Result<Money> {
        let is_said = self.ledger.is_some() || self.ledger_file.is_some();
        let (ledger, ledger_file) = if is_said {
            (self.ledger, self.ledger_file)
        } else {
            (file.ledger.clone(), file.ledger_file.clone())
        };
        ensure!(
            ledger.is_none() || ledger_file.is_none(),
            "the ledger is set twice: by --ledger or HOLDFAST_LEDGER (ledger in the settings file), \
             and by --ledger-file or HOLDFAST_LEDGER_FILE (ledger_file): take one of them away"
        );
        let secret_file = self.provider_secret_file.or_else(|| file.provider_secret_file.clone());
        Ok(Money {
            ledger: match (ledger, ledger_file) {
                (Some(place), _) => place,
                (None, Some(file)) => read_place(&file)?,
                (None, None) => LedgerPlace::Sqlite,
            },
            payments: self
                .payments
                .or_else(|| file.payments.clone())
                .unwrap_or(Payments::Simulated),
            secret: provider::given_secret(secret_file)?,
        })
    }
}

fn read_place(file: &std::path::Path) -> anyhow::Result<LedgerPlace> {
    let text = secret_file::read(file, "ledger_file")?;
    text.trim().parse().map_err(|form| anyhow!("{}: {form}", file.display()))
}

/// Where orders are recorded.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum LedgerPlace {
    /// In a file in the data folder.
    Sqlite,
    /// In a PostgreSQL database.
    Postgres(String),
}

impl FromStr for LedgerPlace {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_postgres = ["postgres://", "postgresql://"].iter().any(|it| text.starts_with(it));
        match text {
            "sqlite" => Ok(Self::Sqlite),
            _ if is_postgres => Ok(Self::Postgres(text.to_owned())),
            _ => Err("it must be sqlite, or a database such as postgres://user@host/database"),
        }
    }
}

/// Without the password that may be in it.
impl fmt::Debug for LedgerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for LedgerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Postgres(url) = self else { return f.write_str("sqlite") };
        let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
        // Whatever is in front of the host or behind the database may be a secret.
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        let host = host.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{host}")
    }
}

/// Who takes the money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payments {
    /// A provider that takes none, in this process.
    Simulated,
    /// The same, at an address.
    SimulatedAt(String),
}

impl FromStr for Payments {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            None if text == "simulated" => Ok(Self::Simulated),
            Some(("simulated", url)) if url.starts_with("http://") => {
                Ok(Self::SimulatedAt(url.to_owned()))
            }
            _ => Err("it must be simulated, or simulated=http://127.0.0.1:8090 for one that runs \
                      by itself (holdfast provider)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_shown_without_its_password() {
        for (url, shown) in [
            ("postgres://me:secret@db/shop", "postgres://db/shop"),
            ("postgres://me:se@cret@db:5432/shop", "postgres://db:5432/shop"),
            ("postgresql:///shop?host=/run&password=secret", "postgresql:///shop"),
            ("sqlite", "sqlite"),
        ] {
            let place: LedgerPlace = url.parse().unwrap();
            assert_eq!(place.to_string(), shown);
            assert_eq!(format!("{place:?}"), shown);
        }
        assert!("mysql://db/shop".parse::<LedgerPlace>().is_err());
    }
}
