//! The machine that a sale runs on: a clock and a disk, both full of faults.

mod clock;
mod damage;
mod disk;
mod fault;
mod file;
mod handle;
mod interlude;
mod names;
mod watch;

pub use clock::{SimClock, WALL_START_MS};
pub use damage::{Damage, Image, Part};
pub use disk::SimDisk;
pub use fault::{Fault, Fired, Op};
