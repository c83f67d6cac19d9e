//! What can be set: flag over environment over file over default.

mod file;
mod keys;
mod values;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use file::File;
use holdfast_http::LimitOptions;
pub(crate) use keys::{Told, decide as decide_keys};
use values::Values;

/// Where the settings file is and where the data are: the same for every command.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct Place {
    /// Folder for everything that must survive [default: holdfast-data]
    #[arg(long, env = "HOLDFAST_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,

    /// Settings file [default: holdfast.toml, if it is there]
    #[arg(long, env = "HOLDFAST_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Flags and environment of `serve`.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    place: Place,

    #[command(flatten)]
    values: Values,

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
    pub(crate) limits: LimitOptions,
    pub(crate) data_dir: PathBuf,
    /// Empty: one must be made.
    pub(crate) merchant_keys: Vec<String>,
    pub(crate) buyer_keys: Vec<PathBuf>,
    pub(crate) journal: holdfast_store::journal::Options,
    pub(crate) engine: holdfast_engine::Options,
    pub(crate) demo: bool,
    pub(crate) until_eof: bool,
}

impl Place {
    /// The data folder.
    pub(crate) fn data_dir(self) -> anyhow::Result<PathBuf> {
        Ok(self.decide()?.0)
    }

    fn decide(self) -> anyhow::Result<(PathBuf, Values)> {
        let file = File::read(self.config.as_deref())?;
        let data_dir = self.data_dir.or(file.data_dir);
        Ok((data_dir.unwrap_or_else(|| "holdfast-data".into()), file.values))
    }
}

impl ServeArgs {
    /// Puts flags and environment over the settings file over the defaults.
    pub(crate) fn decide(self) -> anyhow::Result<Settings> {
        self.decide_with(Told::by_environment())
    }

    /// `keys` is what the environment says of the merchant's keys.
    fn decide_with(self, keys: Told) -> anyhow::Result<Settings> {
        let (data_dir, mut below) = self.place.decide()?;
        let mut above = self.values;
        let merchant_keys = decide_keys([above.take_keys(), keys, below.take_keys()])?;
        let values = above.over(below);
        Ok(Settings {
            listen: values.listen.unwrap_or((Ipv4Addr::LOCALHOST, 8080).into()),
            metrics_listen: values.metrics_listen,
            front: values.front()?,
            limits: values.limits(),
            data_dir,
            merchant_keys,
            journal: values.journal()?,
            engine: values.engine(),
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
            snapshot_bytes: Some(2),
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
            ("listen = 'localhost'", "such as 127.0.0.1:8080"),
            ("merchant_key = ['short']", "at least 16"),
            ("merchant_key = ['']", "is empty"),
            ("connections = 0", "at least one a listener"),
            ("shed_standing_ms = 0", "shed_standing_ms"),
            ("merchant_key = 7", "did not match"),
            ("journal_segment_bytes = 512", "journal_segment_bytes"),
        ] {
            assert!(refused(text).contains(words), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn one_key_needs_no_list() {
        let settings = with_file("merchant_key = 'from-the-file-0001'", ServeArgs::default());
        assert_eq!(settings.unwrap().merchant_keys, ["from-the-file-0001"]);
    }

    #[test]
    fn a_settings_file_that_was_named_must_be_there() {
        let place = Place { config: Some("/nonexistent/holdfast.toml".into()), data_dir: None };
        assert!(ServeArgs { place, ..ServeArgs::default() }.decide_with(Told::default()).is_err());
    }
}
