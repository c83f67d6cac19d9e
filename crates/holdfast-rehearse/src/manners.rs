//! How buyers behave: who tries again, who hammers, who gives back, who vanishes.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::RehearseError;

/// Times that anybody comes back when told when to.
const COMEBACKS_MAX: u32 = 8;
/// The first pause of whoever backs off, and the longest; it doubles in between.
const BACKOFF: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// How the crowd behaves, as shares of it from 0 to 1. Without any, a buyer asks once, comes back
/// when told to (`Retry-After`), and keeps what they get.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manners {
    /// Share that tries again after every refusal that may change and after every silence, with
    /// pauses that double (200 ms to 5 s, half of it drawn) and are no shorter than `Retry-After`.
    pub retries: f64,
    /// Share that hammers: tries again after every answer but a hold, heeding nothing.
    pub bots: f64,
    /// Share that gives its hold back, if it gets one.
    pub give_back: f64,
    /// Share that goes without its answer: half of them at once, half when the answer comes.
    pub vanish: f64,
    /// Times that who tries again or hammers asks, at most; 1 or more.
    pub tries_max: u32,
    /// How long who tries again or hammers waits for one answer, in seconds.
    pub answer_seconds_max: f64,
    /// The pause of who hammers, in seconds.
    pub bot_pause_seconds: f64,
    /// How long who gives back keeps the hold, at most, in seconds; drawn uniformly.
    pub give_back_seconds_max: f64,
}

/// How one buyer behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Manner {
    pub(crate) persistence: Persistence,
    pub(crate) exit: Exit,
}

/// What a buyer does about an answer that they do not like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    Polite,
    Retrying,
    Bot,
}

/// How a buyer leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Exit {
    /// With what they got.
    Keeping,
    /// Having given it back after this time.
    GivingBack(Duration),
    /// Without waiting for an answer.
    AtOnce,
    /// When the answer comes, without reading it.
    Unread,
}

/// What an answer, or none, means for whoever may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It will not change.
    Final,
    /// It may change: all is held, the server failed, there was no answer.
    Open,
    /// The server says when to come back.
    ComeBack(Duration),
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            retries: 0.0,
            bots: 0.0,
            give_back: 0.0,
            vanish: 0.0,
            tries_max: 10,
            answer_seconds_max: 10.0,
            bot_pause_seconds: 0.1,
            give_back_seconds_max: 2.0,
        }
    }
}

impl Manners {
    pub(crate) fn check(&self) -> Result<(), RehearseError> {
        let Self { retries, bots, give_back, vanish, .. } = *self;
        let wrong =
            |option, reason: &str| Err(RehearseError::Option { option, reason: reason.to_owned() });
        for (option, share) in
            [("retries", retries), ("bots", bots), ("give_back", give_back), ("vanish", vanish)]
        {
            if !(0.0..=1.0).contains(&share) {
                return wrong(option, "a share is within 0% and 100%");
            }
        }
        if retries + bots > 1.0 {
            return wrong("bots", "with retries it is more than the whole crowd");
        }
        if give_back + vanish > 1.0 {
            return wrong("vanish", "with give_back it is more than the whole crowd");
        }
        if self.tries_max == 0 {
            return wrong("tries_max", "it must be at least 1");
        }
        for (option, seconds) in [
            ("answer_seconds_max", self.answer_seconds_max),
            ("bot_pause_seconds", self.bot_pause_seconds),
            ("give_back_seconds_max", self.give_back_seconds_max),
        ] {
            if !(0.0..=86_400.0).contains(&seconds) {
                return wrong(option, "it is within 0 and 86,400 seconds");
            }
        }
        Ok(())
    }

    /// Whether every unit that is taken stays taken.
    pub(crate) fn keep_all(&self) -> bool {
        self.give_back == 0.0
    }

    /// How long a buyer may stay beyond their patience.
    pub(crate) fn overtime(&self) -> Duration {
        let again = if self.retries + self.bots > 0.0 { self.answer_seconds_max } else { 0.0 };
        let back = if self.give_back > 0.0 { self.give_back_seconds_max } else { 0.0 };
        Duration::from_secs_f64(again + back)
    }

    /// How this buyer behaves; the seed decides.
    pub(crate) fn of(&self, seed: u64, buyer: u32) -> Manner {
        let mut random = random(seed, buyer, 0);
        let [first, second] = [random.random_range(0.0..1.0), random.random_range(0.0..1.0_f64)];
        let persistence = match first {
            share if share < self.retries => Persistence::Retrying,
            share if share < self.retries + self.bots => Persistence::Bot,
            _ => Persistence::Polite,
        };
        let exit = match second {
            share if share < self.vanish / 2.0 => Exit::AtOnce,
            share if share < self.vanish => Exit::Unread,
            share if share < self.vanish + self.give_back => {
                let share = random.random_range(0.0..1.0);
                Exit::GivingBack(Duration::from_secs_f64(self.give_back_seconds_max * share))
            }
            _ => Exit::Keeping,
        };
        Manner { persistence, exit }
    }

    /// How long a buyer waits for one answer, if they would rather ask again.
    pub(crate) fn answer_within(&self, manner: Manner) -> Option<Duration> {
        (manner.persistence != Persistence::Polite)
            .then(|| Duration::from_secs_f64(self.answer_seconds_max))
    }

    /// The pause before `buyer` asks again after `asked` times; `None`: they do not.
    pub(crate) fn pause(
        &self,
        manner: Manner,
        sign: Sign,
        seed: u64,
        buyer: u32,
        asked: u32,
    ) -> Option<Duration> {
        let more = asked < self.tries_max;
        match (manner.persistence, sign) {
            (_, Sign::Final) => None,
            (Persistence::Polite, Sign::ComeBack(pause)) => {
                (asked <= COMEBACKS_MAX).then_some(pause)
            }
            (Persistence::Polite, Sign::Open) => None,
            (Persistence::Bot, _) => more.then(|| Duration::from_secs_f64(self.bot_pause_seconds)),
            (Persistence::Retrying, sign) => more.then(|| {
                let doubled = BACKOFF * 2_u32.saturating_pow(asked.saturating_sub(1).min(8));
                let share = random(seed, buyer, asked).random_range(0.5..1.0);
                let backoff = doubled.min(BACKOFF_MAX).mul_f64(share);
                match sign {
                    // Jitter on top, so that those who were sent away together do not return so.
                    Sign::ComeBack(pause) => pause + backoff / 2,
                    _ => backoff,
                }
            }),
        }
    }
}

/// What a buyer draws for their `turn`: the same in every process.
pub(crate) fn random(seed: u64, buyer: u32, turn: u32) -> StdRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&buyer.to_le_bytes());
    bytes[12..16].copy_from_slice(&turn.to_le_bytes());
    bytes[16] = 1;
    StdRng::from_seed(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANNERS: Manners = Manners {
        retries: 0.2,
        bots: 0.1,
        give_back: 0.05,
        vanish: 0.1,
        tries_max: 3,
        answer_seconds_max: 1.0,
        bot_pause_seconds: 0.1,
        give_back_seconds_max: 2.0,
    };

    #[test]
    fn shares_are_shares_of_the_crowd_and_the_seed_draws_them() {
        let all: Vec<_> = (0..10_000).map(|buyer| MANNERS.of(1, buyer)).collect();
        let count = |of: &dyn Fn(&Manner) -> bool| all.iter().filter(|manner| of(manner)).count();
        let bots = count(&|manner| manner.persistence == Persistence::Bot);
        let retrying = count(&|manner| manner.persistence == Persistence::Retrying);
        let vanishing = count(&|manner| matches!(manner.exit, Exit::AtOnce | Exit::Unread));
        let giving = count(&|manner| matches!(manner.exit, Exit::GivingBack(_)));
        for (found, expected) in
            [(bots, 1_000_usize), (retrying, 2_000), (vanishing, 1_000), (giving, 500)]
        {
            assert!(found.abs_diff(expected) < 150, "{found}, not about {expected}");
        }
        assert_eq!(MANNERS.of(1, 7), MANNERS.of(1, 7));
        assert!((0..10_000).any(|buyer| MANNERS.of(1, buyer) != MANNERS.of(2, buyer)));
    }

    #[test]
    fn pauses_grow_heed_the_server_and_end() {
        let pause = |persistence, sign, asked| {
            let manner = Manner { persistence, exit: Exit::Keeping };
            Manners { tries_max: 9, ..MANNERS }.pause(manner, sign, 1, 1, asked)
        };
        let hour = Duration::from_secs(3_600);
        let [first, third] =
            [1, 3].map(|asked| pause(Persistence::Retrying, Sign::Open, asked).unwrap());
        assert!((100..200).contains(&first.as_millis()), "{first:?}");
        assert!((400..800).contains(&third.as_millis()), "{third:?}");
        assert!(pause(Persistence::Retrying, Sign::ComeBack(hour), 1).unwrap() >= hour);
        assert_eq!(pause(Persistence::Retrying, Sign::Open, 9), None);
        let bot = Duration::from_millis(100);
        assert_eq!(pause(Persistence::Bot, Sign::ComeBack(hour), 1), Some(bot));
        assert_eq!(pause(Persistence::Bot, Sign::Final, 1), None);
        assert_eq!(pause(Persistence::Polite, Sign::Open, 1), None);
        assert_eq!(pause(Persistence::Polite, Sign::ComeBack(hour), 1), Some(hour));
        assert_eq!(pause(Persistence::Polite, Sign::ComeBack(hour), 9), None);
    }

    #[test]
    fn shares_beyond_the_whole_are_refused() {
        for wrong in [
            Manners { retries: 1.1, ..MANNERS },
            Manners { retries: f64::NAN, ..MANNERS },
            Manners { retries: 0.6, bots: 0.6, ..MANNERS },
            Manners { give_back: 0.6, vanish: 0.6, ..MANNERS },
            Manners { tries_max: 0, ..MANNERS },
            Manners { answer_seconds_max: -1.0, ..MANNERS },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        MANNERS.check().unwrap();
    }
}
