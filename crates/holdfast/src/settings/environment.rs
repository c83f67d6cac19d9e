//! What the environment says.

use std::ffi::OsString;

use anyhow::bail;

const PREFIX: &str = "HOLDFAST_";

/// Refuses a variable that is set and says nothing: whoever set it meant something, and what they
/// get without it may not be that.
///
/// # Errors
/// Naming the first such variable.
pub(crate) fn refuse_empty() -> anyhow::Result<()> {
    refuse_empty_in(std::env::vars_os())
}

fn refuse_empty_in(variables: impl Iterator<Item = (OsString, OsString)>) -> anyhow::Result<()> {
    for (name, value) in variables {
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && value.is_empty() {
            bail!("the environment variable {name} is empty: give it a value, or unset it");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_of_ours_that_is_empty_is_refused_by_name() {
        let check = |name: &str, value: &str| {
            refuse_empty_in(std::iter::once((name.into(), value.into())))
                .map_err(|error| error.to_string())
        };
        for name in ["HOLDFAST_LISTEN", "HOLDFAST_LIMIT_KEY", "HOLDFAST_MERCHANT_KEY_FILE"] {
            let error = check(name, "").unwrap_err();
            assert!(error.contains(name) && error.contains("unset it"), "{error}");
            assert_eq!(check(name, "x"), Ok(()));
        }
        assert_eq!(check("HOME", ""), Ok(()));
    }
}
