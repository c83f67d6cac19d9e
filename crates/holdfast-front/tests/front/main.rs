//! The front door on real sockets: a rush, silence, slowness, half a goodbye, a stop.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod deadlines;
mod listen;
mod stop;
mod support;
