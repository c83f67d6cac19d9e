//! When each buyer comes.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The moments of `buyers` buyers, counted from the start, drawn uniformly from `over`, sorted.
pub(crate) fn moments(seed: u64, buyers: u32, over: Duration) -> Vec<Duration> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut moments: Vec<_> =
        (0..buyers).map(|_| over.mul_f64(random.random_range(0.0..1.0))).collect();
    moments.sort_unstable();
    moments
}

/// At most `count` of `items`, drawn from the seed, each at most once.
pub(crate) fn sample<T>(seed: u64, mut items: Vec<T>, count: usize) -> Vec<T> {
    let mut random = StdRng::seed_from_u64(seed);
    let count = count.min(items.len());
    for place in 0..count {
        let pick = random.random_range(place..items.len());
        items.swap(place, pick);
    }
    items.truncate(count);
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_schedule_spread_over_the_time() {
        let over = Duration::from_secs(30);
        let first = moments(7, 10_000, over);
        assert_eq!(first, moments(7, 10_000, over));
        assert_ne!(first, moments(8, 10_000, over));
        assert!(first.is_sorted() && first.iter().all(|at| *at < over));
        let half = first.iter().filter(|at| **at < over / 2).count();
        assert!((4_700..=5_300).contains(&half), "{half} of 10,000 come in the first half");
    }

    #[test]
    fn all_at_once_is_a_schedule() {
        assert_eq!(moments(1, 3, Duration::ZERO), [Duration::ZERO; 3]);
    }

    #[test]
    fn a_sample_has_nobody_twice() {
        let mut drawn = sample(3, (0..100).collect(), 60);
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 60);
        assert_eq!(sample(3, vec!['a'], 60), ['a']);
    }
}
