//! Arrivals as they once were: a file with one moment a line.

use std::time::Duration;

use jiff::Timestamp;

use crate::duration::duration;

/// What a line's moment is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// From the start of the wave.
    Offset,
    /// From 1970; the earliest is the start of the wave.
    Timestamp,
}

/// Reads one moment a line, in any order: what stands before the first comma, as seconds (`1.25`),
/// with a unit (`1250ms`), or as an RFC 3339 time. Empty lines, lines that begin with `#`, and a
/// first line that names the column (`at`, `offset`, `time` or `timestamp`) are skipped. Sorted.
pub(super) fn read(content: &str) -> Result<Vec<Duration>, String> {
    let mut kind = None;
    let mut moments = Vec::new();
    for (number, line) in (1..).zip(content.lines()) {
        let field = line.split(',').next().unwrap_or_default().trim().trim_matches('"');
        if field.is_empty() && line.trim().is_empty() || field.starts_with('#') {
            continue;
        }
        if kind.is_none() && matches!(field, "at" | "offset" | "time" | "timestamp") {
            continue;
        }
        let wrong = |reason: &str| format!("line {number}, {field:?}: {reason}");
        let (of, moment) = moment(field).ok_or_else(|| {
            wrong("it must be seconds (1.25), a time with its unit (1250ms) or an RFC 3339 time")
        })?;
        if *kind.get_or_insert(of) != of {
            return Err(wrong("times of day and offsets are mixed"));
        }
        moments.push(moment);
    }
    moments.sort_unstable();
    if kind == Some(Kind::Timestamp) {
        let first = moments.first().copied().unwrap_or_default();
        moments.iter_mut().for_each(|moment| *moment -= first);
    }
    if moments.is_empty() {
        return Err("nobody comes: the file has no moments".into());
    }
    Ok(moments)
}

fn moment(field: &str) -> Option<(Kind, Duration)> {
    if let Ok(offset) = duration(field) {
        return Some((Kind::Offset, offset));
    }
    let at: Timestamp = field.parse().ok()?;
    Some((Kind::Timestamp, Duration::try_from(at.as_duration()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(content: &str) -> Vec<u128> {
        read(content).unwrap().iter().map(Duration::as_millis).collect()
    }

    #[test]
    fn offsets_in_seconds_or_with_a_unit_are_read_and_sorted() {
        assert_eq!(ms("# yesterday\n1.25\n0\n\n500ms\n1m\n"), [0, 500, 1_250, 60_000]);
        assert_eq!(ms("at,path\r\n0.1,/buy\r\n0.05,/buy, twice\r\n"), [50, 100]);
    }

    #[test]
    fn times_of_day_count_from_the_earliest() {
        let log = "timestamp\n2026-03-01T10:00:01.5Z,201\n\"2026-03-01T11:00:00+01:00\",409\n";
        assert_eq!(ms(log), [0, 1_500]);
    }

    #[test]
    fn a_bad_line_is_refused_by_its_number() {
        for (content, words) in [
            ("0\n1\nsoon\n", "line 3, \"soon\": it must be seconds"),
            ("0\n\n-1\n", "line 3, \"-1\""),
            ("0\nat\n", "line 2, \"at\""),
            ("0\n,1\n", "line 2, \"\""),
            ("0\n2026-03-01T10:00:00Z\n", "line 2"),
            ("# nothing\n", "nobody comes"),
        ] {
            let error = read(content).unwrap_err();
            assert!(error.contains(words), "{content:?}: {error}");
        }
    }
}
