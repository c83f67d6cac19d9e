//! What can be set: flag over environment over file over default.

mod environment;
mod file;
mod keys;
mod kinds;
mod money;
mod store;
mod values;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::ensure;
pub(crate) use environment::refuse_empty as refuse_empty_variables;
use file::File;
use holdfast_http::LimitOptions;
pub(crate) use keys::{Told, decide as decide_keys};
pub(crate) use kinds::Address;
pub(crate) use money::{LedgerPlace, Money, MoneyArgs, Payments};
pub(crate) use store::{Redis, Store};
use values::{DATA, Values};

use crate::files::Connections;

/// Where the settings file is and where the data are: the same for every command.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct Place {
    /// Folder for everything that must survive [default: holdfast-data]
    #[arg(long, env = "HOLDFAST_DATA_DIR", value_name = "FOLDER", help_heading = DATA)]
    data_dir: Option<PathBuf>,

    /// Settings file [default: holdfast.toml, if it is there]
    #[arg(long, env = "HOLDFAST_CONFIG", value_name = "FILE", help_heading = DATA)]
    config: Option<PathBuf>,
}

/// Flags and environment of `serve`.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    place: Place,

    #[command(flatten)]
    values: Values,

    #[command(flatten)]
    money: MoneyArgs,

    /// Open a sale to try things on, and say how
    #[arg(long)]
    demo: bool,

    /// Stop when standard input ends, as it does when the process that started this one dies.
    #[arg(long, hide = true)]
    until_eof: bool,
}

/// A server's settings, all decided.
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    /// Where the metrics are; `None`: at the other address, for merchants.
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) front: holdfast_front::Options,
    pub(crate) connections: Connections,
    pub(crate) limits: LimitOptions,
    pub(crate) data_dir: PathBuf,
    /// The settings file that was read, if one was.
    pub(crate) file: Option<PathBuf>,
    /// Empty: one must be made.
    pub(crate) merchant_keys: Vec<String>,
    pub(crate) buyer_keys: Vec<PathBuf>,
    pub(crate) journal: holdfast_store::journal::Options,
    pub(crate) engine: holdfast_engine::Options,
    pub(crate) store: Store,
    pub(crate) money: Money,
    pub(crate) payments_per_second: NonZeroU32,
    pub(crate) demo: bool,
    pub(crate) until_eof: bool,
}

impl Place {
    /// The data folder, and where orders are and who takes the money.
    pub(crate) fn with_money(self, money: MoneyArgs) -> anyhow::Result<(PathBuf, Money)> {
        let (data_dir, file) = self.decide()?;
        Ok((data_dir, money.decide(&file.values)?))
    }

    /// The data folder, and what the settings file says.
    fn decide(self) -> anyhow::Result<(PathBuf, File)> {
        let mut file = File::read(self.config.as_deref())?;
        let data_dir = self.data_dir.or_else(|| file.values.data_dir.take());
        let data_dir = data_dir.unwrap_or_else(|| "holdfast-data".into());
        ensure!(!data_dir.as_os_str().is_empty(), "data_dir is empty: it must name a folder");
        Ok((data_dir, file))
    }
}

impl ServeArgs {
    /// Puts flags and environment over the settings file over the defaults.
    pub(crate) fn decide(self) -> anyhow::Result<Settings> {
        self.decide_with(Told::by_environment()?)
    }

    /// `keys` is what the environment says of the merchant's keys.
    fn decide_with(self, keys: Told) -> anyhow::Result<Settings> {
        let (data_dir, File { path: file, values: mut below }) = self.place.decide()?;
        let mut above = self.values;
        let merchant_keys = decide_keys([above.take_keys(), keys, below.take_keys()])?;
        let values = above.over(below);
        let is_named = |path: &PathBuf| !path.as_os_str().is_empty();
        ensure!(values.buyer_key.iter().all(is_named), "buyer_key is empty: it must name a file");
        let (front, connections) = values.front()?;
        let money = self.money.decide(&values)?;
        Ok(Settings {
            listen: values.listen().unwrap_or((Ipv4Addr::LOCALHOST, 8080).into()),
            metrics_listen: values.metrics_listen(),
            front,
            connections,
            limits: values.limits(),
            data_dir,
            file,
            merchant_keys,
            journal: values.journal(),
            engine: values.engine(),
            store: Store::decide(&values, &money)?,
            money,
            payments_per_second: values.payments_per_second(),
            buyer_keys: values.buyer_key,
            demo: self.demo,
            until_eof: self.until_eof,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn with_file(text: &str, args: ServeArgs) -> anyhow::Result<Settings> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, text)?;
        let place = Place { config: Some(path), ..args.place };
        ServeArgs { place, ..args }.decide_with(Told::default())
    }

    fn refused(text: &str) -> String {
        format!("{:#}", with_file(text, ServeArgs::default()).err().unwrap())
    }

    #[test]
    fn a_flag_goes_over_the_file_and_the_file_over_the_default() {
        let text = "listen = '127.0.0.1:1'\nmerchant_key = ['from-the-file-0001']\n\
                    journal_segment_bytes = 4096\nsnapshot_bytes = 1";
        let settings = with_file(text, ServeArgs::default()).unwrap();
        assert_eq!(settings.listen.port(), 1);
        assert_eq!(settings.merchant_keys, ["from-the-file-0001"]);
        assert_eq!(settings.data_dir, Path::new("holdfast-data"));
        assert_eq!((settings.journal.segment_bytes, settings.engine.snapshot_bytes), (4_096, 1));

        let values = Values {
            listen: Some("127.0.0.1:2".parse().unwrap()),
            merchant_key: vec!["from-the-flag-0001".to_owned()],
            snapshot_bytes: Some("2".parse().unwrap()),
            ..Values::default()
        };
        let args = ServeArgs { values, ..ServeArgs::default() };
        let settings = with_file(text, args).unwrap();
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.merchant_keys, ["from-the-flag-0001"]);
        assert_eq!(settings.engine.snapshot_bytes, 2);
    }

    #[test]
    fn a_setting_that_makes_no_sense_is_refused_by_name() {
        for (text, words) in [
            ("lissen = '127.0.0.1:1'", "lissen"),
            ("datadir = 'data'", "unknown field `datadir`, expected one of `data_dir`, `listen`"),
            ("data_dir = 7", "`data_dir`: invalid type"),
            ("listen = 'localhost'", "such as 127.0.0.1:8080"),
            ("merchant_key = ['short']", "at least 16"),
            ("merchant_key = ['']", "is empty"),
            ("merchant_key = []", "`merchant_key`: the list is empty"),
            ("buyer_key = []", "`buyer_key`: the list is empty"),
            ("connections = 1\nlisteners = 2", "each of the 2 listeners needs one"),
            ("connections = 0", "`connections`: \"0\": it must be a whole number, 1 to"),
            (
                "shed_rush_ms = '5s'",
                "`shed_rush_ms`: \"5s\": it must be a whole number of milliseconds",
            ),
            ("shed_standing_ms = 0", "shed_standing_ms = 0 must be at least 1"),
            ("merchant_key = 7", "`merchant_key`: it must be a text in quotes, or a list"),
            ("merchant_key = 'a-key-that-is-not-ended", "line 1"),
            ("journal_segment_bytes = 512", "`journal_segment_bytes`: \"512\": it must be"),
            (
                "snapshot_bytes = 1.5",
                "`snapshot_bytes`: it must be a text in quotes or a whole number",
            ),
            (
                "trusted_proxy = ['10.0.0.7', 'shop']",
                "`trusted_proxy`: \"shop\": it must be a network",
            ),
            ("buyer_key = ''", "buyer_key is empty"),
            ("data_dir = ''", "data_dir is empty"),
        ] {
            let told = refused(text);
            assert!(told.contains(words) && !told.contains("a-key-that"), "{text}: {told}");
        }
    }

    #[test]
    fn one_needs_no_list_and_one_address_is_a_network() {
        let text = "merchant_key = 'from-the-file-0001'\ntrusted_proxy = '10.0.0.7'";
        let settings = with_file(text, ServeArgs::default()).unwrap();
        assert_eq!(settings.merchant_keys, ["from-the-file-0001"]);
        assert_eq!(settings.limits.proxies, ["10.0.0.7/32".parse().unwrap()]);
        let text = "trusted_proxy = ['2001:db8::7', '10.0.0.0/8']";
        let proxies = with_file(text, ServeArgs::default()).unwrap().limits.proxies;
        assert_eq!(proxies, ["2001:db8::7/128", "10.0.0.0/8"].map(|net| net.parse().unwrap()));
    }

    #[test]
    fn a_network_of_ipv4_that_is_written_as_ipv6_is_one_of_ipv4() {
        for (text, same) in [
            ("::ffff:127.0.0.0/104", "127.0.0.0/8"),
            ("::ffff:10.0.0.7", "10.0.0.7/32"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ] {
            let settings = with_file(&format!("trusted_proxy = '{text}'"), ServeArgs::default());
            assert_eq!(settings.unwrap().limits.proxies, [same.parse().unwrap()], "{text}");
        }
        let told = refused("trusted_proxy = '::ffff:10.0.0.0/90'");
        assert!(told.contains("write it as IPv4, such as 10.0.0.0/8"), "{told}");
    }

    #[test]
    fn a_settings_file_that_was_named_must_be_there() {
        let place = Place { config: Some("/nonexistent/holdfast.toml".into()), data_dir: None };
        assert!(ServeArgs { place, ..ServeArgs::default() }.decide_with(Told::default()).is_err());
    }
}
