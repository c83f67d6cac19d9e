//! Several nodes over Redis.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it saw, and fails")]

mod apart;
mod differential;
mod schedules;
mod stories;
