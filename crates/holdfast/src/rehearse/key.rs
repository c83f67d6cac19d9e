//! The merchant's key that a rehearsal brings: one, and the key itself.

use std::path::Path;

use anyhow::{Context, bail, ensure};

use super::args::RehearseArgs;
use crate::secret_file;
use crate::settings::{Told, decide_keys};

/// A server takes the hash of a key instead of the key; whoever asks needs the key.
const HASH: &str = "sha256:";

impl RehearseArgs {
    /// The key for the target, by flag or else by the environment.
    pub(super) fn merchant_key(&self) -> anyhow::Result<String> {
        let keys = self.merchant_key.clone().map(|key| vec![key]);
        let by_flag = Told { keys, file: self.merchant_key_file.clone() };
        let told = match by_flag {
            Told { keys: None, file: None } => Told::by_environment()?,
            told => told,
        };
        if let Some(file) = &told.file {
            check(file)?;
        }
        let keys = decide_keys([told])?;
        ensure!(
            keys.len() < 2,
            "{} merchant keys are given, but a rehearsal comes with one",
            keys.len()
        );
        let key = keys.into_iter().next().context(
            "--target needs that server's merchant key: --merchant-key-file FILE, or \
             HOLDFAST_MERCHANT_KEY in the environment",
        )?;
        ensure!(!key.starts_with(HASH), "{}", is_hash("the merchant key"));
        Ok(key)
    }
}

/// Refuses a file that is a server's list of keys, and says which line is in the way.
fn check(file: &Path) -> anyhow::Result<()> {
    let name = file.display();
    let text = secret_file::read(file, "--merchant-key-file")?;
    let lines = (1..).zip(text.lines().map(str::trim));
    let mut keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let Some((first, key)) = keys.next() else { return Ok(()) };
    if let Some((second, _)) = keys.next() {
        bail!(
            "{name} has more than one merchant key, on lines {first} and {second}; a rehearsal comes \
             with one: put that into a file of its own"
        );
    }
    ensure!(!key.starts_with(HASH), "{}", is_hash(&format!("{name}, line {first},")));
    Ok(())
}

fn is_hash(what: &str) -> String {
    format!(
        "{what} is the hash of a merchant key ({HASH}...), which is for a server; a rehearsal needs \
         the key itself"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_is_taken_and_what_is_a_servers_list_is_refused_by_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let checked = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            check(file.path()).map_err(|error| error.to_string())
        };
        assert_eq!(checked("# since 2026\n\n a-key-of-the-shop-0001 \n"), Ok(()));
        let two = checked("# ours\na-key-of-the-shop-0001\n\na-key-of-the-shop-0002\n");
        assert!(two.unwrap_err().contains("on lines 2 and 4"));
        let hash = checked(&format!("\nsha256:{}\n", "0".repeat(64))).unwrap_err();
        assert!(hash.contains("line 2, is the hash"), "{hash}");
        assert!(hash.contains("the key itself"), "{hash}");
    }
}
