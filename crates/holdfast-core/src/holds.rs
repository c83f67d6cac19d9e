//! Holds: one row each, found by key without a hash table.

use serde::{Deserialize, Serialize};

use crate::arena::Position;
use crate::recovered::Recovered;
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

/// All holds of a sale, in the order of their places: a hold's place is its key, but that of one that
/// was brought back is where a new hold of that entry would be.
///
/// Places only grow, so a sparse directory (the first row of every 64 sequences) and a short binary
/// search find a key: smaller than a hash table, and nothing to rebuild when it grows. What was
/// brought back is in a table of its own, too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds {
    rows: Slab<Hold>,
    blocks: Vec<u32>,
    recovered: Recovered,
}

impl Holds {
    pub(crate) fn len(&self) -> u32 {
        self.rows.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Hold> {
        self.rows.iter()
    }

    /// Adds a hold whose key is greater than every other's place.
    pub(crate) fn push(&mut self, hold: Hold) -> u32 {
        self.push_at(hold.key, hold)
    }

    /// Brings back a hold that had been lost. `place` is greater than every other's.
    pub(crate) fn bring_back(&mut self, hold: Hold, place: HoldKey) -> u32 {
        let row = self.push_at(place, hold);
        self.recovered.insert(hold.key, row, place);
        row
    }

    fn push_at(&mut self, place: HoldKey, hold: Hold) -> u32 {
        let block = place.block();
        while self.blocks.len() <= block {
            self.blocks.push(self.rows.len());
        }
        self.rows.push(hold)
    }

    /// What was brought back: rows and places, in order.
    pub(crate) fn recovered(&self) -> impl Iterator<Item = (u32, HoldKey)> {
        self.recovered.iter()
    }

    /// Where a hold stands among the others: its key, or the place at which it was brought back.
    pub(crate) fn place(&self, row: u32) -> HoldKey {
        self.recovered.place(row).unwrap_or(self.rows[row].key)
    }

    /// Whether a live hold's deadline is in order with those around it: it is the one that the hold was
    /// made with, at its own place.
    pub(crate) fn is_punctual(&self, row: u32) -> bool {
        let hold = &self.rows[row];
        let is_first = hold.status == HoldStatus::Held && hold.payment == NONE;
        is_first && self.recovered.place(row).is_none()
    }

    /// Whether a live hold is among its tier's late deadlines, even if it has only been held so far.
    pub(crate) fn is_late(&self, row: u32) -> bool {
        self.rows[row].payment != NONE || self.recovered.place(row).is_some()
    }

    /// The last place.
    pub(crate) fn last_place(&self) -> Option<HoldKey> {
        Some(self.place(self.rows.len().checked_sub(1)?))
    }

    /// The rows of all holds whose keys are greater, in the order of their keys.
    pub(crate) fn after(&self, key: Option<HoldKey>) -> impl Iterator<Item = u32> {
        let first = key.map_or(0, |key| self.search(key).map_or_else(|row| row, |row| row + 1));
        let in_place = (first..self.len()).filter(|&row| self.recovered.place(row).is_none());
        let mut in_place = in_place.peekable();
        let mut recovered = self.recovered.after(key).peekable();
        std::iter::from_fn(move || match (in_place.peek(), recovered.peek()) {
            (Some(&one), Some(&other)) if self.rows[other].key < self.rows[one].key => {
                recovered.next()
            }
            (Some(_), _) => in_place.next(),
            (None, _) => recovered.next(),
        })
    }

    /// The row of the hold with this key.
    pub(crate) fn find(&self, key: HoldKey) -> Option<u32> {
        if let Some(guess) = self.guess(key).filter(|&guess| self.rows[guess].key == key) {
            return Some(guess);
        }
        if let Some(row) = self.recovered.find(key) {
            return Some(row);
        }
        // The place of one that was brought back is nobody's key.
        self.search(key).ok().filter(|&row| self.rows[row].key == key)
    }

    /// The row where the hold is if every entry of its block made one; nobody has looked there.
    pub(crate) fn guess(&self, key: HoldKey) -> Option<u32> {
        let guess = self.blocks.get(key.block())? + key.place_in_block();
        (guess < self.rows.len()).then_some(guess)
    }

    /// The row at this place, or the row it would have.
    fn search(&self, place: HoldKey) -> Result<u32, u32> {
        let block = place.block();
        let start = |block: usize| self.blocks.get(block).copied().unwrap_or(self.rows.len());
        let (mut low, mut high) = (start(block), start(block.saturating_add(1)));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.place(middle).cmp(&place) {
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

    fn hold(key: HoldKey) -> Hold {
        Hold {
            key,
            deadline_ms: 0,
            epoch: 1,
            buyer: Arena::default().push(&[0], &[]),
            payment: NONE,
            quantity: 1,
            tier: 0,
            status: HoldStatus::Held,
        }
    }

    #[test]
    fn finds_every_key_and_no_other() {
        let mut holds = Holds::default();
        let sequences = [1, 2, 3, 63, 64, 65, 700, 701, 100_000];
        for (sequence, nth) in sequences.iter().flat_map(|&s| [(s, 0), (s, 5), (s, 1_023)]) {
            let key = HoldKey::new(sequence, nth);
            holds.push(hold(key));
            assert_eq!(holds.find(key), Some(holds.len() - 1));
        }
        for row in 0..holds.len() {
            assert_eq!(holds.find(holds[row].key), Some(row));
            assert_eq!(holds.find(HoldKey(holds[row].key.0 + 2)), None);
        }
        assert_eq!(holds.find(HoldKey(0)), None);
        assert_eq!(holds.find(HoldKey(u64::MAX)), None);
    }

    /// Against a sorted list: one gap after another, and keys out of each brought back in any order.
    #[test]
    fn finds_and_lists_what_was_brought_back_among_the_others() {
        let gap = 1 << 24;
        let (mut holds, mut expected) = (Holds::default(), Vec::new());
        for reign in 0..3_u64 {
            let lost: Vec<u64> = (0..90).map(|n| 1 + reign * gap + 200 + n * 37 % 90).collect();
            for n in 0..200_u64 {
                let place = HoldKey::new(1 + reign * gap + n, 0);
                // Nothing is lost before the first reign ends.
                match (reign.checked_sub(1), lost.get(usize::try_from(n / 2).unwrap())) {
                    (Some(_), Some(&sequence)) if n % 2 == 0 => {
                        let key = HoldKey::new(sequence - gap, 0);
                        holds.bring_back(hold(key), place);
                        expected.push(key);
                    }
                    _ if n % 3 == 0 => {}
                    _ => {
                        holds.push(hold(place));
                        expected.push(place);
                    }
                }
            }
        }
        expected.sort();
        let keys = |after| holds.after(after).map(|row| holds[row].key).collect::<Vec<_>>();
        assert_eq!(keys(None), expected);
        for (at, &key) in expected.iter().enumerate() {
            assert_eq!(holds.find(key).map(|row| holds[row].key), Some(key));
            assert_eq!(keys(Some(key)), expected[at + 1..]);
            let next = HoldKey(key.0 + 1);
            assert_eq!((holds.find(next), keys(Some(next))), (None, expected[at + 1..].to_vec()));
        }
        for (_, place) in holds.recovered() {
            assert_eq!(holds.find(place), None, "the place of what was brought back is no key");
        }
        let bytes = holds.blocks.len() * size_of::<u32>();
        assert!(bytes <= 3 << 20, "a gap costs a megabyte: {bytes}");
    }
}
