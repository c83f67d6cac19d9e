//! A growing table of rows that never moves them: no pause when it grows.

const CHUNK_ROWS: usize = 1 << 16;

/// Rows by number, in chunks.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<T>>,
    length: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), length: 0 }
    }
}

impl<T> Slab<T> {
    /// How many rows there are.
    pub(crate) fn len(&self) -> u32 {
        self.length
    }

    /// Adds a row and gives its number. The caller bounds the number of rows below 2^32.
    pub(crate) fn push(&mut self, row: T) -> u32 {
        let index = self.length;
        let chunk = index as usize / CHUNK_ROWS;
        if chunk == self.chunks.len() {
            // A small sale stays small: only chunks after the first are taken whole.
            let rows = if chunk == 0 { 0 } else { CHUNK_ROWS };
            self.chunks.push(Vec::with_capacity(rows));
        }
        self.chunks[chunk].push(row);
        self.length += 1;
        index
    }

    /// All rows in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// Forgets all rows and gives their memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        &self.chunks[index as usize / CHUNK_ROWS][index as usize % CHUNK_ROWS]
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.chunks[index as usize / CHUNK_ROWS][index as usize % CHUNK_ROWS]
    }
}
