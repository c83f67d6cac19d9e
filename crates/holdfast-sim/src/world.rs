//! The machine that a sale runs on: a clock and a disk, both full of faults.

mod clock;
mod disk;
mod fault;
mod file;
mod handle;
mod names;

pub use clock::{SimClock, WALL_START_MS};
pub use disk::SimDisk;
pub use fault::{Fault, Fired, Op};
