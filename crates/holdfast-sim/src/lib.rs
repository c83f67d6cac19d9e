//! Whole sales under seeded faults, and the rules once more, naively. For development only.
//!
//! One seed draws everything: the sales, the crowd, the faults and the moments at which they
//! strike. Two runs of one seed are the same run. Nothing here reads the machine's clock, its
//! randomness or its disk.

pub mod model;
