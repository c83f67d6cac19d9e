//! Durations as people write them.

use std::time::Duration;

/// Reads `30s`, `500ms`, `1m` or `1.5h`; a bare number is seconds.
///
/// # Errors
/// When it is none of these, in words for whoever wrote it.
pub fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];
    let found = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let (number, unit) = found.unwrap_or((text, &1.0));
    let number: f64 = number.trim().parse().map_err(|_| "it must be as in 30s, 500ms or 1m")?;
    Duration::try_from_secs_f64(number * unit).map_err(|error| error.to_string())
}

/// The same, the other way round.
pub(crate) fn words(time: Duration) -> String {
    match (time.as_secs(), time.subsec_nanos()) {
        (0, nanos) if nanos > 0 => format!("{}ms", f64::from(nanos) / 1e6),
        (_, nanos) if nanos > 0 => format!("{}s", time.as_secs_f64()),
        (seconds, _) if seconds > 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        (seconds, _) => format!("{seconds}s"),
    }
}

/// As whole microseconds, for the lines between processes.
pub(crate) mod us {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(super::micros(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_micros)
    }
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

pub(crate) fn millis(time: Duration) -> f64 {
    micros(time) as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, ms) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("1m", 60_000),
            ("0.5h", 1_800_000),
            ("0", 0),
            ("2", 2_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1s", "1x", "1 minute", "NaNs", "infs"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["0s", "30s", "90s", "2m", "500ms", "0.25ms", "1.5s"] {
            assert_eq!(words(duration(text).unwrap()), text);
        }
    }
}
