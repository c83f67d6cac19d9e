//! One simulated file: what a process reads, and what would survive a loss of power.
//!
//! A disk overwrites a sector whole or not at all, and so does this one. It is harsher than that
//! with a sector that held zeros: such a one may be torn at any byte.

use std::collections::BTreeMap;

use crate::rng::Rng;

/// What a disk writes whole or not at all.
pub(super) const SECTOR: usize = 512;

/// What a sector has on the disk itself; `None`: it was never written there, and reads as zeros.
type Durable = Option<Box<[u8; SECTOR]>>;

/// A file's bytes as a process reads them, and what lies under them on the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    durable_len: usize,
    /// Sectors written since the last flush.
    dirty: BTreeMap<usize, Durable>,
    /// Sectors that a failed flush lost: they still read as written, and no later flush saves
    /// them unless they are written again.
    lost: BTreeMap<usize, Durable>,
    flipped: Option<Flip>,
}

/// A bit that is not as it was written.
#[derive(Clone, Copy, Debug)]
struct Flip {
    at: usize,
    bit: u8,
    /// A process has written over it; what lies under that is still damaged.
    overwritten: bool,
}

/// What a loss of power leaves of unflushed sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaves {
    Nothing,
    Everything,
    /// Each sector by itself: kept, gone or torn.
    Some,
}

impl File {
    pub(super) fn write(&mut self, bytes: &[u8], at: usize) {
        if bytes.is_empty() {
            return;
        }
        let end = at + bytes.len();
        for sector in at / SECTOR..=(end - 1) / SECTOR {
            if !self.dirty.contains_key(&sector) {
                let durable = match self.lost.remove(&sector) {
                    Some(durable) => durable,
                    None => self.sector(sector),
                };
                self.dirty.insert(sector, durable);
            }
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(bytes);
        if let Some(flip) = &mut self.flipped {
            flip.overwritten |= (at..end).contains(&flip.at);
        }
    }

    /// Where what was written ends: beyond it there are only zeros.
    pub(super) fn used(&self) -> usize {
        self.bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
    }

    /// Whether a byte is on the disk as it reads.
    pub(super) fn is_durable(&self, at: usize) -> bool {
        at < self.durable_len && !self.is_unflushed(at, 1)
    }

    /// Whether some of these bytes are not on the disk as they read.
    pub(super) fn is_unflushed(&self, at: usize, count: usize) -> bool {
        let sectors = at / SECTOR..(at + count).div_ceil(SECTOR);
        let touched = |map: &BTreeMap<_, _>| map.range(sectors.clone()).next().is_some();
        touched(&self.dirty) || touched(&self.lost)
    }

    /// Flips a bit of a byte that is on the disk.
    pub(super) fn flip(&mut self, at: usize, bit: u8) {
        self.bytes[at] ^= bit;
        self.flipped = Some(Flip { at, bit, overwritten: false });
    }

    /// Flips it back, wherever it still is.
    pub(super) fn heal(&mut self) {
        let Some(Flip { at, bit, overwritten }) = self.flipped.take() else { return };
        if !overwritten && let Some(byte) = self.bytes.get_mut(at) {
            *byte ^= bit;
        }
        for map in [&mut self.dirty, &mut self.lost] {
            if let Some(Some(durable)) = map.get_mut(&(at / SECTOR)) {
                durable[at % SECTOR] ^= bit;
            }
        }
    }

    /// A sector as it is now, which is as the disk has it if it is not dirty.
    fn sector(&self, sector: usize) -> Durable {
        let start = sector * SECTOR;
        if start >= self.durable_len {
            return None;
        }
        let mut copy = Box::new([0; SECTOR]);
        let here = &self.bytes[start..self.bytes.len().min(start + SECTOR)];
        copy[..here.len()].copy_from_slice(here);
        Some(copy)
    }

    pub(super) fn flush(&mut self) {
        self.dirty.clear();
        self.durable_len = self.bytes.len();
        self.flipped.take_if(|flip| flip.overwritten);
    }

    /// Each dirty sector may have reached the disk or not; the system forgets that it is dirty.
    pub(super) fn fail_flush(&mut self, rng: &mut Rng) {
        for (sector, durable) in std::mem::take(&mut self.dirty) {
            if rng.percent(50) {
                self.lost.entry(sector).or_insert(durable);
            }
        }
    }

    pub(super) fn lose_power(&mut self, leaves: Leaves, rng: &mut Rng) {
        if leaves != Leaves::Everything {
            for (sector, durable) in std::mem::take(&mut self.dirty) {
                let fresh = durable.as_ref().is_none_or(|old| old.iter().all(|&byte| byte == 0));
                let torn_at = if fresh { rng.index(SECTOR) } else { 0 };
                let from = match leaves {
                    Leaves::Some => [0, torn_at, SECTOR][rng.index(3)],
                    Leaves::Nothing | Leaves::Everything => 0,
                };
                self.revert(sector, durable.as_deref(), from);
            }
            if leaves == Leaves::Nothing || rng.percent(50) {
                self.bytes.truncate(self.durable_len);
            }
        }
        for (sector, durable) in std::mem::take(&mut self.lost) {
            self.revert(sector, durable.as_deref(), 0);
        }
        self.flush();
    }

    /// Puts back what the disk has from byte `from` of a sector on.
    fn revert(&mut self, sector: usize, durable: Option<&[u8; SECTOR]>, from: usize) {
        let start = (sector * SECTOR).min(self.bytes.len());
        let end = self.bytes.len().min(start + SECTOR);
        let place = &mut self.bytes[start..end];
        let (from, count) = (from.min(place.len()), place.len());
        match durable {
            Some(durable) => place[from..].copy_from_slice(&durable[from..count]),
            None => place[from..].fill(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = File::default();
        file.write(bytes, 0);
        file.flush();
        file
    }

    #[test]
    fn what_was_flushed_survives_and_what_was_not_may_go() {
        let mut file = file(&[1; 1_024]);
        file.write(&[2; 100], 500);
        file.lose_power(Leaves::Nothing, &mut Rng::new(1));
        assert_eq!(file.bytes, [1; 1_024]);
        file.write(&[2; 1_024], 1_000);
        file.lose_power(Leaves::Everything, &mut Rng::new(1));
        assert_eq!(file.bytes.len(), 2_024);
    }

    #[test]
    fn sectors_are_torn_each_by_itself() {
        let mut all = [false; 3];
        for seed in 0..100 {
            let (mut fresh, mut old) = (file(&[0; 1_024]), file(&[1; 1_024]));
            let news = |file: &mut File| {
                file.write(&[2; 1_024], 0);
                file.lose_power(Leaves::Some, &mut Rng::new(seed));
                file.bytes[..SECTOR].iter().filter(|&&byte| byte == 2).count()
            };
            all[match news(&mut fresh) {
                0 => 0,
                SECTOR => 1,
                _ => 2,
            }] = true;
            assert!([0, SECTOR].contains(&news(&mut old)), "an overwritten sector is never torn");
        }
        assert_eq!(all, [true; 3], "kept, gone and torn all occur");
    }

    #[test]
    fn what_a_failed_flush_lost_is_not_saved_by_the_next_one() {
        let lost = (0..20).any(|seed| {
            let (mut file, mut rng) = (file(&[1; SECTOR]), Rng::new(seed));
            file.write(&[2; SECTOR], 0);
            file.fail_flush(&mut rng);
            assert_eq!(file.bytes, [2; SECTOR], "it still reads as written");
            file.flush();
            file.lose_power(Leaves::Everything, &mut rng);
            file.bytes == [1; SECTOR]
        });
        assert!(lost);
    }

    #[test]
    fn a_flipped_bit_is_flipped_back_wherever_it_still_is() {
        let whole = file(&[1; 1_024]);
        let mut damaged = file(&[1; 1_024]);
        damaged.flip(700, 4);
        assert_eq!(damaged.bytes[700], 5);
        damaged.heal();
        assert_eq!(damaged.bytes, whole.bytes);

        // Written over and not flushed, the damage waits under what was written.
        damaged.flip(700, 4);
        damaged.write(&[2; 512], 512);
        damaged.heal();
        damaged.lose_power(Leaves::Nothing, &mut Rng::new(1));
        assert_eq!(damaged.bytes, whole.bytes);

        // Written over and flushed it is gone for good.
        damaged.flip(700, 4);
        damaged.write(&[2; 512], 512);
        damaged.flush();
        damaged.heal();
        assert_eq!(damaged.bytes[512..], [2; 512]);
    }

    #[test]
    fn what_is_written_again_is_saved() {
        for seed in 0..20 {
            let (mut file, mut rng) = (file(&[1; SECTOR]), Rng::new(seed));
            file.write(&[2; SECTOR], 0);
            file.fail_flush(&mut rng);
            file.write(&[2; SECTOR], 0);
            file.flush();
            file.lose_power(Leaves::Nothing, &mut rng);
            assert_eq!(file.bytes, [2; SECTOR]);
        }
    }
}
