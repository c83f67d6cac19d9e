//! Records of different lengths, packed one after another and never moved.

/// Records begin at multiples of this many bytes.
const UNIT: usize = 4;

/// Bytes in a chunk. A record lies within one chunk.
const CHUNK_BYTES: usize = 1 << 20;

const CHUNK_UNITS: usize = CHUNK_BYTES / UNIT;

/// Chunks that positions can reach: 16 GiB in all.
const CHUNKS_MAX: usize = (1 << 32) / CHUNK_UNITS;

/// Where a record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(u32);

impl Position {
    fn chunk(self) -> usize {
        self.0 as usize / CHUNK_UNITS
    }

    fn offset(self) -> usize {
        self.0 as usize % CHUNK_UNITS * UNIT
    }
}

/// Records, each a length byte and at most 255 bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arena {
    chunks: Vec<Vec<u8>>,
}

impl Arena {
    /// Adds a record made of two parts. The caller asks [`Arena::is_full`] first.
    pub(crate) fn push(&mut self, head: &[u8], tail: &[u8]) -> Position {
        let length = head.len() + tail.len();
        let bytes = (1 + length).next_multiple_of(UNIT);
        if self.chunks.last().is_none_or(|chunk| chunk.len() + bytes > CHUNK_BYTES) {
            // A small sale stays small: only chunks after the first are taken whole.
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK_BYTES };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        let begin = chunk.len();
        chunk.push(u8::try_from(length).unwrap_or(u8::MAX));
        chunk.extend_from_slice(head);
        chunk.extend_from_slice(tail);
        chunk.resize(begin + bytes, 0);
        let position = number * CHUNK_UNITS + begin / UNIT;
        Position(u32::try_from(position).unwrap_or(u32::MAX))
    }

    /// A record's bytes.
    pub(crate) fn get(&self, position: Position) -> &[u8] {
        let chunk = &self.chunks[position.chunk()][position.offset()..];
        &chunk[1..=usize::from(chunk[0])]
    }

    /// A record's bytes, to be changed in place.
    pub(crate) fn get_mut(&mut self, position: Position) -> &mut [u8] {
        let chunk = &mut self.chunks[position.chunk()][position.offset()..];
        let length = usize::from(chunk[0]);
        &mut chunk[1..=length]
    }

    /// The positions of all records, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Position> {
        (0..).zip(&self.chunks).flat_map(|(number, chunk)| {
            let next = |&offset: &usize| {
                let bytes = (1 + usize::from(chunk[offset])).next_multiple_of(UNIT);
                Some(offset + bytes).filter(|&offset| offset < chunk.len())
            };
            let first = (!chunk.is_empty()).then_some(0);
            std::iter::successors(first, next).map(move |offset| {
                Position(u32::try_from(number * CHUNK_UNITS + offset / UNIT).unwrap_or(u32::MAX))
            })
        })
    }

    /// Whether no further record can be added.
    pub(crate) fn is_full(&self) -> bool {
        self.chunks.len() >= CHUNKS_MAX
    }
}
