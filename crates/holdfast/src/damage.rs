//! What to do about a journal whose bytes are not those that were written.

use std::error::Error;

use anyhow::anyhow;
use holdfast_engine::OpenError;
use holdfast_store::StoreError;

/// A journal that is refused at its opening is as it was. One whose snapshot is found damaged after
/// that may have lost a write that a crash had cut short, and nothing else.
const ADVICE: &str = "no record in it was changed. Stop here, keep the whole data folder as it is, for \
    what is damaged may be read again from a healthy disk, and look after this one. Then restore \
    the backup of the folder journal and of receipt.key together into a new folder, count it with \
    holdfast audit --data-dir, and serve from it; what was promised after the backup is not in it";

/// Adds to the error of a damaged journal what to do about it.
pub(crate) fn advise(error: anyhow::Error) -> anyhow::Error {
    if error.chain().any(is_damage) { anyhow!("{error:#}; {ADVICE}") } else { error }
}

fn is_damage(cause: &(dyn Error + 'static)) -> bool {
    let of_engine = || match cause.downcast_ref()? {
        OpenError::Store(error) => Some(error),
        _ => None,
    };
    let of_store = cause.downcast_ref::<StoreError>().or_else(of_engine);
    matches!(of_store, Some(StoreError::Damaged { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_damage_alone_it_is_said_what_to_do() {
        let name = |file: &str| file.to_owned();
        let damage = || StoreError::Damaged { file: name("a.log"), offset: 512, what: name("odd") };
        for error in [anyhow::Error::new(damage()), OpenError::Store(damage()).into()] {
            let told = advise(error.context("open data/journal")).to_string();
            let words = "open data/journal: a.log is damaged at offset 512: odd; no record in it";
            assert!(told.starts_with(words) && told.contains("receipt.key"), "{told}");
        }
        let other = advise(anyhow::anyhow!("something else")).to_string();
        assert_eq!(other, "something else");
    }
}
