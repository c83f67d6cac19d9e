//! The front door on real sockets: a rush, silence, slowness, half a goodbye, a stop.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod crowded;
mod deadlines;
mod http2;
mod listen;
mod overload;
mod stop;
mod support;
