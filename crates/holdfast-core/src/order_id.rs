//! An order's id: names the hold that it ends, and cannot be guessed.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::receipt::{MAC_BYTES, same};
use crate::{HoldKey, ReceiptKey};

const PREFIX: &str = "order_";

/// Keeps what is signed here apart from everything else that is signed under the same key.
const CONTEXT: &[u8] = b"order";

/// What an order's id says: a hold has one order at most, so its name is the order's too. It is
/// minted with the hold's sale, in the same entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderName {
    /// The sale's number.
    pub sale: u32,
    /// The hold that the order ends.
    pub hold: HoldKey,
}

/// A name with a signature that nobody has checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedOrderName {
    name: OrderName,
    mac: [u8; MAC_BYTES],
}

impl OrderName {
    /// The order's id: `order_`, the name and its signature in base64url; at most 64 bytes. It does
    /// not depend on the buyer, whose name may be forgotten.
    pub fn id(&self, key: &ReceiptKey) -> String {
        let bytes = [self.to_bytes(), self.mac(key).to_vec()].concat();
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }

    /// Reads an id; the signature is still to be checked. `None`: not an id of an order.
    pub fn read(id: &str) -> Option<SignedOrderName> {
        let bytes = BASE64URL_NOPAD.decode(id.strip_prefix(PREFIX)?.as_bytes()).ok()?;
        let (name, mac) = postcard::take_from_bytes::<Self>(&bytes).ok()?;
        Some(SignedOrderName { name, mac: mac.try_into().ok()? })
    }

    fn to_bytes(self) -> Vec<u8> {
        postcard::to_allocvec(&self).unwrap_or_default()
    }

    fn mac(&self, key: &ReceiptKey) -> [u8; MAC_BYTES] {
        key.mac(&[CONTEXT, &self.to_bytes()])
    }
}

impl SignedOrderName {
    /// The name, if this server signed it. Takes the same time either way.
    pub fn verify(&self, key: &ReceiptKey) -> Option<OrderName> {
        same(&self.name.mac(key), &self.mac).then_some(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_as_it_was_signed_and_not_otherwise() {
        let key = ReceiptKey::new([1; 32]);
        let name = OrderName { sale: u32::MAX, hold: HoldKey::from_number(u64::MAX) };
        let id = name.id(&key);
        assert!(id.len() <= 64, "{id}");
        let read =
            |id: &str, key: &ReceiptKey| OrderName::read(id).and_then(|signed| signed.verify(key));
        assert_eq!(read(&id, &key), Some(name));
        let another = ReceiptKey::new([2; 32]);
        assert_eq!(read(&id, &another), None);
        let other = OrderName { sale: 1, ..name }.id(&key);
        let mixed = format!("{}{}", &other[..12], &id[12..]);
        for bad in ["", "order_", "order_!", "hold_abc", &id[..id.len() - 1], &mixed] {
            assert_eq!(read(bad, &key), None, "{bad:?}");
        }
    }
}
