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
        // The latest moment that RFC 3339 can write stands for all after it.
        write!(f, "{:.3}", moment.unwrap_or(Timestamp::MAX))
    }
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
                let moment = text.parse::<Timestamp>().ok();
                let ms = moment.and_then(|moment| u64::try_from(moment.as_millisecond()).ok());
                ms.map(Time).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
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
    fn is_read_with_any_offset_and_from_1970_on() {
        let read = |text: &str| serde_json::from_str::<Time>(&format!("{text:?}")).ok();
        assert_eq!(read("2025-11-24T18:00:00.042Z"), Some(Time(1_764_007_200_042)));
        assert_eq!(read("2025-11-24T20:00:00.0429+02:00"), Some(Time(1_764_007_200_042)));
        for bad in ["1969-12-31T23:59:59Z", "2025-11-24", "2025-11-24T18:00:00", "tomorrow", ""] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
