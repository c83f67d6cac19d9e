//! What can be set about a server: flag over environment over file over default.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Deserialize;

/// The settings file that is read if it is there.
const DEFAULT_FILE: &str = "holdfast.toml";

/// Flags and environment of `serve`.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct ServeArgs {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "HOLDFAST_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,

    /// Folder for everything that must survive; made if it is missing [default: holdfast-data]
    #[arg(long, env = "HOLDFAST_DATA_DIR", value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Key with which a merchant may do everything; several with commas. Made and printed when
    /// none is given
    #[arg(
        long,
        env = "HOLDFAST_MERCHANT_KEY",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "KEY"
    )]
    pub(crate) merchant_key: Vec<String>,

    /// File that has merchant keys, one a line
    #[arg(long, env = "HOLDFAST_MERCHANT_KEY_FILE", value_name = "FILE")]
    pub(crate) merchant_key_file: Option<PathBuf>,

    /// File with a key that signs buyers' tokens: an Ed25519 public key (PEM), or an HS256 secret.
    /// Twice, or with a comma, while keys are being changed
    #[arg(long, env = "HOLDFAST_BUYER_KEY", value_delimiter = ',', value_name = "FILE")]
    pub(crate) buyer_key: Vec<PathBuf>,

    /// Open a sale to try things on, and say how
    #[arg(long)]
    pub(crate) demo: bool,

    /// Settings file [default: holdfast.toml, if it is there]
    #[arg(long, env = "HOLDFAST_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// What the settings file may say: the same names as the flags, with underscores.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    data_dir: Option<PathBuf>,
    #[serde(default)]
    merchant_key: Vec<String>,
    merchant_key_file: Option<PathBuf>,
    #[serde(default)]
    buyer_key: Vec<PathBuf>,
}

/// A server's settings, all decided.
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    /// Empty: one must be made.
    pub(crate) merchant_keys: Vec<String>,
    pub(crate) buyer_keys: Vec<PathBuf>,
    pub(crate) demo: bool,
}

impl ServeArgs {
    /// Puts flags and environment over the settings file over the defaults.
    pub(crate) fn decide(self) -> anyhow::Result<Settings> {
        let file = read_file(self.config.as_deref())?;
        let mut merchant_keys = first(self.merchant_key, file.merchant_key);
        if let Some(path) = self.merchant_key_file.or(file.merchant_key_file) {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("read merchant keys from {}", path.display()))?;
            merchant_keys.extend(text.lines().map(str::trim).map(str::to_owned));
        }
        merchant_keys.retain(|key| !key.is_empty());
        let strong = merchant_keys.iter().all(|key| key.len() >= 16);
        ensure!(strong, "a merchant key has at least 16 characters");
        Ok(Settings {
            listen: self.listen.or(file.listen).unwrap_or((Ipv4Addr::LOCALHOST, 8080).into()),
            data_dir: self.data_dir.or(file.data_dir).unwrap_or_else(|| "holdfast-data".into()),
            merchant_keys,
            buyer_keys: first(self.buyer_key, file.buyer_key),
            demo: self.demo,
        })
    }
}

/// The first list that says anything.
fn first<T>(above: Vec<T>, below: Vec<T>) -> Vec<T> {
    if above.is_empty() { below } else { above }
}

fn read_file(named: Option<&Path>) -> anyhow::Result<File> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    if named.is_none() && !path.exists() {
        return Ok(File::default());
    }
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("read settings from {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("read settings from {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, args: ServeArgs) -> anyhow::Result<Settings> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, text)?;
        ServeArgs { config: Some(path), ..args }.decide()
    }

    #[test]
    fn a_flag_goes_over_the_file_and_the_file_over_the_default() {
        let text = "listen = '127.0.0.1:1'\nmerchant_key = ['from-the-file-0001']";
        let settings = with_file(text, ServeArgs::default()).unwrap();
        assert_eq!(settings.listen.port(), 1);
        assert_eq!(settings.merchant_keys, ["from-the-file-0001"]);
        assert_eq!(settings.data_dir, Path::new("holdfast-data"));

        let listen = Some("127.0.0.1:2".parse().unwrap());
        let merchant_key = vec!["from-the-flag-0001".to_owned()];
        let args = ServeArgs { listen, merchant_key, ..ServeArgs::default() };
        let settings = with_file(text, args).unwrap();
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.merchant_keys, ["from-the-flag-0001"]);
    }

    #[test]
    fn a_misspelt_setting_is_refused_by_name() {
        let error = with_file("lissen = '127.0.0.1:1'", ServeArgs::default()).err().unwrap();
        assert!(format!("{error:#}").contains("lissen"), "{error:#}");
    }

    #[test]
    fn a_weak_merchant_key_is_refused() {
        assert!(with_file("merchant_key = ['short']", ServeArgs::default()).is_err());
    }

    #[test]
    fn a_settings_file_that_was_named_must_be_there() {
        let config = Some("/nonexistent/holdfast.toml".into());
        assert!(ServeArgs { config, ..ServeArgs::default() }.decide().is_err());
    }
}
