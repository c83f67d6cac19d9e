//! Small tools of every benchmark: random numbers, medians, memory.

use std::time::Duration;

/// Random numbers from a seed (`SplitMix64`, Steele et al. 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }
}

/// Numbers in random order, each once before any comes again.
pub(crate) struct Deck {
    numbers: Vec<u32>,
    random: Random,
}

impl Deck {
    pub(crate) fn new(numbers: usize, seed: u64) -> Self {
        let most = u32::try_from(numbers).unwrap_or(u32::MAX);
        Self { numbers: (0..most).collect(), random: Random::new(seed) }
    }

    /// At most `count` numbers, no two the same.
    pub(crate) fn deal(&mut self, count: usize) -> Vec<usize> {
        let count = count.min(self.numbers.len());
        for place in 0..count {
            let pick = place + self.random.below(self.numbers.len() - place);
            self.numbers.swap(place, pick);
        }
        self.numbers[..count].iter().map(|&number| number as usize).collect()
    }
}

/// The value below which this share of sorted values lies.
pub(crate) fn at(sorted: &[u64], share: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length"
    )]
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
}

/// The middle one of an odd number of values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Operations a second.
pub(crate) fn rate(operations: usize, took: Duration) -> f64 {
    operations as f64 / took.as_secs_f64()
}

/// Bytes of memory that this process has touched and not given back.
pub(crate) fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 =
        statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4_096
}
