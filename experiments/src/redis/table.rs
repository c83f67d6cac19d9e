//! What came of it.
#![expect(clippy::print_stdout, reason = "a command prints its result")]

use std::time::{Duration, Instant};

use serde::Serialize;

use super::crowd::{Told, count};
use super::design::Sale;

/// One design in one experiment.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) experiment: String,
    pub(super) design: String,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Outcome {
    Fault(Counts),
    Late(Late),
}

/// What buyers were told, against the stock.
#[derive(Debug, Serialize)]
pub(super) struct Counts {
    units: u32,
    /// Buyers who were told that a unit is theirs; nobody's time was up when this was counted.
    told: u32,
    /// More than there are.
    oversold: u32,
    /// Of those who were told, who is not known any more.
    lost: u32,
    /// Units that nobody was told of, although buyers asked until none was to be had; and how many
    /// of these are free, and not held for somebody who was told neither yes nor no.
    unsold: u32,
    free: u32,
    /// Buyers who got neither a yes nor a no.
    unanswered: u32,
    /// The longest time in which nobody got a unit, from the fault until the last one got theirs.
    seconds_without_sales: f64,
}

/// How late units came back.
#[derive(Debug, Serialize)]
pub(super) struct Late {
    units: u32,
    /// Units that came back while they were watched, and within 250 ms.
    returned: u32,
    returned_within_250_ms: u32,
    watched_seconds: f64,
    /// How late half, all but one in a hundred and the last of all units came back, in seconds; none
    /// if so many did not.
    p50_seconds: Option<f64>,
    p99_seconds: Option<f64>,
    max_seconds: Option<f64>,
}

/// What a shop knows at the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// Of those who were told that they have a unit, who has one.
    pub(super) known: u32,
    /// Units that could be had.
    pub(super) free: u32,
}

impl Outcome {
    pub(super) fn of_a_fault(sale: Sale, told: &Told, fault: Instant, left: Left) -> Self {
        let held = count(&told.held);
        let mut moments: Vec<_> = told.held.iter().map(|&(_, at)| at.max(fault)).collect();
        moments.sort_unstable();
        let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
        Self::Fault(Counts {
            units: sale.units,
            told: held,
            oversold: held.saturating_sub(sale.units),
            lost: held.saturating_sub(left.known),
            unsold: sale.units.saturating_sub(held),
            free: left.free,
            unanswered: told.unknown,
            seconds_without_sales: gaps.max().unwrap_or_default().as_secs_f64(),
        })
    }

    /// Whether no unit was sold twice or lost, and whether each can be had again in time.
    pub(super) fn is_well(&self) -> bool {
        match self {
            Self::Fault(counts) => counts.oversold == 0 && counts.lost == 0 && counts.free == 0,
            Self::Late(late) => late.returned == late.units,
        }
    }
}

impl Late {
    /// Of how late each unit that came back was, ascending.
    pub(super) fn new(units: u32, returned: &[Duration], watched: Duration) -> Self {
        let at = |percent: usize| {
            let index = (units as usize * percent).div_ceil(100).saturating_sub(1);
            returned.get(index).map(Duration::as_secs_f64)
        };
        let in_time = returned.iter().filter(|late| late.as_millis() <= 250);
        Self {
            units,
            returned: count(returned),
            returned_within_250_ms: count(&in_time.collect::<Vec<_>>()),
            watched_seconds: watched.as_secs_f64(),
            p50_seconds: at(50),
            p99_seconds: at(99),
            max_seconds: at(100),
        }
    }
}

/// Prints a row, and above the first what its columns are.
pub(super) fn print(row: &Row, is_first: bool) {
    if is_first {
        println!(
            "{:9} {:22} {:>6} {:>8} {:>6} {:>6} {:>10} {:>12}",
            "", "", "told", "oversold", "lost", "unsold", "unanswered", "no sales for"
        );
    }
    print!("{:9} {:22} ", row.experiment, row.design);
    match &row.outcome {
        Outcome::Fault(it) => println!(
            "{:6} {:8} {:6} {:6} {:10} {:10.1} s",
            it.told, it.oversold, it.lost, it.unsold, it.unanswered, it.seconds_without_sales
        ),
        Outcome::Late(it) => {
            let say =
                |late: Option<f64>| late.map_or("later".into(), |late| format!("{late:.2} s"));
            println!(
                "of {} units {} came back within {} s, {} within 250 ms; half: {}, 99 %: {}",
                it.units,
                it.returned,
                it.watched_seconds,
                it.returned_within_250_ms,
                say(it.p50_seconds),
                say(it.p99_seconds)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALE: Sale = Sale { units: 3, hold: Duration::from_secs(300) };

    /// What came of a sale of three units in which so many were told that one is theirs.
    fn outcome(told: u32, left: Left) -> Outcome {
        let held = (0..told).map(|buyer| (buyer, Instant::now())).collect();
        let told = Told { held, ..Told::default() };
        Outcome::of_a_fault(SALE, &told, Instant::now(), left)
    }

    #[test]
    fn nothing_is_well_but_each_unit_sold_once_and_known() {
        let left = |known, free| Left { known, free };
        assert!(outcome(3, left(3, 0)).is_well());
        assert!(!outcome(4, left(4, 0)).is_well(), "one is sold twice");
        assert!(!outcome(3, left(2, 0)).is_well(), "one is lost");
        assert!(!outcome(2, left(2, 1)).is_well(), "one could still be had");
        assert!(outcome(2, left(2, 0)).is_well(), "one is held for somebody who was not told");
    }

    #[test]
    fn every_unit_that_ended_has_to_come_back() {
        let late = |returned: &[Duration]| Late::new(3, returned, Duration::from_secs(30));
        assert!(Outcome::Late(late(&[Duration::ZERO; 3])).is_well());
        assert!(!Outcome::Late(late(&[Duration::ZERO; 2])).is_well());
    }
}
