//! One frame: what one append puts on the disk, laid out in sectors.
//!
//! A frame starts on a sector's boundary and fills whole sectors. The last byte of each sector is
//! not the frame's: it is a *mark*, [`FIRST`] on a frame's first sector and [`REST`] on the others.
//! A fresh segment is all zeros, so a mark of 0 says that a write has not reached this sector.
//! The frame itself is a header of [`HEADER`] bytes, the payload, and zeros up to the last mark.

use super::codec::Bytes;

/// What a disk writes whole or not at all.
pub(super) const SECTOR: usize = 512;
/// The mark of a frame's first sector.
pub(super) const FIRST: u8 = 0xA5;
/// The mark of a frame's other sectors.
pub(super) const REST: u8 = 0x5A;
/// The mark of a sector that no frame has reached.
pub(super) const UNWRITTEN: u8 = 0;
/// A frame's bytes before its payload.
pub(super) const HEADER: usize = 28;
/// The largest payload. Far beyond any batch; it bounds memory and catches nonsense.
pub(super) const PAYLOAD_MAX: usize = 256 << 20;

const MAGIC: [u8; 4] = *b"HFfr";
const BODY: usize = SECTOR - 1;

/// Bytes on disk of a frame with this payload.
pub(super) fn extent(payload: usize) -> usize {
    (HEADER + payload).div_ceil(BODY) * SECTOR
}

/// A frame being laid out. Its memory is used again for the next one.
#[derive(Debug)]
pub(super) struct FrameBuffer {
    bytes: Vec<u8>,
}

impl FrameBuffer {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; HEADER] }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.resize(HEADER, 0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER
    }

    /// Payload bytes so far.
    pub(super) fn payload(&self) -> usize {
        self.bytes.len() - self.bytes.len() / SECTOR - HEADER
    }

    /// Bytes on disk once it is sealed.
    pub(super) fn extent(&self) -> usize {
        extent(self.payload())
    }

    /// Adds to the payload; marks are put in as sectors fill.
    #[inline]
    pub(super) fn put(&mut self, mut bytes: &[u8]) {
        loop {
            let room = BODY - self.bytes.len() % SECTOR;
            let Some((head, tail)) = bytes.split_at_checked(room) else {
                return self.bytes.extend_from_slice(bytes);
            };
            self.bytes.extend_from_slice(head);
            self.bytes.push(REST);
            bytes = tail;
        }
    }

    /// Gives the frame its number and its checksums; returns what goes to the disk.
    pub(super) fn seal(&mut self, number: u64) -> &[u8] {
        let payload = self.payload();
        if !self.bytes.len().is_multiple_of(SECTOR) {
            self.bytes.resize(extent(payload) - 1, 0);
            self.bytes.push(REST);
        }
        self.bytes[SECTOR - 1] = FIRST;
        let body = crc32fast::hash(&self.bytes[HEADER..]);
        self.bytes[0..4].copy_from_slice(&MAGIC);
        self.bytes[4..8].copy_from_slice(&body.to_le_bytes());
        self.bytes[8..16].copy_from_slice(&number.to_le_bytes());
        self.bytes[16..24].copy_from_slice(&(payload as u64).to_le_bytes());
        let header = crc32fast::hash(&self.bytes[..24]);
        self.bytes[24..HEADER].copy_from_slice(&header.to_le_bytes());
        &self.bytes
    }
}

/// What a frame's header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// The frame's number in the whole journal, from 1.
    pub(super) number: u64,
    /// Bytes of its payload.
    pub(super) payload: usize,
    checksum: u32,
}

impl Header {
    /// Reads the header in a frame's first sector; the error says what is wrong with it.
    pub(super) fn decode(sector: &[u8]) -> Result<Self, &'static str> {
        let header = Self::parse(sector).ok_or("a frame's header does not match its checksum")?;
        if header.payload > PAYLOAD_MAX {
            return Err("a frame's length is out of range");
        }
        Ok(header)
    }

    fn parse(sector: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(sector);
        let magic = bytes.array::<4>()?;
        let checksum = bytes.u32()?;
        let number = bytes.u64()?;
        let payload = bytes.length()?;
        let intact = bytes.u32()? == crc32fast::hash(&sector[..24]);
        (intact && magic == MAGIC).then_some(Self { number, payload, checksum })
    }

    pub(super) fn extent(&self) -> usize {
        extent(self.payload)
    }

    /// Whether these sectors are what was sealed.
    pub(super) fn matches(&self, sectors: &[u8]) -> bool {
        crc32fast::hash(&sectors[HEADER..]) == self.checksum
    }

    /// Takes the payload out of the frame's sectors.
    pub(super) fn unpack(&self, sectors: &[u8], payload: &mut Vec<u8>) {
        payload.clear();
        let mut skip = HEADER;
        for sector in sectors.chunks_exact(SECTOR) {
            payload.extend_from_slice(&sector[skip..BODY]);
            skip = 0;
        }
        payload.truncate(self.payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_read_back() {
        let mut frame = FrameBuffer::new();
        for length in (0..1200).chain([BODY * 9 - HEADER - 1, BODY * 9 - HEADER, 100_000]) {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            frame.clear();
            for part in bytes.chunks(37) {
                frame.put(part);
            }
            assert_eq!(frame.payload(), length);
            let extent = frame.extent();
            let sealed = frame.seal(9).to_vec();
            assert_eq!(sealed.len(), extent);
            assert_eq!(sealed[SECTOR - 1], FIRST);
            assert!(sealed.chunks(SECTOR).skip(1).all(|sector| sector[SECTOR - 1] == REST));

            let header = Header::decode(&sealed[..SECTOR]).unwrap();
            assert_eq!((header.number, header.payload), (9, length));
            assert_eq!(header.extent(), extent);
            assert!(header.matches(&sealed));
            let mut payload = Vec::new();
            header.unpack(&sealed, &mut payload);
            assert_eq!(payload, bytes);
        }
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let mut frame = FrameBuffer::new();
        frame.put(&[7; 600]);
        let sealed = frame.seal(1).to_vec();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let intact =
                Header::decode(&flipped[..SECTOR]).is_ok_and(|header| header.matches(&flipped));
            assert!(!intact, "bit {bit}");
        }
    }
}
