//! How often the server lets one buyer ask.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

const COUNT_MAX: u32 = 1_000_000;

/// How often the server lets one buyer ask, such as `10/s`, `60/m` or `1000/h`, and after a rest
/// twice as many at once; or `off`: as often as they like.
///
/// A 429 to whoever asked more often is an honest refusal; to anybody else it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyerLimit {
    /// Tries in each period; `None`: no limit.
    rate: Option<(u32, Period)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Period {
    Second,
    Minute,
    Hour,
}

impl BuyerLimit {
    /// As often as they like: no 429 is expected.
    pub const OFF: Self = Self { rate: None };
    /// What a server takes unless it is told otherwise: ten a second.
    pub const USUAL: Self = Self { rate: Some((10, Period::Second)) };

    /// Whether a try begun at `asked` may honestly be refused, after tries that were taken and
    /// told at these moments, in order.
    ///
    /// The server counts by its own clock: a try was taken before it was told. So the time between
    /// is taken at its shortest, which cannot wrong the server.
    pub(crate) fn is_used_up(self, taken: &[Duration], asked: Duration) -> bool {
        let Some((count, period)) = self.rate else { return false };
        let count = f64::from(count);
        let since = |told: &Duration| asked.saturating_sub(*told).as_secs_f64();
        let room = |told: &Duration| count * 2.0 + since(told) * count / period.seconds();
        // With this try: two since the last one, three since the one before, and so on.
        taken.iter().rev().zip(2_u32..).any(|(told, tries)| f64::from(tries) > room(told))
    }
}

impl Period {
    fn seconds(self) -> f64 {
        match self {
            Self::Second => 1.0,
            Self::Minute => 60.0,
            Self::Hour => 3_600.0,
        }
    }
}

impl FromStr for BuyerLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self::OFF);
        }
        let wrong = || {
            format!("it must be off, or a number from 1 to {COUNT_MAX} and /s, /m or /h, as 10/s")
        };
        let (count, per) = text.split_once('/').ok_or_else(wrong)?;
        let period = match per {
            "s" => Period::Second,
            "m" => Period::Minute,
            "h" => Period::Hour,
            _ => return Err(wrong()),
        };
        let count = count.parse().ok().filter(|count| (1..=COUNT_MAX).contains(count));
        Ok(Self { rate: Some((count.ok_or_else(wrong)?, period)) })
    }
}

impl fmt::Display for BuyerLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rate {
            None => f.write_str("off"),
            Some((count, Period::Second)) => write!(f, "{count}/s"),
            Some((count, Period::Minute)) => write!(f, "{count}/m"),
            Some((count, Period::Hour)) => write!(f, "{count}/h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn limits_are_read_as_they_are_written() {
        for text in ["10/s", "60/m", "1000/h", "off"] {
            assert_eq!(text.parse::<BuyerLimit>().unwrap().to_string(), text);
        }
        for text in ["", "10", "0/s", "-1/s", "10/d", "1000001/s", "s", "never"] {
            assert!(text.parse::<BuyerLimit>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn who_asked_more_often_may_be_refused_and_nobody_else() {
        let limit: BuyerLimit = "2/s".parse().unwrap();
        // Four at once, and two more a second.
        assert!(limit.is_used_up(&[ms(0); 4], ms(0)));
        assert!(!limit.is_used_up(&[ms(0); 3], ms(0)));
        assert!(!limit.is_used_up(&[ms(0); 4], ms(500)));
        assert!(limit.is_used_up(&[ms(0); 4], ms(499)));
        // A rest of any length allows no more than four at once.
        let rested = [ms(0), ms(60_000), ms(60_000), ms(60_000), ms(60_000)];
        assert!(limit.is_used_up(&rested, ms(60_000)));
        assert!(!limit.is_used_up(&rested[..4], ms(60_000)));
        assert!(!limit.is_used_up(&[], ms(0)));
        assert!(!BuyerLimit::OFF.is_used_up(&[ms(0); 1_000], ms(0)));
    }
}
