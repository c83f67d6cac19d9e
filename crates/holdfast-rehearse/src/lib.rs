//! A rehearsal: a crowd of buyers against a real server, and an audit of what each of them got.
//!
//! `Options -> run(options, progress) -> Report`. The crowd is an open loop: every buyer has a
//! moment drawn from the seed, a connection of their own, and a latency counted from that moment,
//! so that a late crowd shows as latency and never hides it. The verdict is reached from outside.
//!
//! Invariant: this crate knows the server by its HTTP contract alone. It shares no type and no
//! rule with it, so that a mistake there cannot excuse itself here. It prints nothing.

mod arrivals;
mod capacity;
mod checkout;
mod crowd;
mod dial;
mod duration;
mod error;
mod exchange;
mod histogram;
mod limit;
mod machine;
mod manners;
mod options;
mod page;
mod payments;
mod progress;
mod render;
mod reply;
mod report;
mod run;
mod series;
mod shop;
mod stop;
mod target;
mod token;
mod verdict;
mod watch;
mod wire;
mod words;

pub use arrivals::Arrivals;
pub use crowd::generator;
pub use duration::duration;
pub use error::RehearseError;
pub use histogram::Percentiles;
pub use limit::BuyerLimit;
pub use manners::Manners;
pub use options::Options;
pub use payments::Payments;
pub use progress::{Phase, Progress};
pub use report::{
    Bin, Bottleneck, Crowd, Load, Money, Plan, Report, SCHEMA, Stock, Timeline, Wave, schema,
};
pub use run::run;
pub use stop::Stop;
pub use target::Target;
pub use verdict::{Broken, Checked, MoneyCheck, Verdict};
