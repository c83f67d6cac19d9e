//! The system's time.

use std::time::{Duration, SystemTime};

fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Milliseconds since 1970 UTC.
pub(super) fn now_ms() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since 1970 UTC.
pub(super) fn now_seconds() -> u64 {
    since_1970().as_secs()
}
