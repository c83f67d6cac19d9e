//! Whole sales under seeded faults, and the rules once more, naively. For development only.
//!
//! One seed draws everything: the sales, the crowd, the faults and the moments at which they
//! strike. Two runs of one seed are the same run. Nothing here reads the machine's clock, its
//! randomness or its disk.
//!
//! In reading order: [`plan`] (what a run is made of), [`world`] (the clock and the disk),
//! [`crowd`] (who asks), [`run`] (what happens), [`auditor`] (whether the promises were kept);
//! [`model`], the rules once more; and [`redis`], servers of Redis that a world moves.

pub mod auditor;
pub mod cluster;
pub mod crowd;
pub mod model;
pub mod money;
pub mod plan;
pub mod redis;
pub mod report;
pub mod rng;
pub mod run;
pub mod trace;
pub mod world;
