//! Durations as people write them on a command line.

use std::time::Duration;

/// Reads `30s`, `500ms`, `1m` or `1.5h`; a bare number is seconds.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];
    let found = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let (number, unit) = found.unwrap_or((text, &1.0));
    let number: f64 = number.trim().parse().map_err(|_| "it must be as in 30s, 500ms or 1m")?;
    Duration::try_from_secs_f64(number * unit).map_err(|error| error.to_string())
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
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1s", "1x", "1 minute", "NaNs", "infs"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
