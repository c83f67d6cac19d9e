//! Servers of Redis, as far as the store needs them: deterministic, in one thread, and moved by a
//! world that decides when anything is replicated, flushed, lost, promoted or set back.
//!
//! What a server does with a command is held to real servers by one suite (`tests/redis`). Three
//! things are simpler than there: offsets count writes instead of bytes, `WAIT` says at once what is
//! acknowledged now, and what is written in one call travels and is flushed as one. A status such as
//! `OK` is a text.
//!
//! In reading order: [`Servers`] (what a world can do to them), `server` (one of them), `functions`
//! (the library in its Lua), `data` (what it stores).

mod data;
mod functions;
mod memory;
mod reply;
mod server;
mod servers;
mod streams;
mod writes;

pub use data::Data;
pub use reply::{Command, Reply, command};
pub use servers::{Connection, Gone, Image, Resync, Servers};
