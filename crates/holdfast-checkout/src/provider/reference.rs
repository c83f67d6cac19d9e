//! What we call a payment at the provider.

use std::fmt;

use holdfast_core::ReceiptKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes in a reference, at most.
const BYTES_MAX: usize = 80;

/// Comes before the mark in a reference; no hold's id has it.
const MARK: char = '~';

/// What we call a payment: visible ASCII, 1 to 80 bytes. For the first attempt to pay for a hold it
/// is the hold's id, for the nth attempt that, a dot and n; then `~` and a mark, which shows whose
/// payment it is also where nobody knows the hold's buyer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference(Box<str>);

/// Why a text is no reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reference has 1 to {BYTES_MAX} visible ASCII characters and no spaces")]
pub struct InvalidReference;

impl Reference {
    /// Takes a text as a reference.
    ///
    /// # Errors
    /// When it is empty, too long, or has other characters than visible ones of ASCII.
    pub fn new(text: &str) -> Result<Self, InvalidReference> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > BYTES_MAX || !is_visible {
            return Err(InvalidReference);
        }
        Ok(Self(text.into()))
    }

    /// The reference of an attempt, counted from 1, to pay for the hold with this id.
    ///
    /// # Errors
    /// When the two make no reference.
    pub fn of(hold: &str, attempt: u32) -> Result<Self, InvalidReference> {
        match attempt {
            0 | 1 => Self::new(hold),
            _ => Self::new(&format!("{hold}.{attempt}")),
        }
    }

    /// The same, marked as one of those who have this key.
    ///
    /// # Errors
    /// When the two make no reference.
    pub fn marked(hold: &str, attempt: u32, key: &ReceiptKey) -> Result<Self, InvalidReference> {
        let plain = Self::of(hold, attempt)?;
        Self::new(&format!("{plain}{MARK}{}", key.mark(&plain.0)))
    }

    /// Whether it was marked by somebody who has this key.
    pub fn is_marked(&self, key: &ReceiptKey) -> bool {
        self.0.split_once(MARK).is_some_and(|(plain, mark)| key.mark(plain) == mark)
    }

    /// The hold's id and the attempt, counted from 1. A reference that is not one of ours is taken
    /// for a hold's id: no hold has it.
    pub fn parts(&self) -> (&str, u32) {
        let plain = self.0.split_once(MARK).map_or(&*self.0, |(plain, _)| plain);
        let split = plain.rsplit_once('.').and_then(|(hold, attempt)| {
            let number: u32 = attempt.parse().ok()?;
            // As it is written by `of`, and in no other way.
            (number >= 2 && number.to_string() == attempt).then_some((hold, number))
        });
        split.unwrap_or((plain, 1))
    }

    /// The reference as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Step;

    #[test]
    fn an_attempt_and_its_hold_are_found_in_the_reference() {
        for (attempt, text) in [(1, "hold_a-b_1"), (2, "hold_a-b_1.2"), (17, "hold_a-b_1.17")] {
            let reference = Reference::of("hold_a-b_1", attempt).unwrap();
            assert_eq!(reference.as_str(), text);
            assert_eq!(reference.parts(), ("hold_a-b_1", attempt));
        }
        for other in ["hold_a.1", "hold_a.02", "hold_a.x", "."] {
            assert_eq!(Reference::new(other).unwrap().parts(), (other, 1));
        }
    }

    #[test]
    fn a_mark_shows_whose_a_payment_is() {
        let (key, other) = (ReceiptKey::new([1; 32]), ReceiptKey::new([2; 32]));
        let longest = "x".repeat(64);
        for (hold, attempt) in [("hold_a-b_1", 1), ("hold_a-b_1", 2), (longest.as_str(), 16)] {
            let reference = Reference::marked(hold, attempt, &key).unwrap();
            assert_eq!(reference.parts(), (hold, attempt));
            assert!(reference.is_marked(&key) && !reference.is_marked(&other));
            assert!(!Reference::of(hold, attempt).unwrap().is_marked(&key));
        }
        let (one, two) =
            (Reference::marked("hold_a", 1, &key), Reference::of("hold_b", 1).unwrap());
        let mark = one.unwrap().as_str().split_once(MARK).unwrap().1.to_owned();
        assert!(!Reference::new(&format!("{two}{MARK}{mark}")).unwrap().is_marked(&key));
    }

    #[test]
    fn a_reference_is_visible_and_short() {
        for bad in ["", "a b", "é", "a\n", &"x".repeat(81)] {
            assert_eq!(Reference::new(bad), Err(InvalidReference), "{bad:?}");
        }
        assert!(Reference::new(&"x".repeat(80)).is_ok());
    }

    #[test]
    fn every_step_and_every_call_has_a_key_of_its_own() {
        let reference = Reference::of("hold_a", 2).unwrap();
        assert_eq!(Step::Authorise.key(&reference, 0), "hold_a.2");
        assert_eq!(Step::Authorise.key(&reference, 3), "hold_a.2-3");
        assert_eq!(Step::Capture.key(&reference, 0), "hold_a.2-capture");
        assert_eq!(Step::Cancel.key(&reference, 1), "hold_a.2-cancel-1");
    }
}
