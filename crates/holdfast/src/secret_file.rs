//! Files with secrets, named by a setting. Whoever takes the setting for the secret itself must not
//! find it in a log.

use std::error::Error;
use std::path::{Component, Path};

use anyhow::{Context, anyhow};

/// The text of a file that `setting` names.
///
/// # Errors
/// When it cannot be read. What the setting says is shown only if that is a file's name for sure.
pub(crate) fn read(path: &Path, setting: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        if is_there(path) || is_in_a_folder(path) {
            return anyhow!(error)
                .context(format!("read {}, which {setting} names", path.display()));
        }
        anyhow!(
            "{setting} names no file that is there: it takes the name of a file with the secret in \
             it, not the secret itself (what it says is not shown, for it may be one)"
        )
    })
}

/// The same, and what `take` makes of the text.
///
/// # Errors
/// Those of `read`, and those of `take` with the file's name.
pub(crate) fn take<T, E: Error + Send + Sync + 'static>(
    path: &Path,
    setting: &str,
    take: impl FnOnce(&str) -> Result<T, E>,
) -> anyhow::Result<T> {
    let text = read(path, setting)?;
    take(&text).with_context(|| format!("{}, which {setting} names", path.display()))
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Whether it is in a folder that is there and has a name. That there is a `/` in it says little:
/// secrets have one too, also as their first character.
fn is_in_a_folder(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| folder.is_dir());
    folder
        .is_some_and(|folder| folder.components().any(|part| matches!(part, Component::Normal(_))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        let long = "c2VjcmV0/".repeat(60);
        let pem = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0/c2VjcmV0\n-----END PRIVATE KEY-----\n";
        for secret in ["c2VjcmV0", "/c2VjcmV0", "c2VjcmV0/c2VjcmV0", &long, pem] {
            let error = format!("{:#}", read(Path::new(secret), "buyer_key").unwrap_err());
            assert!(error.starts_with("buyer_key names no file that is there"), "{error}");
            assert!(error.contains("not the secret itself") && !error.contains("c2Vj"), "{error}");
        }
    }

    #[test]
    fn a_file_that_can_be_none_but_a_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing.key")] {
            let error = format!("{:#}", read(&path, "buyer_key").unwrap_err());
            let words = format!("read {}, which buyer_key names: ", path.display());
            assert!(error.starts_with(&words), "{error}");
        }
        let path = folder.path().join("there.key");
        std::fs::write(&path, "text").unwrap();
        assert_eq!(read(&path, "buyer_key").unwrap(), "text");
    }
}
