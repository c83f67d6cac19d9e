//! Where orders are recorded, and who takes the money.

use std::fmt;
use std::str::FromStr;

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
