//! The real binary as a process: killed, short of disk, started twice, told to stop; and each of
//! its commands as an operator types it.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it saw, and fails")]

mod begins;
mod cluster;
mod commands;
mod crowd;
mod demo;
mod descriptors;
mod disk;
mod edge;
mod kill;
mod loss;
mod nodes;
#[cfg(feature = "planted")]
mod payments;
mod provider;
mod rehearse;
mod serve;
mod servers;
mod stopped;
mod support;
#[cfg(feature = "planted")]
mod survivor;
mod till;
