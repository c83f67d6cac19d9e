//! When each buyer comes: in waves, one after another.

mod parse;
mod recorded;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::duration::words;

/// When the buyers come: one wave after another, each in its own way.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrivals {
    waves: Vec<Wave>,
}

/// A part of the schedule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wave {
    /// So many buyers, each at a moment drawn from the whole time; all at once if that is zero.
    Uniform { buyers: u32, over: Duration },
    /// Buyers at equal distances.
    Steady { per_second: f64, over: Duration },
    /// Buyers who know nothing of each other: exponential gaps.
    Poisson { per_second: f64, over: Duration },
    /// A rate that rises or falls evenly.
    Ramp { from: f64, to: f64, over: Duration },
    /// Nobody.
    Pause { over: Duration },
    /// As it once was.
    Recorded { file: String, moments: Arc<[Duration]> },
}

/// A wave on the clock of the rush.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) name: String,
    pub(crate) begins: Duration,
    pub(crate) ends: Duration,
    /// Who is due in it.
    pub(crate) buyers: Range<u32>,
}

impl Window {
    pub(crate) fn length(&self) -> Duration {
        self.ends.saturating_sub(self.begins)
    }
}

impl Arrivals {
    /// So many buyers within this time, uniformly; all at once if it is zero.
    pub fn uniform(buyers: u32, over: Duration) -> Self {
        Self { waves: vec![Wave::Uniform { buyers, over }] }
    }

    /// How long all waves take.
    pub fn span(&self) -> Duration {
        self.waves.iter().map(Wave::span).sum()
    }

    /// The moments of all buyers, counted from the start and in order; the seed decides them.
    pub(crate) fn moments(&self, seed: u64) -> Vec<Duration> {
        let mut begins = Duration::ZERO;
        let mut all = Vec::new();
        for (wave, moments) in self.each(seed) {
            all.extend(moments.into_iter().map(|moment| begins + moment));
            begins += wave.span();
        }
        all
    }

    /// Each wave, and the moments of its buyers, counted from its own start and in order.
    fn each(&self, seed: u64) -> impl Iterator<Item = (&Wave, Vec<Duration>)> {
        let mut random = StdRng::seed_from_u64(seed);
        self.waves.iter().map(move |wave| {
            let mut moments = wave.moments(&mut random);
            moments.sort_unstable();
            (wave, moments)
        })
    }

    /// About how many buyers come; refuses to be cheated into making them all.
    pub fn buyers_about(&self) -> f64 {
        self.waves.iter().map(Wave::buyers_about).sum()
    }

    /// The waves on the clock of the rush. Buyers are numbered as they come.
    pub(crate) fn windows(&self, seed: u64) -> Vec<Window> {
        let (mut begins, mut first) = (Duration::ZERO, 0_u32);
        let windows = self.each(seed).map(|(wave, moments)| {
            let next = first.saturating_add(u32::try_from(moments.len()).unwrap_or(u32::MAX));
            let (name, ends) = (wave.to_string(), begins + wave.span());
            let window = Window { name, begins, ends, buyers: first..next };
            (begins, first) = (ends, next);
            window
        });
        windows.collect()
    }
}

impl Wave {
    fn span(&self) -> Duration {
        match self {
            Self::Uniform { over, .. }
            | Self::Steady { over, .. }
            | Self::Poisson { over, .. }
            | Self::Ramp { over, .. }
            | Self::Pause { over } => *over,
            Self::Recorded { moments, .. } => moments.last().copied().unwrap_or_default(),
        }
    }

    fn buyers_about(&self) -> f64 {
        match self {
            Self::Uniform { buyers, .. } => f64::from(*buyers),
            Self::Steady { per_second, over } | Self::Poisson { per_second, over } => {
                per_second * over.as_secs_f64()
            }
            Self::Ramp { from, to, over } => (from + to) / 2.0 * over.as_secs_f64(),
            Self::Pause { .. } => 0.0,
            Self::Recorded { moments, .. } => moments.len() as f64,
        }
    }

    fn moments(&self, random: &mut StdRng) -> Vec<Duration> {
        match self {
            Self::Uniform { buyers, over } => {
                (0..*buyers).map(|_| over.mul_f64(random.random_range(0.0..1.0))).collect()
            }
            Self::Steady { per_second, over } => ramp(*per_second, *per_second, *over),
            Self::Ramp { from, to, over } => ramp(*from, *to, *over),
            Self::Poisson { per_second, over } => {
                let mut at = 0.0;
                let gap = move || {
                    at -= (1.0 - random.random_range(0.0..1.0_f64)).ln() / per_second;
                    Some(at)
                };
                let within = |at: &f64| *at < over.as_secs_f64();
                std::iter::from_fn(gap).take_while(within).map(Duration::from_secs_f64).collect()
            }
            Self::Pause { .. } => Vec::new(),
            Self::Recorded { moments, .. } => moments.to_vec(),
        }
    }
}

/// Where the number of buyers so far, `from * t + (to - from) * t^2 / (2 * over)`, passes each
/// half: solved for `t`.
fn ramp(from: f64, to: f64, over: Duration) -> Vec<Duration> {
    let seconds = over.as_secs_f64();
    let steepness = (to - from) / seconds.max(f64::MIN_POSITIVE);
    let at = |buyer: f64| 2.0 * buyer / (from + (from * from + 2.0 * steepness * buyer).sqrt());
    let all = ((from + to) / 2.0 * seconds).round();
    let halves = std::iter::successors(Some(0.5), |half| Some(half + 1.0));
    let moments = halves.take_while(|half| *half < all).map(at);
    moments.map(|at| Duration::from_secs_f64(at.clamp(0.0, seconds))).collect()
}

impl fmt::Display for Wave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform { buyers, over } if over.is_zero() => write!(f, "{buyers} at once"),
            Self::Uniform { buyers, over } => write!(f, "{buyers} over {}", words(*over)),
            Self::Steady { per_second, over } => {
                write!(f, "steady {per_second}/s for {}", words(*over))
            }
            Self::Poisson { per_second, over } => {
                write!(f, "poisson {per_second}/s for {}", words(*over))
            }
            Self::Ramp { from, to, over } => {
                write!(f, "ramp {from}/s to {to}/s for {}", words(*over))
            }
            Self::Pause { over } => write!(f, "pause {}", words(*over)),
            Self::Recorded { file, .. } => write!(f, "recorded {file}"),
        }
    }
}

impl fmt::Display for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waves: Vec<_> = self.waves.iter().map(Wave::to_string).collect();
        f.write_str(&waves.join(", "))
    }
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

    fn moments(text: &str, seed: u64) -> Vec<Duration> {
        let moments = text.parse::<Arrivals>().unwrap().moments(seed);
        assert!(moments.is_sorted(), "{text}");
        moments
    }

    fn within(moments: &[Duration], from: f64, to: f64) -> usize {
        moments.iter().filter(|at| (from..to).contains(&at.as_secs_f64())).count()
    }

    #[test]
    fn a_seed_gives_one_schedule_spread_over_the_time() {
        let first = moments("10000 over 30s", 7);
        assert_eq!(first, moments("10000 over 30s", 7));
        assert_ne!(first, moments("10000 over 30s", 8));
        assert_eq!(within(&first, 0.0, 30.0), 10_000);
        let half = within(&first, 0.0, 15.0);
        assert!((4_700..=5_300).contains(&half), "{half} of 10,000 come in the first half");
    }

    #[test]
    fn all_at_once_is_a_schedule() {
        assert_eq!(moments("3 at once", 1), [Duration::ZERO; 3]);
    }

    #[test]
    fn a_steady_stream_keeps_its_distance() {
        let moments = moments("steady 100/s for 2s", 1);
        assert_eq!(moments.len(), 200);
        let gaps = moments.windows(2).map(|pair| (pair[1] - pair[0]).as_millis());
        assert!(gaps.into_iter().all(|gap| (9..=10).contains(&gap)));
    }

    #[test]
    fn a_ramp_rises_evenly_and_falls_evenly() {
        for (text, first) in
            [("ramp 0/s to 1000/s for 4s", 125), ("ramp 1000/s to 0/s for 4s", 875)]
        {
            let moments = moments(text, 1);
            assert_eq!(moments.len(), 2_000, "{text}");
            assert_eq!(within(&moments, 0.0, 1.0), first, "{text}");
        }
    }

    #[test]
    fn poisson_has_its_rate_and_its_spread() {
        let moments = moments("poisson 1000/s for 10s", 3);
        assert!((9_600..=10_400).contains(&moments.len()), "{}", moments.len());
        let counts: Vec<_> = (0..100)
            .map(|bin| within(&moments, f64::from(bin) / 10.0, f64::from(bin + 1) / 10.0))
            .collect();
        let mean = moments.len() as f64 / 100.0;
        let variance = counts.iter().map(|n| (*n as f64 - mean).powi(2)).sum::<f64>() / 100.0;
        // The variance of a Poisson count is its mean; a uniform grid would have none.
        assert!((0.5..2.0).contains(&(variance / mean)), "{variance} beside {mean}");
    }

    #[test]
    fn waves_follow_each_other() {
        let moments = moments("10 at once, pause 2s, steady 10/s for 1s", 1);
        assert_eq!(moments.len(), 20);
        assert_eq!((within(&moments, 0.0, 0.1), within(&moments, 2.0, 3.0)), (10, 10));
        let arrivals: Arrivals = "10 at once, pause 2s, steady 10/s for 1s".parse().unwrap();
        assert_eq!(arrivals.span(), Duration::from_secs(3));
        let windows = arrivals.windows(1);
        assert_eq!(windows[2].begins, Duration::from_secs(2));
        let buyers: Vec<_> = windows.iter().map(|window| window.buyers.clone()).collect();
        assert_eq!(buyers, [0..10, 10..10, 10..20]);
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
