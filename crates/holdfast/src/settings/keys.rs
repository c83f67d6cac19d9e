//! The merchant's keys: one setting, told as keys, as a file of keys, or as both.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use holdfast_http::MerchantKeys;

use crate::secret_file;

const KEY_VARIABLE: &str = "HOLDFAST_MERCHANT_KEY";
const FILE_VARIABLE: &str = "HOLDFAST_MERCHANT_KEY_FILE";

/// What every key is made of.
const VISIBLE: &str = "a merchant key has visible ASCII characters only";

/// A key that is shorter could be guessed.
const KEY_BYTES_MIN: usize = 16;

/// What one level of the settings (flags, the environment or the settings file) says of the keys.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) keys: Option<Vec<String>>,
    pub(crate) file: Option<PathBuf>,
}

impl Told {
    /// What the environment says. Not read by clap, which would let a file that the environment
    /// names stand beside a key that a flag gives.
    ///
    /// # Errors
    /// When a key is there that is no text.
    pub(crate) fn by_environment() -> anyhow::Result<Self> {
        let [keys, file] = [KEY_VARIABLE, FILE_VARIABLE].map(std::env::var_os);
        let keys = keys.map(OsString::into_string).transpose();
        // What is no text is not shown either: it may be a key.
        let Ok(keys) = keys else {
            bail!("the environment variable {KEY_VARIABLE} is not UTF-8: {VISIBLE}")
        };
        let keys = keys.map(|keys| keys.split(',').map(str::to_owned).collect());
        Ok(Self { keys, file: file.map(PathBuf::from) })
    }

    fn says_anything(&self) -> bool {
        self.keys.is_some() || self.file.is_some()
    }

    fn read(self) -> anyhow::Result<Vec<String>> {
        let keys = self.keys.unwrap_or_default().into_iter();
        let mut keys: Vec<String> = keys.map(|key| key.trim().to_owned()).collect();
        ensure!(keys.iter().all(|key| !key.is_empty()), "a merchant key is empty");
        if let Some(path) = &self.file {
            keys.extend(read_keys(path)?);
        }
        keys.iter().try_for_each(|key| check(key))?;
        Ok(keys)
    }
}

/// The keys of the first level that says anything; empty if none does.
pub(crate) fn decide<const N: usize>(levels: [Told; N]) -> anyhow::Result<Vec<String>> {
    levels.into_iter().find(Told::says_anything).map_or(Ok(Vec::new()), Told::read)
}

/// The keys in a file, one a line; blank lines and comments after `#` are skipped.
fn read_keys(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = secret_file::read(path, "merchant_key_file")?;
    let lines = text.lines().map(str::trim);
    let keys: Vec<String> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    ensure!(!keys.is_empty(), "{} has no merchant key in it", path.display());
    Ok(keys)
}

/// Refuses a key that could be guessed, or that no request could bring; and a hash that is none.
fn check(key: &str) -> anyhow::Result<()> {
    MerchantKeys::new([key])?;
    ensure!(key.len() >= KEY_BYTES_MIN, "a merchant key has at least {KEY_BYTES_MIN} characters");
    let visible = key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    ensure!(visible, VISIBLE);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAG: &str = "from-the-flag-0001";
    const FILE: &str = "from-the-file-0001";

    fn told(keys: &[&str], file: Option<&str>) -> Told {
        let keys = (!keys.is_empty()).then(|| keys.iter().map(ToString::to_string).collect());
        Told { keys, file: file.map(PathBuf::from) }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_key_from_above_replaces_a_key_file_from_below_and_the_other_way_round() {
        let secret = file(FILE);
        let path = secret.path().to_str();
        let keys = decide([told(&[FLAG], None), told(&[], path)]).unwrap();
        assert_eq!(keys, [FLAG]);
        let keys = decide([told(&[], path), told(&[FLAG], None)]).unwrap();
        assert_eq!(keys, [FILE]);
        let both = decide([told(&[FLAG], path), told(&["another-key-that-is-not-used"], None)]);
        assert_eq!(both.unwrap(), [FLAG, FILE]);
        assert!(decide([Told::default(), Told::default()]).unwrap().is_empty());
    }

    #[test]
    fn comments_and_blank_lines_in_a_key_file_are_no_keys() {
        let secret = file(&format!("# the shop's key, since 2026\n\n  {FILE}  \n# old: x\n"));
        assert_eq!(read_keys(secret.path()).unwrap(), [FILE]);
    }

    #[test]
    fn a_key_that_was_named_and_is_not_there_is_refused() {
        for keys in [&[""][..], &[" "], &[FLAG, ""]] {
            let error = decide([told(keys, None)]).unwrap_err();
            assert!(error.to_string().contains("is empty"), "{error}");
        }
        for text in ["", "\n", "# only a comment\n"] {
            let secret = file(text);
            let named = told(&[], secret.path().to_str());
            let error = decide([named, told(&[FLAG], None)]).unwrap_err();
            assert!(error.to_string().contains("has no merchant key"), "{error}");
        }
        assert!(decide([told(&[], Some("/nonexistent")), told(&[FLAG], None)]).is_err());
    }

    #[test]
    fn a_hash_that_is_none_is_refused_as_one() {
        for key in ["sha256:abc", "sha256:a-key-and-not-its-hash"] {
            let error = decide([told(&[key], None)]).unwrap_err().to_string();
            assert!(error.contains("64 hexadecimal digits"), "{error}");
        }
    }

    #[test]
    fn of_a_line_that_sha256sum_prints_it_is_said_what_to_cut() {
        let hash = "0123456789abcdef".repeat(4);
        for line in [format!("{hash}  -"), format!("sha256:{hash}  merchant.keys")] {
            let secret = file(&line);
            for told in [told(&[&line], None), told(&[], secret.path().to_str())] {
                let error = format!("{:#}", decide([told]).unwrap_err());
                assert!(error.contains("cut the spaces and the file's name"), "{error}");
                assert!(!error.contains(&hash), "{error}");
            }
        }
        assert!(decide([told(&[&format!("sha256:{hash}")], None)]).is_ok());
    }

    #[test]
    fn a_key_that_could_be_guessed_or_never_be_sent_is_refused() {
        for key in ["short", "pass-phräse-of-the-shop"] {
            assert!(decide([told(&[key], None)]).is_err(), "{key}");
        }
    }
}
