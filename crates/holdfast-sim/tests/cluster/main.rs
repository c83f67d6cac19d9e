//! Several nodes over Redis.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod differential;
mod schedules;
mod stories;
