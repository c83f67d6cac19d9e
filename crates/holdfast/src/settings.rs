//! What can be set: flag over environment over file over default.

mod file;
mod keys;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use file::File;
pub(crate) use keys::{Told, decide as decide_keys};

const SEGMENT_BYTES_MIN: u64 = 4 << 10;
const SEGMENT_BYTES_MAX: u64 = 1 << 30;

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
    /// Address to listen on, an IP address and a port; port 0 takes a free one
    /// [default: 127.0.0.1:8080]
    #[arg(long, env = "HOLDFAST_LISTEN", value_name = "IP:PORT", value_parser = address)]
    listen: Option<SocketAddr>,

    #[command(flatten)]
    place: Place,

    /// Key with which a merchant may do everything; several with commas. Made and printed when
    /// none is given. In the environment: `HOLDFAST_MERCHANT_KEY`
    #[arg(long, value_delimiter = ',', value_name = "KEY")]
    merchant_key: Vec<String>,

    /// File that has merchant keys, one a line; # begins a comment. In the environment:
    /// `HOLDFAST_MERCHANT_KEY_FILE`
    #[arg(long, value_name = "FILE")]
    merchant_key_file: Option<PathBuf>,

    /// File with a key that signs buyers' tokens: an Ed25519 public key (PEM), or an HS256 secret.
    /// Twice, or with a comma, while keys are being changed
    #[arg(long, env = "HOLDFAST_BUYER_KEY", value_delimiter = ',', value_name = "FILE")]
    buyer_key: Vec<PathBuf>,

    /// Length of one file of the journal, 4096 to 1073741824: the step in which disk space is
    /// taken and given back [default: 33554432]
    #[arg(long, env = "HOLDFAST_JOURNAL_SEGMENT_BYTES", value_name = "BYTES")]
    journal_segment_bytes: Option<u64>,

    /// How much is written before the sales are saved whole, which keeps a restart short and the
    /// journal small [default: 67108864]
    #[arg(long, env = "HOLDFAST_SNAPSHOT_BYTES", value_name = "BYTES")]
    snapshot_bytes: Option<u64>,

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

    fn decide(self) -> anyhow::Result<(PathBuf, File)> {
        let mut file = File::read(self.config.as_deref())?;
        let data_dir = self.data_dir.or(file.data_dir.take());
        Ok((data_dir.unwrap_or_else(|| "holdfast-data".into()), file))
    }
}

impl ServeArgs {
    /// Puts flags and environment over the settings file over the defaults.
    pub(crate) fn decide(self) -> anyhow::Result<Settings> {
        self.decide_with(Told::by_environment())
    }

    /// `keys` is what the environment says of the merchant's keys.
    fn decide_with(self, keys: Told) -> anyhow::Result<Settings> {
        let (data_dir, file) = self.place.decide()?;
        let listen = file.listen.as_deref().map(address).transpose();
        let listen = listen.map_err(anyhow::Error::msg).context("listen, in the settings file")?;
        let merchant_key = (!self.merchant_key.is_empty()).then_some(self.merchant_key);
        let keys_by_flag = Told { keys: merchant_key, file: self.merchant_key_file };
        let keys_by_file = Told { keys: file.merchant_key, file: file.merchant_key_file };
        let mut journal = holdfast_store::journal::Options::default();
        if let Some(bytes) = self.journal_segment_bytes.or(file.journal_segment_bytes) {
            let range = SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX;
            let (least, most) = (range.start(), range.end());
            ensure!(range.contains(&bytes), "journal_segment_bytes is not {least} to {most}");
            journal.segment_bytes = bytes;
        }
        let mut engine = holdfast_engine::Options::default();
        if let Some(bytes) = self.snapshot_bytes.or(file.snapshot_bytes) {
            engine.snapshot_bytes = bytes;
        }
        Ok(Settings {
            listen: self.listen.or(listen).unwrap_or((Ipv4Addr::LOCALHOST, 8080).into()),
            data_dir,
            merchant_keys: decide_keys([keys_by_flag, keys, keys_by_file])?,
            buyer_keys: first(self.buyer_key, file.buyer_key),
            journal,
            engine,
            demo: self.demo,
            until_eof: self.until_eof,
        })
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let form = "it must be an IP address and a port, such as 127.0.0.1:8080 or [::]:8080";
    text.parse().map_err(|_| form.to_owned())
}

/// The first list that says anything.
fn first<T>(above: Vec<T>, below: Vec<T>) -> Vec<T> {
    if above.is_empty() { below } else { above }
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

        let args = ServeArgs {
            listen: Some("127.0.0.1:2".parse().unwrap()),
            merchant_key: vec!["from-the-flag-0001".to_owned()],
            snapshot_bytes: Some(2),
            ..ServeArgs::default()
        };
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
            ("journal_segment_bytes = 512", "journal_segment_bytes"),
        ] {
            assert!(refused(text).contains(words), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn a_settings_file_that_was_named_must_be_there() {
        let place = Place { config: Some("/nonexistent/holdfast.toml".into()), data_dir: None };
        assert!(ServeArgs { place, ..ServeArgs::default() }.decide_with(Told::default()).is_err());
    }
}
