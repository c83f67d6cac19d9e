//! How the crowd behaves.

use std::time::Duration;

use holdfast_rehearse::{Manners, duration};

/// How the crowd behaves.
#[derive(clap::Args)]
#[command(next_help_heading = "The crowd, in shares of it")]
pub(in crate::rehearse) struct CrowdArgs {
    /// Share that tries again after "all held", an error or no answer: with pauses from 0.2 s that
    /// double up to 5 s, half of each drawn, none shorter than `Retry-After`
    #[arg(long, env = "HOLDFAST_REHEARSE_RETRIES", value_name = "SHARE", default_value = "0%", value_parser = share)]
    retries: f64,

    /// Share that hammers: asks again and again, heeding neither the answer nor `Retry-After`
    #[arg(long, env = "HOLDFAST_REHEARSE_BOTS", value_name = "SHARE", default_value = "0%", value_parser = share)]
    bots: f64,

    /// Share that gives its hold back, if it gets one
    #[arg(long, env = "HOLDFAST_REHEARSE_GIVE_BACK", value_name = "SHARE", default_value = "0%", value_parser = share)]
    give_back: f64,

    /// Share that leaves without its answer: half of them at once, half when it comes
    #[arg(long, env = "HOLDFAST_REHEARSE_VANISH", value_name = "SHARE", default_value = "0%", value_parser = share)]
    vanish: f64,

    /// Tries that a buyer who tries again or hammers makes, at most
    #[arg(long, env = "HOLDFAST_REHEARSE_TRIES", value_name = "COUNT", default_value_t = 10)]
    tries: u32,

    /// How long a buyer who tries again or hammers waits for one answer
    #[arg(long, env = "HOLDFAST_REHEARSE_ANSWER_WITHIN", value_name = "TIME", default_value = "10s", value_parser = duration)]
    answer_within: Duration,

    /// The pause of a buyer who hammers
    #[arg(long, env = "HOLDFAST_REHEARSE_BOT_PAUSE", value_name = "TIME", default_value = "100ms", value_parser = duration)]
    bot_pause: Duration,

    /// How long a hold is kept before it is given back, at most
    #[arg(long, env = "HOLDFAST_REHEARSE_GIVE_BACK_WITHIN", value_name = "TIME", default_value = "2s", value_parser = duration)]
    give_back_within: Duration,
}

impl CrowdArgs {
    pub(in crate::rehearse) fn manners(&self) -> Manners {
        Manners {
            retries: self.retries,
            bots: self.bots,
            give_back: self.give_back,
            vanish: self.vanish,
            tries_max: self.tries,
            answer_seconds_max: self.answer_within.as_secs_f64(),
            bot_pause_seconds: self.bot_pause.as_secs_f64(),
            give_back_seconds_max: self.give_back_within.as_secs_f64(),
        }
    }
}

/// Reads `20%` or `0.2`.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let (number, whole) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let share: f64 = number.trim().parse().map_err(|_| "it must be as in 20% or 0.2")?;
    let share = share / whole;
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    Err("a share is within 0% and 100%".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percents_or_fractions() {
        assert_eq!(share("20%"), Ok(0.2));
        assert_eq!(share("0.2"), Ok(0.2));
        assert_eq!(share("100 %"), Ok(1.0));
        for text in ["", "%", "20", "-1%", "101%", "NaN", "a fifth"] {
            assert!(share(text).is_err(), "{text:?}");
        }
    }
}
