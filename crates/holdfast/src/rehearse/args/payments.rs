//! What winners do with their holds.

use std::time::Duration;

use holdfast_rehearse::{Payments, duration};

use super::crowd::share;

/// What a server's budget for payments is if nothing is said, and at most.
const PER_SECOND_MIN: u32 = 25;
const PER_SECOND_MAX: u32 = 10_000;

/// What winners do with their holds.
#[derive(clap::Args)]
#[command(next_help_heading = "The checkout, after the rush")]
pub(in crate::rehearse) struct PaymentArgs {
    /// Share of the winners that goes to the checkout. 0%: nobody, and the rehearsal ends with the
    /// holds. Nobody pays where payments are not simulated
    #[arg(long, env = "HOLDFAST_REHEARSE_PAY", value_name = "SHARE", default_value = "65%", value_parser = share)]
    pay: f64,

    /// Share of those who pay whose first payment is declined: half of them pay with their second,
    /// half give up
    #[arg(long, env = "HOLDFAST_REHEARSE_DECLINED", value_name = "SHARE", default_value = "10%", value_parser = share)]
    declined: f64,

    /// Share of the winners who do not pay that gives its hold back; the others leave it until it
    /// runs out
    #[arg(long, env = "HOLDFAST_REHEARSE_HAND_BACK", value_name = "SHARE", default_value = "20%", value_parser = share)]
    hand_back: f64,

    /// How long winners think before they do any of it, at most
    #[arg(long, env = "HOLDFAST_REHEARSE_THINK", value_name = "TIME", default_value = "10s", value_parser = duration)]
    think: Duration,

    /// Buyers whose money comes after their hold has ended: beside the crowd, in a sale of their
    /// own with holds of 5 s
    #[arg(long, env = "HOLDFAST_REHEARSE_LATE", value_name = "COUNT", default_value_t = 20)]
    late: u32,

    /// How long it may take, from the first thought, until no payment is under way
    #[arg(long, env = "HOLDFAST_REHEARSE_SETTLE_WITHIN", value_name = "TIME", default_value = "5m", value_parser = duration)]
    settle_within: Duration,

    /// Payments that a server that is started for the rehearsal begins in a second, 1 to 10000
    /// [default: what the crowd needs, and at least 25]
    #[arg(long, env = "HOLDFAST_REHEARSE_PAYMENTS_PER_SECOND", value_name = "COUNT", conflicts_with = "target", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    payments_per_second: Option<u32>,
}

impl PaymentArgs {
    pub(in crate::rehearse) fn payments(&self) -> Payments {
        Payments {
            pay: self.pay,
            declined: self.declined,
            hand_back: self.hand_back,
            think_seconds_max: self.think.as_secs_f64(),
            late: self.late,
            settle_seconds_max: self.settle_within.as_secs_f64(),
        }
    }

    /// The budget that was asked for.
    pub(in crate::rehearse) fn per_second(&self) -> Option<u32> {
        self.payments_per_second
    }

    /// What a server may begin in a second: as it was asked for, or as so many winners need.
    pub(in crate::rehearse) fn budget_for(&self, winners: f64) -> u32 {
        let needed = self.payments().per_second(winners).ceil();
        let needed = needed.clamp(PER_SECOND_MIN.into(), PER_SECOND_MAX.into());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let needed = needed as u32;
        self.payments_per_second.unwrap_or(needed)
    }
}
