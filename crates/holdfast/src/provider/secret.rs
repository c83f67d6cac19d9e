//! The provider's secret: given as it is or in a file, by flag or else by the environment.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{bail, ensure};

use crate::secret_file;

const SECRET_VARIABLE: &str = "HOLDFAST_PROVIDER_SECRET";
const FILE_VARIABLE: &str = "HOLDFAST_PROVIDER_SECRET_FILE";

/// A secret that is shorter could be guessed.
const BYTES_MIN: usize = 16;

/// The secret, if one is given. What flags say goes over what the environment says.
pub(crate) fn given(
    secret: Option<String>,
    file: Option<PathBuf>,
    flag: &str,
) -> anyhow::Result<Option<String>> {
    let by_flag = secret.is_some() || file.is_some();
    let (secret, file) = if by_flag { (secret, file) } else { by_environment()? };
    let secret = match (secret, file) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => bail!("set {SECRET_VARIABLE} or {FILE_VARIABLE}, and not both"),
        (Some(secret), None) => secret,
        (None, Some(file)) => secret_file::read(&file, flag)?.trim().to_owned(),
    };
    check(&secret)?;
    Ok(Some(secret))
}

/// Refuses a secret that could be guessed, or that no request could bring.
pub(crate) fn check(secret: &str) -> anyhow::Result<()> {
    let visible = secret.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(
        visible && secret.len() >= BYTES_MIN,
        "the provider's secret has at least {BYTES_MIN} visible ASCII characters, and no others"
    );
    Ok(())
}

/// Not read by clap, which would let a file that the environment names stand beside a secret that a
/// flag gives.
fn by_environment() -> anyhow::Result<(Option<String>, Option<PathBuf>)> {
    let [secret, file] = [SECRET_VARIABLE, FILE_VARIABLE].map(std::env::var_os);
    let Ok(secret) = secret.map(OsString::into_string).transpose() else {
        bail!("the environment variable {SECRET_VARIABLE} is not UTF-8")
    };
    Ok((secret, file.map(PathBuf::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_could_be_guessed_or_never_be_sent_is_refused_unseen() {
        for secret in ["", "short", "with a space in it", "pass-phräse-of-the-shop"] {
            let error = given(Some(secret.to_owned()), None, "").unwrap_err().to_string();
            assert!(error.contains("at least 16 visible"), "{error}");
            assert!(secret.is_empty() || !error.contains(secret), "{error}");
        }
    }

    #[test]
    fn a_file_has_the_secret_on_one_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a-secret-in-a-file\n").unwrap();
        let read = given(None, Some(file.path().to_owned()), "--secret-file").unwrap();
        assert_eq!(read.as_deref(), Some("a-secret-in-a-file"));
        std::fs::write(file.path(), "two-lines-are-too\nmany-for-one-secret\n").unwrap();
        assert!(given(None, Some(file.path().to_owned()), "--secret-file").is_err());
    }
}
