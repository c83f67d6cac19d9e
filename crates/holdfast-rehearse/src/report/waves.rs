//! What came of each wave of the arrivals.
//!
//! Whoever is due in a wave that takes no time belongs to it, whenever they are answered, and to no
//! wave after it. All other waves are told by the clock: what happened while they lasted.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::{latency, per_second};
use crate::arrivals::Window;
use crate::crowd::{Answered, Buy, Ending, Rush};
use crate::duration::millis;
use crate::histogram::Times;
use crate::series::Class;
use crate::{Options, Percentiles};

/// What came of one wave: counts, and the same per second, null if it took no time. Of a wave that
/// took no time the counts are of the buyers due in it; of another one, of all who were begun or
/// answered while it lasted and are of no wave that took no time.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Wave {
    /// As it is written on the command line.
    pub arrivals: String,
    /// When it began, in milliseconds from the start.
    pub begins_ms: f64,
    /// When it ended.
    pub ends_ms: f64,
    /// Buyers due in it.
    pub buyers: u64,
    /// Buyers begun.
    pub achieved: u64,
    /// Buyers told yes or no for good.
    pub answered: u64,
    /// Tries answered, whatever the answer.
    pub answers: u64,
    /// Tries sent away (429, 503 `overloaded`).
    pub shed: u64,
    /// Buyers due per second.
    pub offered_per_second: Option<f64>,
    /// `achieved`, per second.
    pub achieved_per_second: Option<f64>,
    /// `answered`, per second: goodput.
    pub answered_per_second: Option<f64>,
    /// `answers`, per second.
    pub answers_per_second: Option<f64>,
    /// `shed`, per second.
    pub shed_per_second: Option<f64>,
    /// From the moment of each buyer due in it to yes or no, their pauses between tries included;
    /// null if there was none.
    pub latency_ms: Option<Percentiles>,
    /// The last part of it: from the moment in which the last try of each of them was due.
    pub last_try_latency_ms: Option<Percentiles>,
}

pub(super) fn of(options: &Options, rush: &Rush) -> Vec<Wave> {
    let windows = options.arrivals.windows(options.seed);
    windows.iter().map(|window| Wave::new(window, &windows, rush)).collect()
}

impl Wave {
    fn new(window: &Window, windows: &[Window], rush: &Rush) -> Self {
        let length = window.length();
        let is_of_no_time = |buy: &Buy| {
            windows.iter().any(|one| one.length().is_zero() && one.buyers.contains(&buy.buyer))
        };
        // Those who may count, with whether a moment of theirs does.
        let ours = rush.buys.iter().filter(|buy| match length.is_zero() {
            true => window.buyers.contains(&buy.buyer),
            false => !is_of_no_time(buy),
        });
        let ours: Vec<_> = ours.collect();
        let holds =
            |moment: Duration| length.is_zero() || (window.begins..window.ends).contains(&moment);
        let told = |buy: &Buy| matches!(buy.ending, Ending::Won(_) | Ending::Lost(_));
        let count = |of: &dyn Fn(&Buy) -> bool| ours.iter().filter(|buy| of(buy)).count() as u64;
        let answers = |of: &dyn Fn(&Answered) -> bool| {
            let answers = ours.iter().flat_map(|buy| &buy.answers);
            answers.filter(|answer| holds(answer.at) && of(answer)).count() as u64
        };
        let took = |of: fn(&Buy) -> Duration| {
            let buys = rush.buys.iter().filter(|buy| told(buy));
            let buys = buys.filter(|buy| window.buyers.contains(&buy.buyer));
            buys.map(of).collect::<Times>().percentiles()
        };
        let buyers = window.buyers.len() as u64;
        let achieved = count(&|buy| holds(buy.started));
        let answered = count(&|buy| told(buy) && holds(buy.ended));
        let (all, shed) = (answers(&|_| true), answers(&|a| Class::SENT_AWAY.contains(&a.class)));
        Self {
            arrivals: window.name.clone(),
            begins_ms: millis(window.begins),
            ends_ms: millis(window.ends),
            buyers,
            achieved,
            answered,
            answers: all,
            shed,
            offered_per_second: per_second(buyers, length),
            achieved_per_second: per_second(achieved, length),
            answered_per_second: per_second(answered, length),
            answers_per_second: per_second(all, length),
            shed_per_second: per_second(shed, length),
            latency_ms: took(latency),
            last_try_latency_ms: took(|buy| buy.ended.saturating_sub(buy.tried)),
        }
    }

    /// Whether it took time: then its rates are told, else its counts.
    pub(crate) fn took_time(&self) -> bool {
        self.offered_per_second.is_some()
    }
}
