//! The receipt: a hold's id, which proves what was promised even to a server that lost its log.

use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};

use crate::{BuyerId, HoldKey};

const PREFIX: &str = "hold_";
pub(crate) const MAC_BYTES: usize = 16;

/// The server's secret under which receipts are signed.
#[derive(Clone)]
pub struct ReceiptKey([u8; 32]);

impl ReceiptKey {
    /// Takes 32 random bytes.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// What is known of the key without knowing it: the same for the same key.
    pub fn fingerprint(&self) -> String {
        HEXLOWER.encode(&self.mac(&[b"fingerprint"]))
    }

    /// A mark for a text: whoever has the key sees that it was made under this key. 48 bits, eight
    /// characters of base64url. It tells whose a text is and lets nobody do anything.
    pub fn mark(&self, text: &str) -> String {
        BASE64URL_NOPAD.encode(&self.mac(&[b"mark", text.as_bytes()])[..6])
    }

    /// The signature of these bytes, one part after another.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; MAC_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(part);
        }
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&hasher.finalize().as_bytes()[..MAC_BYTES]);
        mac
    }
}

/// Whether two signatures are the same. Takes the same time either way.
pub(crate) fn same(one: &[u8; MAC_BYTES], other: &[u8; MAC_BYTES]) -> bool {
    one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

impl fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiptKey(…)")
    }
}

/// What a hold's id says and its signature proves, together with the buyer's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The sale's number.
    pub sale: u32,
    /// The tier's place in the sale.
    pub tier: u8,
    /// How many units.
    pub quantity: u16,
    /// The reign under which the hold was made.
    pub epoch: u32,
    /// The hold's name within its sale; has its sequence.
    pub key: HoldKey,
    /// The deadline it was made with, on the sale clock.
    pub deadline_ms: u64,
}

/// A receipt with a signature that nobody has checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedReceipt {
    /// What it claims.
    pub receipt: Receipt,
    mac: [u8; MAC_BYTES],
}

impl Receipt {
    /// The hold's id: `hold_`, the receipt and its signature in base64url.
    pub fn id(&self, key: &ReceiptKey, buyer: &BuyerId) -> String {
        let mut bytes = self.to_bytes();
        bytes.extend_from_slice(&self.mac(key, buyer));
        let mut id = String::with_capacity(PREFIX.len() + bytes.len() * 4 / 3 + 1);
        id.push_str(PREFIX);
        BASE64URL_NOPAD.encode_append(&bytes, &mut id);
        id
    }

    /// Reads an id; the signature is still to be checked. `None`: not an id of a hold.
    pub fn read(id: &str) -> Option<SignedReceipt> {
        let bytes = BASE64URL_NOPAD.decode(id.strip_prefix(PREFIX)?.as_bytes()).ok()?;
        let (receipt, mac) = postcard::take_from_bytes::<Self>(&bytes).ok()?;
        Some(SignedReceipt { receipt, mac: mac.try_into().ok()? })
    }

    fn to_bytes(self) -> Vec<u8> {
        postcard::to_allocvec(&self).unwrap_or_default()
    }

    fn mac(&self, key: &ReceiptKey, buyer: &BuyerId) -> [u8; MAC_BYTES] {
        key.mac(&[&self.to_bytes(), buyer.as_bytes()])
    }
}

impl SignedReceipt {
    /// Whether this server signed the receipt for this buyer. Takes the same time either way.
    pub fn is_genuine(&self, key: &ReceiptKey, buyer: &BuyerId) -> bool {
        same(&self.receipt.mac(key, buyer), &self.mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            sale: 7,
            tier: 2,
            quantity: 4,
            epoch: 3,
            key: HoldKey::from_number(123_456 << 10),
            deadline_ms: 86_400_000,
        }
    }

    #[test]
    fn an_id_is_short_and_comes_back() {
        let (key, buyer) = (ReceiptKey::new([1; 32]), BuyerId::new("alice").unwrap());
        let id = receipt().id(&key, &buyer);
        assert!(id.len() <= 64, "{id}");
        let signed = Receipt::read(&id).unwrap();
        assert_eq!(signed.receipt, receipt());
        assert!(signed.is_genuine(&key, &buyer));
    }

    #[test]
    fn a_receipt_is_good_only_as_signed_for_whom_it_was_signed() {
        let (key, buyer) = (ReceiptKey::new([1; 32]), BuyerId::new("alice").unwrap());
        let signed = Receipt::read(&receipt().id(&key, &buyer)).unwrap();
        assert!(!signed.is_genuine(&key, &BuyerId::new("bob").unwrap()));
        assert!(!signed.is_genuine(&ReceiptKey::new([2; 32]), &buyer));
        let more = Receipt { quantity: 5, ..signed.receipt };
        assert!(!SignedReceipt { receipt: more, ..signed }.is_genuine(&key, &buyer));
    }

    #[test]
    fn anything_else_is_not_an_id() {
        let (key, buyer) = (ReceiptKey::new([1; 32]), BuyerId::new("alice").unwrap());
        let id = receipt().id(&key, &buyer);
        for bad in ["", "hold_", "hold_!", "order_abc", &id[..id.len() - 1], &format!("{id}A")] {
            let genuine = Receipt::read(bad).is_some_and(|signed| signed.is_genuine(&key, &buyer));
            assert!(!genuine, "{bad:?}");
        }
    }
}
