//! The crowd: every buyer comes at their moment, whether or not those before were answered.
//!
//! Its generators are dealt the buyers in turn and start at one instant. Each plays its part on one
//! thread: in this process, or in one of its own, since a process may open only so many files.

mod alarm;
mod buy;
mod child;
mod generator;
mod judge;
mod lines;
mod troupe;
mod visit;

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use buy::{Answered, Buy, Ending, Said};
#[cfg(test)]
pub(crate) use buy::{GivenBack, Refusal, Tries};
pub use child::generator;
pub(crate) use generator::{Effort, Played};
use generator::{Job, Stage};
use troupe::Member;

use crate::capacity::Capacity;
use crate::duration::micros;
use crate::series::Series;
use crate::shop::Shop;
use crate::watch::{Watch, Watched};
use crate::{Options, Progress, RehearseError};

/// Time for the generators to hear when the rush starts.
const LEAD: Duration = Duration::from_millis(100);
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// What came of the rush.
pub(crate) struct Rush {
    /// One for each buyer who is done, in no order.
    pub(crate) buys: Vec<Buy>,
    /// Buyers who were not: it was cut short.
    pub(crate) not_done: usize,
    pub(crate) series: Series,
    /// Of each generator.
    pub(crate) efforts: Vec<Effort>,
    pub(crate) watched: Watched,
}

/// Plays all buyers; returns when each of them has an answer or has given up, or when it is cut
/// short.
pub(crate) fn rush(
    shop: &Shop,
    options: &Options,
    capacity: Capacity,
    progress: &mut Progress,
    tell: &mut dyn FnMut(Progress),
) -> Result<Rush, RehearseError> {
    let series = Series::for_span(options.arrivals.span());
    let moments = options.arrivals.moments(options.seed);
    let mut members = Vec::new();
    for job in deal(shop, options, capacity, &moments, series.width) {
        members.push(match &options.generator {
            Some(command) if capacity.processes > 1 => Member::apart(command, job)?,
            _ => Member::here(job)?,
        });
    }
    let processes = members.iter().filter_map(Member::process).collect();
    let watch = Watch::new(shop, options, series.width, processes)?;
    // Whoever fails by itself comes before those who are stopped for it: its reason is told.
    let mut members: Vec<_> = members.into_iter().map(|one| (one.is_ready(), one)).collect();
    members.sort_by_key(|(is_ready, _)| *is_ready);
    let is_ready = members.iter().all(|(is_ready, _)| *is_ready);
    let mut members: Vec<_> = members.into_iter().map(|(_, one)| one).collect();
    let start = Instant::now() + LEAD;
    watch.start(start);
    if is_ready {
        members.iter_mut().for_each(|member| member.start(start));
    }
    attend(&mut members, options, start, is_ready, progress, tell);
    let played = members.into_iter().map(Member::join).collect::<Result<Vec<_>, _>>();
    let watched = watch.end();
    gather(played?, series, watched, moments.len(), options)
}

/// Deals the buyers to the generators in turn.
fn deal(
    shop: &Shop,
    options: &Options,
    capacity: Capacity,
    moments: &[Duration],
    bin: Duration,
) -> Vec<Job> {
    let mut jobs: Vec<_> = (0..capacity.processes)
        .map(|_| Job {
            access: shop.access().clone(),
            manners: options.manners,
            limit: options.limit_in_force(),
            seed: options.seed,
            patience: options.patience,
            connections: capacity.connections_each,
            bin,
            buyers: Vec::new(),
        })
        .collect();
    for ((buyer, due), turn) in (0..).zip(moments).zip((0..jobs.len()).cycle()) {
        if let Some(job) = jobs.get_mut(turn) {
            job.buyers.push((buyer, micros(*due)));
        }
    }
    jobs
}

/// Tells how far they are, until all are done. If one dies or all are to stop, all stop.
fn attend(
    members: &mut [Member],
    options: &Options,
    start: Instant,
    mut going: bool,
    progress: &mut Progress,
    tell: &mut dyn FnMut(Progress),
) {
    loop {
        let done = members.iter().filter(|member| member.is_done()).count();
        count(progress, members);
        progress.elapsed = start.elapsed();
        tell(*progress);
        if done == members.len() {
            return;
        }
        let died = members.iter().any(Member::has_failed);
        if options.stop.is_given() || died || !going {
            members.sort_by_key(|member| !member.has_failed());
            members.iter_mut().for_each(Member::stop);
            going = true;
        }
        thread::sleep(PROGRESS_EVERY);
    }
}

fn count(progress: &mut Progress, members: &[Member]) {
    let sum = |of: &dyn Fn(&Member) -> u64| {
        u32::try_from(members.iter().map(of).sum::<u64>()).unwrap_or(u32::MAX)
    };
    progress.started = sum(&|member| member.counters.started.load(Ordering::Relaxed));
    progress.won = sum(&|member| member.counters.won.load(Ordering::Relaxed));
    progress.lost = sum(&|member| member.counters.lost.load(Ordering::Relaxed));
    progress.refused = sum(&|member| member.counters.refused.load(Ordering::Relaxed));
    progress.unanswered = sum(&|member| member.counters.unanswered.load(Ordering::Relaxed));
    progress.vanished = sum(&|member| member.counters.vanished.load(Ordering::Relaxed));
}

fn gather(
    played: Vec<Played>,
    mut series: Series,
    watched: Watched,
    buyers: usize,
    options: &Options,
) -> Result<Rush, RehearseError> {
    let (mut buys, mut efforts) = (Vec::with_capacity(buyers), Vec::new());
    for part in played {
        buys.extend(part.buys);
        series.merge(part.series);
        efforts.push(part.effort);
    }
    let not_done = buyers - buys.len();
    if not_done > 0 && !options.stop.is_given() {
        return Err(RehearseError::Crowd { missing: not_done });
    }
    Ok(Rush { buys, not_done, series, efforts, watched })
}
