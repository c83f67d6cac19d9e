//! Records of different lengths, packed one after another and never moved.

/// Records begin at multiples of this many bytes.
const UNIT: usize = 4;

/// Bytes in a cache line. A record that fits one lies within one: to look at it is one cache miss.
const LINE: usize = 64;

/// Bytes in a chunk. A record lies within one chunk.
const CHUNK_BYTES: usize = 1 << 20;

const CHUNK_UNITS: usize = CHUNK_BYTES / UNIT;

/// Chunks that positions can reach: 16 GiB in all.
const CHUNKS_MAX: usize = (1 << 32) / CHUNK_UNITS;

/// Where a record begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(u32);

impl Position {
    fn chunk(self) -> usize {
        self.0 as usize / CHUNK_UNITS
    }

    fn offset(self) -> usize {
        self.0 as usize % CHUNK_UNITS * UNIT
    }
}

/// Records, each a length byte and 1 to 255 bytes; a length of 0 leads to the next line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arena {
    chunks: Vec<Chunk>,
}

/// Records one after another.
/// Lines begin at multiples of [`LINE`] from a chunk's own beginning, wherever the allocator has put
/// it: what fits must not depend on that. Allocators align such large blocks to lines anyway.
#[derive(Clone, Debug)]
struct Chunk {
    bytes: Vec<u8>,
}

impl Chunk {
    fn new(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    /// Where a further record of so many bytes begins.
    fn begin(&self, bytes: usize) -> usize {
        let end = self.bytes.len();
        let crosses = end + bytes > (end + 1).next_multiple_of(LINE);
        if crosses && bytes <= LINE { end.next_multiple_of(LINE) } else { end }
    }

    /// Where the first record at or after this offset begins.
    fn record_from(&self, offset: usize) -> Option<usize> {
        let is_record = *self.bytes.get(offset)? > 0;
        Some(if is_record { offset } else { offset.next_multiple_of(LINE) })
    }

    fn offsets(&self) -> impl Iterator<Item = usize> {
        std::iter::successors(self.record_from(0), |&offset| {
            let bytes = (1 + usize::from(self.bytes[offset])).next_multiple_of(UNIT);
            self.record_from(offset + bytes)
        })
    }
}

impl Arena {
    /// Adds a record made of two parts. The caller asks [`Arena::is_full`] first.
    pub(crate) fn push(&mut self, head: &[u8], tail: &[u8]) -> Position {
        let length = head.len() + tail.len();
        debug_assert!(length > 0, "a record has at least one byte");
        let bytes = (1 + length).next_multiple_of(UNIT);
        let is_full = |chunk: &Chunk| chunk.begin(bytes) + bytes > CHUNK_BYTES;
        if self.chunks.last().is_none_or(is_full) {
            // A small sale stays small: only chunks after the first are taken whole.
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK_BYTES };
            self.chunks.push(Chunk::new(capacity));
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        let begin = chunk.begin(bytes);
        let chunk = &mut chunk.bytes;
        chunk.resize(begin, 0);
        chunk.push(u8::try_from(length).unwrap_or(u8::MAX));
        chunk.extend_from_slice(head);
        chunk.extend_from_slice(tail);
        chunk.resize(begin + bytes, 0);
        let position = number * CHUNK_UNITS + begin / UNIT;
        Position(u32::try_from(position).unwrap_or(u32::MAX))
    }

    /// A record's bytes.
    pub(crate) fn get(&self, position: Position) -> &[u8] {
        let chunk = &self.chunks[position.chunk()].bytes[position.offset()..];
        &chunk[1..=usize::from(chunk[0])]
    }

    /// A record's bytes, to be changed in place.
    pub(crate) fn get_mut(&mut self, position: Position) -> &mut [u8] {
        let chunk = &mut self.chunks[position.chunk()].bytes[position.offset()..];
        let length = usize::from(chunk[0]);
        &mut chunk[1..=length]
    }

    /// The positions of all records, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Position> {
        (0..).zip(&self.chunks).flat_map(|(number, chunk)| {
            chunk.offsets().map(move |offset| {
                Position(u32::try_from(number * CHUNK_UNITS + offset / UNIT).unwrap_or(u32::MAX))
            })
        })
    }

    /// Whether no further record can be added.
    pub(crate) fn is_full(&self) -> bool {
        self.chunks.len() >= CHUNKS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_record_again_and_lets_none_cross_a_line_that_fits_one() {
        let mut arena = Arena::default();
        let lengths = (1..=255).chain([63, 1, 64, 63, 62, 2].into_iter().cycle().take(40_000));
        let records: Vec<Vec<u8>> = lengths.map(|length| vec![length; length.into()]).collect();
        let positions: Vec<_> = records.iter().map(|record| arena.push(&[], record)).collect();
        assert!(arena.chunks.len() > 2, "records of several chunks");
        assert!(arena.iter().eq(positions.iter().copied()), "all of them, in order");
        for (record, &position) in records.iter().zip(&positions) {
            assert_eq!(arena.get(position), record);
            let first = position.offset();
            let last = first + record.len();
            assert!(record.len() >= LINE || first / LINE == last / LINE, "{first} to {last}");
        }
    }
}
