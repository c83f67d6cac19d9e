//! Buyers who have had a hold, found by name; and the idempotency keys they used.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::holds::NONE;
use crate::slab::Slab;
use crate::{BuyerId, KeyDigest};

/// One buyer: 16 bytes and the name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buyer {
    name: NamePosition,
    /// Row of the latest hold. Only this one can be live: a buyer has one live hold at a time.
    pub(crate) latest: u32,
    /// Row of the latest remembered key, or [`NONE`].
    pub(crate) latest_key: u32,
    /// Holds taken so far, ended ones included.
    pub(crate) holds: u8,
    /// Keys remembered.
    pub(crate) keys: u8,
}

/// A remembered idempotency key and the hold it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) digest: KeyDigest,
    pub(crate) hold: u32,
    /// Row of the same buyer's key before this one, or [`NONE`].
    pub(crate) previous: u32,
}

/// Part of the name's hash stands beside the row, so that growing the table reads no names.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    row: u32,
}

/// All buyers of a sale. The table is only looked things up in, never walked, so its seed and its
/// order show nowhere.
#[derive(Clone, Debug)]
pub(crate) struct Buyers {
    rows: Slab<Buyer>,
    names: Names,
    index: HashTable<Slot>,
    keys: Slab<Key>,
    hasher: FixedState,
}

impl Buyers {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rows: Slab::default(),
            names: Names::default(),
            index: HashTable::new(),
            keys: Slab::default(),
            hasher: FixedState::with_seed(seed),
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.rows.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Buyer> {
        self.rows.iter()
    }

    /// The row of a buyer who has had a hold.
    pub(crate) fn find(&self, buyer: &BuyerId) -> Option<u32> {
        let hash = self.hash(buyer.as_bytes());
        let same = |slot: &Slot| {
            slot.hash == hash && self.names.get(self.rows[slot.row].name) == buyer.as_bytes()
        };
        self.index.find(spread(hash), same).map(|slot| slot.row)
    }

    /// Adds a buyer who is not there yet.
    pub(crate) fn push(&mut self, buyer: &BuyerId) -> u32 {
        let name = self.names.push(buyer.as_bytes());
        let row = self.rows.push(Buyer { name, latest: NONE, latest_key: NONE, holds: 0, keys: 0 });
        let hash = self.hash(buyer.as_bytes());
        self.index.insert_unique(spread(hash), Slot { hash, row }, |slot| spread(slot.hash));
        row
    }

    /// The name of a buyer.
    pub(crate) fn name(&self, row: u32) -> Option<BuyerId> {
        let bytes = self.names.get(self.rows[row].name);
        BuyerId::new(std::str::from_utf8(bytes).ok()?).ok()
    }

    /// The hold that a buyer's key stands for.
    pub(crate) fn find_key(&self, buyer: u32, digest: KeyDigest) -> Option<u32> {
        let mut row = self.rows[buyer].latest_key;
        while row != NONE {
            let key = &self.keys[row];
            if key.digest == digest {
                return Some(key.hold);
            }
            row = key.previous;
        }
        None
    }

    /// Remembers that a buyer's key stands for a hold.
    pub(crate) fn push_key(&mut self, buyer: u32, digest: KeyDigest, hold: u32) {
        let previous = self.rows[buyer].latest_key;
        let row = self.keys.push(Key { digest, hold, previous });
        let buyer = &mut self.rows[buyer];
        buyer.latest_key = row;
        buyer.keys += 1;
    }

    /// A buyer's keys, latest first.
    pub(crate) fn keys_of(&self, buyer: u32) -> impl Iterator<Item = &Key> {
        let first = self.rows[buyer].latest_key;
        let step = |key: &&Key| (key.previous != NONE).then(|| &self.keys[key.previous]);
        std::iter::successors((first != NONE).then(|| &self.keys[first]), step)
    }

    /// Forgets every key.
    pub(crate) fn forget_keys(&mut self) {
        self.keys.clear();
        for row in 0..self.rows.len() {
            let buyer = &mut self.rows[row];
            (buyer.latest_key, buyer.keys) = (NONE, 0);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of the hash is enough")]
    fn hash(&self, name: &[u8]) -> u32 {
        self.hasher.hash_one(name) as u32
    }
}

impl std::ops::Index<u32> for Buyers {
    type Output = Buyer;

    fn index(&self, row: u32) -> &Buyer {
        &self.rows[row]
    }
}

impl std::ops::IndexMut<u32> for Buyers {
    fn index_mut(&mut self, row: u32) -> &mut Buyer {
        &mut self.rows[row]
    }
}

/// The table wants its bits at both ends of a 64-bit hash.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

const NAME_CHUNK: usize = 1 << 16;

/// Chunk number in the upper 16 bits, offset in the lower.
#[derive(Clone, Copy, Debug)]
struct NamePosition(u32);

/// Names, each a length byte and its bytes, packed into chunks that never move.
///
/// [`crate::HOLDS_MAX`] names of 64 bytes would need 66 thousand chunks: more than positions
/// reach, so [`Names::is_full`] is asked before a buyer is added.
#[derive(Clone, Debug, Default)]
struct Names {
    chunks: Vec<Vec<u8>>,
}

impl Names {
    fn push(&mut self, name: &[u8]) -> NamePosition {
        let fits = |chunk: &Vec<u8>| chunk.len() + 1 + name.len() <= NAME_CHUNK;
        if !self.chunks.last().is_some_and(fits) {
            let bytes = if self.chunks.is_empty() { 0 } else { NAME_CHUNK };
            self.chunks.push(Vec::with_capacity(bytes));
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        let position = number << 16 | chunk.len();
        chunk.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        chunk.extend_from_slice(name);
        NamePosition(u32::try_from(position).unwrap_or(u32::MAX))
    }

    fn get(&self, position: NamePosition) -> &[u8] {
        let chunk = &self.chunks[position.0 as usize >> 16];
        let start = position.0 as usize & 0xffff;
        &chunk[start + 1..start + 1 + usize::from(chunk[start])]
    }

    fn is_full(&self) -> bool {
        self.chunks.len() > usize::from(u16::MAX)
    }
}

impl Buyers {
    /// Whether no further buyer can be remembered.
    pub(crate) fn is_full(&self) -> bool {
        self.names.is_full()
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
            for n in 0..20_000 {
                assert_eq!(buyers.find(&name(n)), None);
                assert_eq!(buyers.push(&name(n)), n);
            }
            for n in 0..20_000 {
                assert_eq!(buyers.find(&name(n)), Some(n));
                assert_eq!(buyers.name(n), Some(name(n)));
            }
        }
    }
}
