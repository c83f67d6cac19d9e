//! Holds: one row each, found by key without a hash table.

use serde::{Deserialize, Serialize};

use crate::arena::Position;
use crate::slab::Slab;

/// Stands for "no row" in a column of row numbers.
pub(crate) const NONE: u32 = u32::MAX;

/// Bits of a [`HoldKey`] that number the holds of one entry: a batch of grants makes several.
const NTH_BITS: u32 = 10;

/// The last place within an entry.
pub(crate) const NTH_MAX: u16 = (1 << NTH_BITS) - 1;

/// Sequences per block of the directory in [`Holds`].
const BLOCK_BITS: u32 = 6 + NTH_BITS;

/// A hold's name within its sale: the sequence of the entry that made it, times 1,024, plus its
/// place within that entry. Keys only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HoldKey(u64);

impl HoldKey {
    /// The key of the `nth` hold that the entry `sequence` made; `nth` is below 1,024.
    pub(crate) fn new(sequence: u64, nth: u16) -> Self {
        Self(sequence << NTH_BITS | u64::from(nth))
    }

    /// The key as a number.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The key with this number, whether or not there is such a hold.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The sequence of the entry that made the hold.
    pub fn sequence(self) -> u64 {
        self.0 >> NTH_BITS
    }

    fn block(self) -> usize {
        usize::try_from(self.0 >> BLOCK_BITS).unwrap_or(usize::MAX)
    }

    /// How many entries of its block come before the one that made the hold.
    fn place_in_block(self) -> u32 {
        u32::try_from(self.sequence() % (1 << (BLOCK_BITS - NTH_BITS))).unwrap_or(0)
    }
}

/// A hold's row in its sale; good for as long as the sale is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldIndex(pub(crate) u32);

/// Where a hold is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldStatus {
    /// Its units are the buyer's until the deadline.
    Held,
    /// Given back.
    Cancelled,
    /// Its time ran out.
    Expired,
    /// At the checkout: its units are the buyer's until they have paid, or can pay no more.
    Paying,
    /// It has ended as an order.
    Sold,
}

impl HoldStatus {
    /// Whether the hold has its units.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Held | Self::Paying)
    }
}

/// One hold: 32 bytes, within one cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(32))]
pub(crate) struct Hold {
    pub(crate) key: HoldKey,
    /// On the sale clock.
    pub(crate) deadline_ms: u64,
    /// The reign under which it was made.
    pub(crate) epoch: u32,
    pub(crate) buyer: Position,
    /// Row of its payment, or [`NONE`].
    pub(crate) payment: u32,
    pub(crate) quantity: u16,
    /// Place of the tier in the sale.
    pub(crate) tier: u8,
    pub(crate) status: HoldStatus,
}

const _: () = assert!(size_of::<Hold>() == 32, "ten million holds are held to 128 bytes each");

/// All holds of a sale, in the order of their keys.
///
/// Keys only grow, so a sparse directory (the first row of every 64 sequences) and a short binary
/// search find a key: smaller than a hash table, and nothing to rebuild when it grows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds {
    rows: Slab<Hold>,
    blocks: Vec<u32>,
}

impl Holds {
    pub(crate) fn len(&self) -> u32 {
        self.rows.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Hold> {
        self.rows.iter()
    }

    /// Adds a hold whose key is greater than every other's.
    pub(crate) fn push(&mut self, hold: Hold) -> u32 {
        let block = hold.key.block();
        while self.blocks.len() <= block {
            self.blocks.push(self.rows.len());
        }
        self.rows.push(hold)
    }

    /// The greatest key.
    pub(crate) fn last_key(&self) -> Option<HoldKey> {
        Some(self.rows[self.rows.len().checked_sub(1)?].key)
    }

    /// The row of the first hold whose key is greater; the number of rows if there is none.
    pub(crate) fn first_after(&self, key: HoldKey) -> u32 {
        match self.search(key) {
            Ok(row) => row + 1,
            Err(row) => row,
        }
    }

    /// The row of the hold with this key.
    pub(crate) fn find(&self, key: HoldKey) -> Option<u32> {
        self.search(key).ok()
    }

    /// The row where the hold is if every entry of its block made one; nobody has looked there.
    pub(crate) fn guess(&self, key: HoldKey) -> Option<u32> {
        let guess = self.blocks.get(key.block())? + key.place_in_block();
        (guess < self.rows.len()).then_some(guess)
    }

    /// The key's row, or the row it would have.
    fn search(&self, key: HoldKey) -> Result<u32, u32> {
        if let Some(guess) = self.guess(key).filter(|&guess| self.rows[guess].key == key) {
            return Ok(guess);
        }
        let block = key.block();
        let start = |block: usize| self.blocks.get(block).copied().unwrap_or(self.rows.len());
        let (mut low, mut high) = (start(block), start(block.saturating_add(1)));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.rows[middle].key.cmp(&key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}

impl std::ops::Index<u32> for Holds {
    type Output = Hold;

    fn index(&self, row: u32) -> &Hold {
        &self.rows[row]
    }
}

impl std::ops::IndexMut<u32> for Holds {
    fn index_mut(&mut self, row: u32) -> &mut Hold {
        &mut self.rows[row]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Arena;

    #[test]
    fn finds_every_key_and_no_other() {
        let mut holds = Holds::default();
        let buyer = Arena::default().push(&[0], &[]);
        let sequences = [1, 2, 3, 63, 64, 65, 700, 701, 100_000];
        for (sequence, nth) in sequences.iter().flat_map(|&s| [(s, 0), (s, 5), (s, 1_023)]) {
            let key = HoldKey::new(sequence, nth);
            holds.push(Hold {
                key,
                deadline_ms: 0,
                epoch: 1,
                buyer,
                payment: NONE,
                quantity: 1,
                tier: 0,
                status: HoldStatus::Held,
            });
            assert_eq!(holds.find(key), Some(holds.len() - 1));
        }
        for row in 0..holds.len() {
            assert_eq!(holds.find(holds[row].key), Some(row));
            assert_eq!(holds.find(HoldKey(holds[row].key.0 + 2)), None);
        }
        assert_eq!(holds.find(HoldKey(0)), None);
        assert_eq!(holds.find(HoldKey(u64::MAX)), None);
    }
}
