//! Where buyers' records lie, by the hash of their names: one cache line a look.

use crate::arena::Position;

/// Slots in a bucket: as many as fill a cache line.
const SLOTS: usize = 8;

/// Entries for each bucket at most, on average: above that a shard grows.
const FULL: usize = 6;

/// Tables that the index is split into. One table of millions would stop the sale for tens of
/// milliseconds each time it grows; these grow one by one, each in a fraction of a millisecond.
const SHARDS: usize = 256;

/// The hash of a name; never 0, which stands for an empty slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash(u32);

impl Hash {
    /// Of the hash of a name; half of it is enough.
    #[expect(clippy::cast_possible_truncation, reason = "half of the hash is enough")]
    pub(crate) fn new(hash: u64) -> Self {
        Self((hash as u32).max(1))
    }

    /// The first eight bits choose the shard, so that the others spread the buyers within it.
    fn shard(self) -> usize {
        self.0 as usize >> 24
    }
}

const _: () = assert!(SHARDS == 1 << 8);

/// Hashes stand beside the positions, so that neither a look nor growing reads the names of others.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Bucket {
    /// Taken in order; 0: empty.
    hashes: [u32; SLOTS],
    buyers: [Position; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64, "a look is one cache line");

impl Bucket {
    /// The slots with this hash, as bits.
    fn slots(&self, hash: u32) -> u32 {
        let bits = self.hashes.iter().enumerate();
        bits.fold(0, |slots, (at, &other)| slots | u32::from(other == hash) << at)
    }

    fn is_full(&self) -> bool {
        self.hashes[SLOTS - 1] != 0
    }
}

/// Buckets, as many as a power of two; an entry goes to the first with room from its own on.
#[derive(Clone, Debug, Default)]
struct Shard {
    buckets: Vec<Bucket>,
    count: usize,
}

impl Shard {
    fn own(&self, hash: u32) -> usize {
        hash as usize & self.buckets.len().wrapping_sub(1)
    }

    /// The buckets in which this hash can be: its own and those after it, up to one with room.
    fn candidates(&self, hash: u32) -> impl Iterator<Item = &Bucket> {
        let mut next = self.buckets.get(self.own(hash)).map(|_| self.own(hash));
        std::iter::from_fn(move || {
            let at = next?;
            let bucket = &self.buckets[at];
            next = bucket.is_full().then(|| (at + 1) & (self.buckets.len() - 1));
            Some(bucket)
        })
    }

    fn insert(&mut self, hash: u32, buyer: Position) {
        if self.count >= self.buckets.len() * FULL {
            self.grow();
        }
        self.put(hash, buyer);
        self.count += 1;
    }

    fn put(&mut self, hash: u32, buyer: Position) {
        let mut at = self.own(hash);
        while self.buckets[at].is_full() {
            at = (at + 1) & (self.buckets.len() - 1);
        }
        let bucket = &mut self.buckets[at];
        let slot = bucket.slots(0).trailing_zeros() as usize;
        (bucket.hashes[slot], bucket.buyers[slot]) = (hash, buyer);
    }

    fn grow(&mut self) {
        let wider = vec![Bucket::default(); (self.buckets.len() * 2).max(1)];
        for bucket in std::mem::replace(&mut self.buckets, wider) {
            let taken = bucket.hashes.iter().zip(&bucket.buyers).filter(|&(&hash, _)| hash != 0);
            taken.for_each(|(&hash, &buyer)| self.put(hash, buyer));
        }
    }
}

/// An index of records. It is only looked things up in, never walked, so the hashes and its order
/// show nowhere. Nothing leaves it.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    shards: Vec<Shard>,
}

impl Default for Index {
    fn default() -> Self {
        Self { shards: vec![Shard::default(); SHARDS] }
    }
}

impl Index {
    /// The record with this hash that `is_it` is content with.
    pub(crate) fn find(&self, hash: Hash, is_it: impl Fn(Position) -> bool) -> Option<Position> {
        for bucket in self.shards[hash.shard()].candidates(hash.0) {
            let mut slots = bucket.slots(hash.0);
            while slots != 0 {
                let buyer = bucket.buyers[slots.trailing_zeros() as usize];
                if is_it(buyer) {
                    return Some(buyer);
                }
                slots &= slots - 1;
            }
        }
        None
    }

    /// Reads where a look begins, so that it is near when it is needed.
    pub(crate) fn touch(&self, hash: Hash) -> u32 {
        let shard = &self.shards[hash.shard()];
        shard.buckets.get(shard.own(hash.0)).map_or(0, |bucket| bucket.hashes[0])
    }

    /// Adds a record that is not there yet.
    pub(crate) fn insert(&mut self, hash: Hash, buyer: Position) {
        self.shards[hash.shard()].insert(hash.0, buyer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Arena;

    #[test]
    fn tells_records_apart_that_hash_alike() {
        let (mut arena, mut index) = (Arena::default(), Index::default());
        // The same hash, the same bucket, and the hash that stands for an empty slot.
        let hashes = [0x0100_0000, 0x0100_0400, 0].map(Hash::new);
        let records: Vec<_> = (0..60).map(|n| (hashes[n % 3], arena.push(&[], &[0; 8]))).collect();
        for (at, &(hash, record)) in records.iter().enumerate() {
            assert_eq!(index.find(hash, |found| found == record), None);
            index.insert(hash, record);
            for &(hash, record) in &records[..=at] {
                assert_eq!(index.find(hash, |found| found == record), Some(record));
            }
        }
        assert_eq!(index.find(Hash::new(2), |_| true), None);
    }
}
