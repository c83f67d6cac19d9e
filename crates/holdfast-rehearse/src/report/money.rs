//! What the winners did with their holds, and where the money is.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::Percentiles;
use crate::checkout::{Nobody, Said, Way};
use crate::duration::millis;
use crate::histogram::Times;
use crate::payments::Fate;
use crate::run::Paid;
use crate::verdict::MoneyCheck;
use crate::wire::{CURRENCY, Counts};

/// What the winners did with their holds after the rush, and where the money is. Buyers of the
/// crowd: `paid + declined + too_late + handed_back + left + refused + unclear + not_done`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Money {
    /// Why nobody paid though some should have; null if they did.
    pub nobody_paid: Option<String>,
    /// Winners who paid.
    pub paid: u64,
    /// The part of `paid` that was declined first.
    pub paid_second: u64,
    /// Winners whose last payment was declined.
    pub declined: u64,
    /// Payments that were declined, each winner's first ones too.
    pub declines: u64,
    /// Winners of the crowd who were told that their money came after their hold had ended.
    pub too_late: u64,
    /// Winners who gave their hold back at the checkout.
    pub handed_back: u64,
    /// Winners who left their hold until it runs out.
    pub left: u64,
    /// Winners who were told something else at the checkout.
    pub refused: u64,
    /// The same, by what they were told.
    pub refused_by_answer: Counts,
    /// Winners who were not told how their payment ended.
    pub unclear: u64,
    /// The same, by what they knew last.
    pub unclear_by_reason: Counts,
    /// Winners who had not done what they wanted when it was cut short.
    pub not_done: u64,
    /// Buyers in a sale of their own whose money came when their hold was to have ended.
    pub late: u64,
    /// The part of `late` for whom a unit was free, which they have now.
    pub late_with_unit: u64,
    /// The part of `late` from whom nothing was taken.
    pub late_without: u64,
    /// The part of `late` who paid in time, as their hold's end had moved later: time in which the
    /// server can keep nothing is not the buyer's.
    pub late_in_time: u64,
    /// Paid orders in the server's list, of late ones too.
    pub orders: u64,
    /// What they cost together, in minor units: the money taken.
    pub amount: u64,
    /// Its currency.
    pub currency: &'static str,
    /// From the checkout until a winner was told that they have paid; looks are an eighth of that
    /// apart. Null if nobody paid.
    pub checkout_to_paid_ms: Option<Percentiles>,
    /// The part of it in which a payment was seen queued for the provider. Null if there was none.
    pub queued_ms: Option<Percentiles>,
    /// Payments that the server may begin in a second; null if it is not known.
    pub payments_per_second: Option<u32>,
    /// From the first thought until the last winner was done, in milliseconds.
    pub took_ms: f64,
    /// From the first thought until nothing was under way, in milliseconds.
    pub settled_after_ms: f64,
    /// What must be so of the money, and whether it was.
    pub checks: Vec<MoneyCheck>,
}

impl Money {
    pub(super) fn new(paid: &Paid, payments_per_second: Option<u32>) -> Self {
        let Paid { paying, checks, orders, amount } = paid;
        let mut money = Self {
            nobody_paid: paying.nobody.as_ref().map(nobody),
            not_done: paying.not_done as u64,
            orders: *orders,
            amount: *amount,
            currency: CURRENCY,
            checkout_to_paid_ms: times(&paying.ways, |way| way.took),
            queued_ms: times(&paying.ways, |way| way.queued),
            payments_per_second,
            took_ms: millis(paying.took),
            settled_after_ms: millis(paying.settled_after),
            checks: checks.clone(),
            ..Self::default()
        };
        paying.ways.iter().for_each(|way| money.add(way));
        for way in &paying.late_ways {
            money.add_late(way);
        }
        money
    }

    fn add(&mut self, way: &Way) {
        self.declines += u64::from(way.declined);
        match &way.said {
            Said::Nothing => self.left += 1,
            Said::HandedBack => self.handed_back += 1,
            Said::Paid => {
                self.paid += 1;
                self.paid_second += u64::from(way.fate == Fate::PaysSecond);
            }
            Said::Declined => self.declined += 1,
            Said::TooLate => self.too_late += 1,
            // Nobody has paid, and that is said once.
            Said::NotSimulated => self.left += 1,
            said => self.add_trouble(said),
        }
    }

    fn add_late(&mut self, way: &Way) {
        match (&way.said, &way.order) {
            (Said::TooLate, Some(_)) => self.late_with_unit += 1,
            (Said::TooLate, None) => self.late_without += 1,
            (Said::Paid, _) if way.may_have_moved => self.late_in_time += 1,
            (Said::Paid, _) => {
                let told = "paid in time, and was to be late".to_owned();
                return self.add_trouble(&Said::Otherwise(told));
            }
            (said, _) => return self.add_trouble(said),
        }
        self.late += 1;
    }

    fn add_trouble(&mut self, said: &Said) {
        let (count, by, why) = match said {
            Said::Unclear(why) => (&mut self.unclear, &mut self.unclear_by_reason, why.as_str()),
            Said::Refused(why) | Said::Otherwise(why) => {
                (&mut self.refused, &mut self.refused_by_answer, why.as_str())
            }
            Said::Declined => (&mut self.refused, &mut self.refused_by_answer, "declined in time"),
            _ => (&mut self.refused, &mut self.refused_by_answer, "not what was asked for"),
        };
        *count += 1;
        *by.entry(why.to_owned()).or_default() += 1;
    }
}

fn nobody(nobody: &Nobody) -> String {
    match nobody {
        Nobody::RealProvider => {
            "the server's provider is not the simulated one, and a crowd pays nowhere else"
        }
        Nobody::NoPayer => "no winner wanted to",
        Nobody::Failed(_) => "the first who went to the checkout was not let pay",
    }
    .to_owned()
}

/// Of those who paid.
fn times(ways: &[Way], of: fn(&Way) -> Duration) -> Option<Percentiles> {
    ways.iter().filter(|way| way.said == Said::Paid).map(of).collect::<Times>().percentiles()
}
