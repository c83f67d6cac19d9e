//! What an experiment asks of a design, so that several can be put through the same.

use std::ops::Range;
use std::time::Duration;

use holdfast_testkit::{RedisOptions, Trio};

/// Where a design is opened.
pub(super) struct Stage {
    /// Its Redis. The master is server 0 until a fault changes that.
    pub(super) trio: Trio,
}

/// What is sold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sale {
    pub(super) units: u32,
    /// How long a unit is held for a buyer.
    pub(super) hold: Duration,
}

/// A way to sell units by Redis.
pub(super) trait Design {
    /// What the table calls it.
    fn name(&self) -> String;

    /// How it wants its servers, of how the experiment has them.
    fn servers(&self, options: RedisOptions) -> RedisOptions;

    /// Opens a sale.
    fn start(&self, stage: &Stage, sale: Sale) -> anyhow::Result<Box<dyn Shop>>;

    /// Whether it is to sell no unit twice and lose none, whatever happens to Redis here.
    fn keeps_its_promises(&self) -> bool {
        false
    }
}

/// A sale that is open. It ends when this is dropped.
pub(super) trait Shop {
    /// Where buyers buy: each till is used by a thread of its own.
    fn tills(&mut self, count: usize) -> anyhow::Result<Vec<Box<dyn Till>>>;

    /// The fault has happened, and servers are as well as they will be; comes to terms with it.
    fn after_the_fault(&mut self) -> anyhow::Result<()>;

    /// How many of these buyers have a unit, as far as it knows now.
    fn known(&mut self, buyers: &[u32]) -> anyhow::Result<u32>;

    /// How many units could be had now.
    fn free(&mut self) -> anyhow::Result<u32>;
}

/// A way into the shop.
pub(super) trait Till: Send {
    /// Each of these buyers asks for one unit at about the same time, for the first time; what each
    /// is told, in their order. Takes as long as it takes.
    fn buy(&mut self, buyers: Range<u32>) -> Vec<Answer>;
}

/// What a buyer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// One unit is theirs for as long as it is held.
    Held,
    /// There is none.
    SoldOut,
    /// Something is wrong: nothing is promised.
    Unknown,
}
