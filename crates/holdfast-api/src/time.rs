//! Moments on the wire: RFC 3339, UTC, milliseconds.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment, in milliseconds since 1970 UTC.
///
/// Written as `2026-11-24T18:00:00.000Z`. Read with any offset; what is finer than a millisecond
/// is dropped, and what is before 1970 is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0).ok();
        let moment = ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        // The latest moment that can be written stands for all after it.
        write!(f, "{:.3}", moment.unwrap_or(Timestamp::MAX))
    }
}

fn read(text: &str) -> Option<Time> {
    let moment = text.parse::<Timestamp>().ok().filter(|_| is_rfc_3339(text))?;
    u64::try_from(moment.as_millisecond()).ok().map(Time)
}

/// Whether it is written as RFC 3339 wants it. The library takes more: other forms of ISO 8601, a
/// space for the `T`, a time zone's name.
fn is_rfc_3339(text: &str) -> bool {
    let Some((moment, rest)) = text.split_at_checked(19) else { return false };
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let is_utc = matches!(offset, "Z" | "z");
    has_form(moment, "0000-00-00T00:00:00")
        && (is_utc || has_form(offset, "+00:00") || has_form(offset, "-00:00"))
}

/// Whether there is a digit for every `0`, and otherwise the same.
fn has_form(text: &str, form: &str) -> bool {
    let same = |(byte, form): (u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        _ => byte.eq_ignore_ascii_case(&form),
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(same)
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
        assert_eq!(Time(u64::MAX).to_string(), "9999-12-30T22:00:00.999Z");
    }

    #[test]
    fn is_read_with_any_offset() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59-00:01", 59_000),
            ("2025-11-24T18:00:00.042Z", 1_764_007_200_042),
            ("2025-11-24t18:00:00.042z", 1_764_007_200_042),
            ("2025-11-24T20:00:00.0429+02:00", 1_764_007_200_042),
            ("2025-11-24T12:30:00.042-05:30", 1_764_007_200_042),
            ("2025-11-24T18:00:00.5Z", 1_764_007_200_500),
            ("2024-02-29T00:00:00-00:00", 1_709_164_800_000),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000),
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
            "2025-11-24T18:00:00+02:60",
            "2025-11-24T18:00:00+02:00[Europe/Paris]",
            "2025-11-24T18:00:00Z ",
            " 2025-11-24T18:00:00Z",
            "+002025-11-24T18:00:00Z",
            "2025-11-24T+8:00:00Z",
            "2025-02-29T18:00:00Z",
            "2025-11-24T24:00:00Z",
            "2025-11-24T18:00:61Z",
            "9999-12-31T23:59:59Z",
            "2025-11-24T18:00:0\u{e9}Z",
            "2025-11-24T18:00:00\u{2212}01:00",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
