//! One buyer: presses Buy once, and waits.

use std::time::{Duration, Instant};

use tokio::time::{Instant as Deadline, timeout_at};

use crate::exchange::{Answer, Failure};
use crate::shop::{Shop, Tries};
use crate::wire::Hold;

/// The codes that say "there is no unit for you", whether or not they are true.
const LOST_CODES: [&str; 3] = ["all_held", "sold_out", "not_enough"];

/// A buyer's visit, about to begin.
pub(super) struct Visit {
    pub(super) buyer: u32,
    pub(super) start: Instant,
    pub(super) due: Duration,
    pub(super) patience: Duration,
    pub(super) waited: bool,
}

/// What came of a buyer's visit. Times are counted from the start of the rush.
#[derive(Clone, Debug)]
pub(crate) struct Buy {
    pub(crate) buyer: u32,
    /// The moment drawn for this buyer: their latency counts from here.
    pub(crate) due: Duration,
    /// When the crowd got round to it.
    pub(crate) started: Duration,
    /// When the last byte had come, or the buyer gave up.
    pub(crate) ended: Duration,
    /// Whether every connection was taken when their turn came.
    pub(crate) waited: bool,
    pub(crate) tries: Tries,
    pub(crate) ending: Ending,
}

/// How a visit ended.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// With a hold.
    Won(Hold),
    /// With one of the codes that say that there is no unit.
    Lost(String),
    /// With any other answer: its status and code.
    Refused(String),
    /// Without an answer, and why.
    Unanswered(String),
}

impl Visit {
    pub(super) async fn buy(self, shop: &Shop) -> Buy {
        let started = self.start.elapsed();
        let mut tries = Tries::default();
        let deadline = Deadline::from_std(self.start + self.due + self.patience);
        let answer = timeout_at(deadline, visit(shop, self.buyer, &mut tries)).await;
        let (ending, ended) = match answer.unwrap_or(Err(Failure::Late)) {
            Ok(answer) => (judge(&answer), answer.at.duration_since(self.start)),
            Err(failure) => (Ending::Unanswered(failure.to_string()), self.start.elapsed()),
        };
        let Self { buyer, due, waited, .. } = self;
        Buy { buyer, due, started, ended, waited, tries, ending }
    }
}

async fn visit(shop: &Shop, buyer: u32, tries: &mut Tries) -> Result<Answer, Failure> {
    shop.ask(&shop.reserve(buyer, true)?, buyer, tries).await
}

fn judge(answer: &Answer) -> Ending {
    match answer.status.as_u16() {
        200 | 201 => match serde_json::from_slice(&answer.body) {
            Ok(hold) => Ending::Won(hold),
            Err(_) => Ending::Refused(format!("{} without a hold", answer.status.as_str())),
        },
        409 if LOST_CODES.contains(&answer.problem().code.as_str()) => {
            Ending::Lost(answer.problem().code)
        }
        _ => Ending::Refused(answer.summary()),
    }
}
