//! What came of each wave of the arrivals.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::{latency, per_second};
use crate::arrivals::Window;
use crate::crowd::{Buy, Ending, Rush};
use crate::duration::millis;
use crate::histogram::Times;
use crate::series::Class;
use crate::{Options, Percentiles};

/// What came of one wave. Rates are null if it took no time.
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
    /// Buyers due per second.
    pub offered_per_second: Option<f64>,
    /// Buyers begun per second while it lasted.
    pub achieved_per_second: Option<f64>,
    /// Buyers told yes or no for good per second while it lasted, whenever they were due: goodput.
    pub answered_per_second: Option<f64>,
    /// Tries answered per second while it lasted, whatever the answer.
    pub answers_per_second: Option<f64>,
    /// Tries sent away (429, 503 `overloaded`) per second while it lasted.
    pub shed_per_second: Option<f64>,
    /// From the moment of each buyer due in it to yes or no, their pauses between tries included;
    /// null if there was none.
    pub latency_ms: Option<Percentiles>,
    /// The last part of it: from the moment in which the last try of each of them was due.
    pub last_try_latency_ms: Option<Percentiles>,
}

pub(super) fn of(options: &Options, rush: &Rush) -> Vec<Wave> {
    options
        .arrivals
        .windows(options.seed)
        .into_iter()
        .map(|window| Wave::new(&window, rush))
        .collect()
}

impl Wave {
    fn new(window: &Window, rush: &Rush) -> Self {
        let length = window.ends.saturating_sub(window.begins);
        let holds = |moment: Duration| match length.is_zero() {
            true => moment == window.begins,
            false => (window.begins..window.ends).contains(&moment),
        };
        let told = |buy: &&Buy| matches!(buy.ending, Ending::Won(_) | Ending::Lost(_));
        let count = |of: &dyn Fn(&&Buy) -> bool| rush.buys.iter().filter(of).count() as u64;
        let due = window.buyers.len() as u64;
        let bins = (0_u32..).zip(&rush.series.bins);
        let within = bins.filter(|(place, _)| holds(rush.series.width * *place));
        let within: Vec<_> = within.map(|(_, bin)| bin).collect();
        let came_to = |classes: &[Class]| within.iter().map(|bin| bin.came_to(classes)).sum();
        let took = |of: fn(&Buy) -> Duration| {
            let buys = rush.buys.iter().filter(told);
            let buys = buys.filter(|buy| window.buyers.contains(&buy.buyer));
            buys.map(of).collect::<Times>().percentiles()
        };
        Self {
            arrivals: window.name.clone(),
            begins_ms: millis(window.begins),
            ends_ms: millis(window.ends),
            buyers: due,
            offered_per_second: per_second(due, length),
            achieved_per_second: per_second(count(&|buy| holds(buy.started)), length),
            answered_per_second: per_second(count(&|b| told(b) && holds(b.ended)), length),
            answers_per_second: per_second(came_to(&Class::ANSWERS), length),
            shed_per_second: per_second(came_to(&Class::SENT_AWAY), length),
            latency_ms: took(latency),
            last_try_latency_ms: took(|buy| buy.ended.saturating_sub(buy.tried)),
        }
    }
}
