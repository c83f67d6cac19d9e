//! Buyers who have had a hold, found by name; and the idempotency keys they used.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::arena::{Arena, Position};
use crate::holds::NONE;
use crate::index::{Hash, Index};
use crate::slab::Slab;
use crate::{BuyerId, KeyDigest};

/// What is remembered of one buyer, beside the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buyer {
    /// Row of the latest hold. Only this one can be live: a buyer has one live hold at a time.
    pub(crate) latest: u32,
    /// Row of the latest remembered key, or [`NONE`].
    pub(crate) latest_key: u32,
    /// Units of their orders.
    pub(crate) ordered: u16,
    /// Holds taken so far, ended ones included.
    pub(crate) holds: u8,
    /// Keys remembered.
    pub(crate) keys: u8,
    /// Whether the latest hold is live: known here, so that a request need not look there.
    pub(crate) is_live: bool,
}

/// Bytes that a [`Buyer`] takes in front of the name.
const HEAD_BYTES: usize = 13;

impl Buyer {
    const NEW: Self =
        Self { latest: NONE, latest_key: NONE, ordered: 0, holds: 0, keys: 0, is_live: false };

    fn to_bytes(self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..4].copy_from_slice(&self.latest.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.latest_key.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.ordered.to_le_bytes());
        (bytes[10], bytes[11], bytes[12]) = (self.holds, self.keys, u8::from(self.is_live));
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let number = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self {
            latest: number(0),
            latest_key: number(4),
            ordered: u16::from_le_bytes([bytes[8], bytes[9]]),
            holds: bytes[10],
            keys: bytes[11],
            is_live: bytes[12] != 0,
        }
    }
}

/// A remembered idempotency key and the hold it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) digest: KeyDigest,
    pub(crate) hold: u32,
    /// Which checkout of the hold it began, or found under way; 0: it took the hold.
    pub(crate) attempt: u8,
    /// Row of the same buyer's key before this one, or [`NONE`].
    pub(crate) previous: u32,
}

/// All buyers of a sale. Each is one record, head and name together, so that finding one costs
/// as few cache misses as can be.
#[derive(Clone, Debug)]
pub(crate) struct Buyers {
    records: Arena,
    index: Index,
    count: usize,
    keys: Slab<Key>,
    hasher: FixedState,
}

impl Buyers {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            records: Arena::default(),
            index: Index::default(),
            count: 0,
            keys: Slab::default(),
            hasher: FixedState::with_seed(seed),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// How many keys are remembered.
    pub(crate) fn key_count(&self) -> u32 {
        self.keys.len()
    }

    /// Whether no further buyer can be remembered.
    pub(crate) fn is_full(&self) -> bool {
        self.records.is_full()
    }

    /// All buyers, in the order in which they came, or got another name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Position> {
        // No name begins with a zero.
        let has_name = |&buyer: &Position| self.records.get(buyer).get(HEAD_BYTES) != Some(&0);
        self.records.iter().filter(has_name)
    }

    /// Puts another name in a buyer's place. What is remembered of them goes with it; of the name
    /// nothing is left.
    pub(crate) fn rename(&mut self, buyer: Position, alias: &BuyerId) -> Position {
        let head = self.erase(buyer);
        let renamed = self.push(alias);
        self.change(renamed, |buyer| *buyer = head);
        renamed
    }

    /// Adds what is remembered of a buyer to what is of another; neither has a live hold, and of the
    /// first one's name nothing is left.
    pub(crate) fn merge(&mut self, buyer: Position, into: Position) -> Position {
        let head = self.erase(buyer);
        self.change(into, |into| {
            into.ordered = into.ordered.saturating_add(head.ordered);
            into.holds = into.holds.saturating_add(head.holds);
        });
        into
    }

    fn erase(&mut self, buyer: Position) -> Buyer {
        let head = self.get(buyer);
        self.records.get_mut(buyer).fill(0);
        self.count -= 1;
        head
    }

    /// The buyer with this name, if they have had a hold.
    pub(crate) fn find(&self, name: &BuyerId) -> Option<Position> {
        self.index.find(self.hash(name), |buyer| self.is_named(buyer, name))
    }

    /// Reads where a look for a name with this hash begins.
    pub(crate) fn touch_index(&self, hash: Hash) -> u32 {
        self.index.touch(hash)
    }

    /// Whoever is most likely to have a name with this hash; nobody has looked at the name itself.
    pub(crate) fn candidate(&self, hash: Hash) -> Option<Position> {
        self.index.find(hash, |_| true)
    }

    /// Reads a buyer's record, so that it is near when it is needed.
    pub(crate) fn touch(&self, buyer: Position) -> u8 {
        let record = self.records.get(buyer);
        record.first().copied().unwrap_or(0) ^ record.last().copied().unwrap_or(0)
    }

    /// Adds a buyer who is not there yet.
    pub(crate) fn push(&mut self, name: &BuyerId) -> Position {
        let buyer = self.records.push(&Buyer::NEW.to_bytes(), name.as_bytes());
        self.index.insert(self.hash(name), buyer);
        self.count += 1;
        buyer
    }

    /// What is remembered of a buyer.
    pub(crate) fn get(&self, buyer: Position) -> Buyer {
        Buyer::from_bytes(self.records.get(buyer))
    }

    /// Changes what is remembered of a buyer.
    pub(crate) fn change(&mut self, buyer: Position, change: impl FnOnce(&mut Buyer)) {
        let head = &mut self.records.get_mut(buyer)[..HEAD_BYTES];
        let mut row = Buyer::from_bytes(head);
        change(&mut row);
        head.copy_from_slice(&row.to_bytes());
    }

    /// Whether a buyer has this name.
    pub(crate) fn is_named(&self, buyer: Position, name: &BuyerId) -> bool {
        self.records.get(buyer).get(HEAD_BYTES..) == Some(name.as_bytes())
    }

    /// The name of a buyer.
    pub(crate) fn name(&self, buyer: Position) -> Option<BuyerId> {
        self.records.get(buyer).get(HEAD_BYTES..).and_then(BuyerId::kept)
    }

    /// The hold that a buyer's key stands for, and which checkout of it; 0: for taking it.
    pub(crate) fn find_key(&self, buyer: Position, digest: KeyDigest) -> Option<(u32, u8)> {
        self.keys_of(buyer).find(|key| key.digest == digest).map(|key| (key.hold, key.attempt))
    }

    /// Remembers that a buyer's key stands for a hold, or for a checkout of it.
    pub(crate) fn push_key(&mut self, buyer: Position, digest: KeyDigest, hold: u32, attempt: u8) {
        let previous = self.get(buyer).latest_key;
        let row = self.keys.push(Key { digest, hold, attempt, previous });
        self.change(buyer, |buyer| {
            buyer.latest_key = row;
            buyer.keys = buyer.keys.saturating_add(1);
        });
    }

    /// A buyer's keys, latest first.
    pub(crate) fn keys_of(&self, buyer: Position) -> impl Iterator<Item = &Key> {
        let row = |row: u32| (row < self.keys.len()).then(|| &self.keys[row]);
        std::iter::successors(row(self.get(buyer).latest_key), move |key| row(key.previous))
    }

    /// Forgets every key, for good: the sale remembers no further one. What buyers' records still
    /// say of keys leads nowhere; to rewrite millions of them would take long.
    pub(crate) fn forget_keys(&mut self) {
        self.keys.clear();
    }

    /// The hash of a name.
    pub(crate) fn hash(&self, name: &BuyerId) -> Hash {
        Hash::new(self.hasher.hash_one(name.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_buyer_by_name_whatever_the_seed() {
        for seed in [0, 1, u64::MAX] {
            let mut buyers = Buyers::new(seed);
            let name = |n: u32| BuyerId::new(&format!("buyer-{n:040}")).unwrap();
            let mut positions = Vec::new();
            for n in 0..20_000 {
                assert_eq!(buyers.find(&name(n)), None);
                positions.push(buyers.push(&name(n)));
            }
            for (n, &position) in (0..).zip(&positions) {
                buyers.change(position, |buyer| buyer.latest = n);
            }
            for (n, &position) in (0..).zip(&positions) {
                assert_eq!(buyers.find(&name(n)), Some(position));
                assert_eq!(buyers.name(position), Some(name(n)));
                assert_eq!(buyers.get(position), Buyer { latest: n, ..Buyer::NEW });
            }
            assert!(buyers.iter().eq(positions));
        }
    }
}
