//! Moments on the wire: RFC 3339, UTC, milliseconds.

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The last millisecond that RFC 3339 can write: 9999-12-31T23:59:59.999Z.
const LAST_MS: u64 = 253_402_300_799_999;

/// A moment, in milliseconds since 1970 UTC.
///
/// Written as `2026-11-24T18:00:00.000Z`. Read with any offset; what is finer than a millisecond
/// is dropped, and what is before 1970 is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The last moment that can be written stands for all after it.
        let ms = i64::try_from(self.0.min(LAST_MS)).unwrap_or_default();
        let moment = EPOCH.checked_add(SignedDuration::from_millis(ms)).unwrap_or(DateTime::MAX);
        write!(f, "{moment:.3}Z")
    }
}

/// Reads exactly what the grammar of RFC 3339 allows. Libraries take more: other forms of ISO
/// 8601, a space for the `T`, a time zone's name.
fn read(text: &str) -> Option<Time> {
    let (date_and_time, rest) = text.split_at_checked(19)?;
    let (fraction_ms, offset) = fraction(rest)?;
    let local_ms = local(date_and_time)?;
    let ms = u64::try_from(local_ms + fraction_ms - offset_ms(offset)?).ok()?;
    (ms <= LAST_MS).then_some(Time(ms))
}

/// `2026-11-24T18:00:00`, in milliseconds since 1970 by the same clock.
fn local(text: &str) -> Option<i64> {
    let mark = |at: usize| text.as_bytes().get(at).copied();
    let marks = [mark(4), mark(7), mark(10), mark(13), mark(16)].map(Option::unwrap_or_default);
    if !matches!(marks, [b'-', b'-', b'T' | b't', b':', b':']) {
        return None;
    }
    let year = i16::try_from(number(text.get(..4)?)?).ok()?;
    let two = |at: usize| number(text.get(at..at + 2)?).and_then(|two| i8::try_from(two).ok());
    // A leap second is the first of the minute after it, as for every Unix clock.
    let (second, leap_ms) = match two(17)? {
        60 => (59, 1_000),
        second => (second, 0),
    };
    let moment = DateTime::new(year, two(5)?, two(8)?, two(11)?, two(14)?, second, 0).ok()?;
    i64::try_from(moment.duration_since(EPOCH).as_millis()).ok().map(|ms| ms + leap_ms)
}

/// `.042` in milliseconds, if it is there, and what comes after it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(fraction) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = fraction.find(|c: char| !c.is_ascii_digit()).filter(|&end| end > 0)?;
    let (digits, rest) = fraction.split_at(end);
    let ms = digits.bytes().chain(*b"00").take(3).fold(0, |ms, d| ms * 10 + i64::from(d - b'0'));
    Some((ms, rest))
}

/// `Z` or `+02:00`, in milliseconds by which the clock is ahead of UTC.
fn offset_ms(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, hours, minutes) = (text.get(..1)?, text.get(1..3)?, text.get(4..)?);
    if text.len() != 6 || text.get(3..4)? != ":" {
        return None;
    }
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let ahead = (hours < 24 && minutes < 60).then_some((hours * 60 + minutes) * 60_000)?;
    match sign {
        "+" => Some(ahead),
        "-" => Some(-ahead),
        _ => None,
    }
}

fn number(digits: &str) -> Option<i64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time as in RFC 3339, such as 2026-11-24T18:00:00Z")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                read(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_in_utc_with_milliseconds() {
        assert_eq!(Time(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Time(1_764_007_200_042).to_string(), "2025-11-24T18:00:00.042Z");
        assert_eq!(Time(LAST_MS).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Time(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn is_read_with_any_offset_from_1970_to_9999() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59-00:01", 59_000),
            ("2025-11-24T18:00:00.042Z", 1_764_007_200_042),
            ("2025-11-24t18:00:00.042z", 1_764_007_200_042),
            ("2025-11-24T20:00:00.0429+02:00", 1_764_007_200_042),
            ("2025-11-24T12:30:00.04200000000000-05:30", 1_764_007_200_042),
            ("2025-11-24T18:00:00.5Z", 1_764_007_200_500),
            ("2024-02-29T00:00:00-00:00", 1_709_164_800_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
            ("9999-12-31T23:59:59.999Z", LAST_MS),
        ] {
            assert_eq!(read(text), Some(Time(ms)), "{text}");
        }
    }

    #[test]
    fn is_read_as_rfc_3339_writes_it_and_not_otherwise() {
        for bad in [
            "",
            "tomorrow",
            "2025-11-24",
            "2025-11-24T18:00:00",
            "2025-11-24 18:00:00Z",
            "20251124T180000Z",
            "2025-11-24T18:00Z",
            "2025-11-24T18Z",
            "2025-11-24T18:00:00.Z",
            "2025-11-24T18:00:00,5Z",
            "2025-11-24T18:00:00+02",
            "2025-11-24T18:00:00+0200",
            "2025-11-24T18:00:00+24:00",
            "2025-11-24T18:00:00+02:60",
            "2025-11-24T18:00:00+02:00[Europe/Paris]",
            "2025-11-24T18:00:00Z ",
            " 2025-11-24T18:00:00Z",
            "+002025-11-24T18:00:00Z",
            "2025-11-24T+8:00:00Z",
            "2025-02-29T18:00:00Z",
            "2025-11-24T24:00:00Z",
            "2025-11-24T18:00:61Z",
            "2025-11-24T18:00:0\u{e9}Z",
            "2025-11-24T18:00:00\u{2212}01:00",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
