//! The settings file, `holdfast.toml`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

/// The settings file that is read if it is there.
const DEFAULT: &str = "holdfast.toml";

/// What the settings file may say: the same names as the flags, with underscores.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) listen: Option<String>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) merchant_key: Option<Vec<String>>,
    pub(super) merchant_key_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) buyer_key: Vec<PathBuf>,
    pub(super) journal_segment_bytes: Option<u64>,
    pub(super) snapshot_bytes: Option<u64>,
}

impl File {
    /// Reads the file that was named, or else the default one if it is there.
    pub(super) fn read(named: Option<&Path>) -> anyhow::Result<Self> {
        let path = named.unwrap_or(Path::new(DEFAULT));
        if named.is_none() && !path.exists() {
            return Ok(Self::default());
        }
        let doing = || format!("read settings from {}", path.display());
        let text = std::fs::read_to_string(path).with_context(doing)?;
        toml::from_str(&text).with_context(doing)
    }
}
