//! The settings file, `holdfast.toml`.

use std::path::{Path, PathBuf};

use super::values::Values;
use anyhow::Context;

/// The settings file that is read if it is there.
const DEFAULT: &str = "holdfast.toml";

/// What the settings file says: where the data are, and the rest.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) values: Values,
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
        let mut table: toml::Table = toml::from_str(&text).with_context(doing)?;
        let data_dir = table.remove("data_dir").map(toml::Value::try_into).transpose();
        let data_dir = data_dir.context("data_dir").with_context(doing)?;
        Ok(Self { data_dir, values: table.try_into().with_context(doing)? })
    }
}
