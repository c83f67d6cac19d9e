//! The settings file, `holdfast.toml`.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::values::Values;

/// The settings file that is read if it is there.
const DEFAULT: &str = "holdfast.toml";

/// What the settings file says.
#[derive(Debug, Default)]
pub(super) struct File {
    /// Which file that was; `None`: none.
    pub(super) path: Option<PathBuf>,
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
        let table = toml::from_str(&text);
        let table: toml::Table =
            table.map_err(|error| in_line(&error, &text)).with_context(doing)?;
        let values = table.try_into().map_err(|error| in_setting(&error));
        Ok(Self { path: Some(path.to_owned()), values: values.with_context(doing)? })
    }
}

/// What is wrong and in which line. The line itself is not shown: a key may be in it.
fn in_line(error: &toml::de::Error, text: &str) -> anyhow::Error {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    anyhow!("line {line}: {}", error.message())
}

/// What is wrong and with which setting, on one line.
fn in_setting(error: &toml::de::Error) -> anyhow::Error {
    let text = error.to_string();
    let text = text.trim();
    text.rsplit_once("\nin ")
        .map_or_else(|| anyhow!("{text}"), |(why, name)| anyhow!("{name}: {why}"))
}
