//! The real binary as a process: killed, short of disk, started twice.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it saw, and fails")]

mod descriptors;
mod disk;
mod kill;
mod stopped;
mod support;
