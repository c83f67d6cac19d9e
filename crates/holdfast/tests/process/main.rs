//! The real binary as a process: killed, short of disk, started twice, told to stop; and each of
//! its commands as an operator types it.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it saw, and fails")]

mod cluster;
mod commands;
mod crowd;
mod demo;
mod descriptors;
mod disk;
mod edge;
mod kill;
#[cfg(feature = "planted")]
mod payments;
mod provider;
mod rehearse;
mod serve;
mod stopped;
mod support;
mod till;
