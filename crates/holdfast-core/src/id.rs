//! Ids: short texts kept in place, so that a command is copied and never allocates.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{ID_BYTES_MAX, ReceiptKey};

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Empty, or longer than [`ID_BYTES_MAX`].
    #[error("must have 1 to 64 bytes")]
    Length,
    /// A byte that this kind of id does not allow.
    #[error("{0}")]
    Character(&'static str),
}

/// Up to 64 bytes of UTF-8, in place, then zeros. The order is that of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Text {
    bytes: [u8; ID_BYTES_MAX],
    length: u8,
}

impl Text {
    fn new(text: &str) -> Result<Self, InvalidId> {
        if text.is_empty() {
            return Err(InvalidId::Length);
        }
        Self::kept(text.as_bytes()).ok_or(InvalidId::Length)
    }

    /// Bytes of a text that was checked before.
    fn kept(text: &[u8]) -> Option<Self> {
        let length = u8::try_from(text.len()).ok()?;
        let mut bytes = [0; ID_BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { length, bytes })
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

fn is_slug(text: &str) -> Result<(), InvalidId> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.bytes().all(allowed) && !text.starts_with('.') {
        return Ok(());
    }
    Err(InvalidId::Character("may have letters, digits, '-', '_' and '.', and not start with '.'"))
}

fn is_printable(text: &str) -> Result<(), InvalidId> {
    if text.chars().any(char::is_control) {
        return Err(InvalidId::Character("may not have control characters"));
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text);

        impl $name {
            /// Takes a text as an id.
            ///
            /// # Errors
            /// When it is empty, longer than 64 bytes, or has a character that is not allowed.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                let id = Text::new(text)?;
                $check(text)?;
                Ok(Self(id))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The id as bytes, cheaper than as text.
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a text of 1 to 64 bytes")
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::new(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    };
}

id! {
    /// The name of a sale, as it stands in addresses: letters, digits, `-`, `_`, `.`.
    SaleId, is_slug
}

id! {
    /// The name of a tier within its sale: letters, digits, `-`, `_`, `.`.
    TierId, is_slug
}

id! {
    /// Who buys, as the merchant names them: any printable text.
    BuyerId, is_printable
}

impl BuyerId {
    /// What stands in the buyer's place once they are forgotten: made from the name under the
    /// server's key, so that it is always the same and nobody can go back without that key.
    #[must_use]
    pub fn alias(&self, key: &ReceiptKey) -> Self {
        let alias = HEXLOWER.encode(&key.mac(&[b"alias", self.as_bytes()]));
        Self::kept(format!("forgotten-{alias}").as_bytes()).unwrap_or(*self)
    }

    /// An id from bytes that were checked before they were kept; `None` if they are too many.
    pub(crate) fn kept(bytes: &[u8]) -> Option<Self> {
        Text::kept(bytes).map(Self)
    }
}

/// A fingerprint of an idempotency key: 128 bits of its BLAKE3 hash, so that keys of any length
/// cost the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDigest([u8; 16]);

impl KeyDigest {
    /// The fingerprint of a key as the client sent it.
    pub fn of(key: &str) -> Self {
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(key.as_bytes()).as_bytes()[..16]);
        Self(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_1_to_64_bytes() {
        assert_eq!(BuyerId::new(""), Err(InvalidId::Length));
        assert_eq!(BuyerId::new(&"x".repeat(65)), Err(InvalidId::Length));
        assert_eq!(BuyerId::new(&"x".repeat(300)), Err(InvalidId::Length));
        assert_eq!(BuyerId::new(&"x".repeat(64)).unwrap().as_str(), "x".repeat(64));
    }

    #[test]
    fn ids_stand_in_plain_order() {
        let id = |text| SaleId::new(text).unwrap();
        assert!(id("club") < id("s1") && id("s1") < id("s10") && id("s10") < id("s2"));
    }

    #[test]
    fn sale_ids_fit_an_address_and_buyers_are_any_printable_text() {
        assert!(SaleId::new("club-2026_b.1").is_ok());
        for bad in ["a b", "a/b", "é", "..", ".hidden", "a\n"] {
            assert!(SaleId::new(bad).is_err(), "{bad:?}");
        }
        assert!(BuyerId::new("Zoë <zoe@example.org>").is_ok());
        assert!(BuyerId::new("a\u{0}b").is_err());
    }
}
