//! The crowd: every buyer comes at their moment, whether or not those before were answered.
//!
//! A pacer thread knows the schedule and calls each buyer when it is time; it never waits for an
//! answer. Player threads, each with a runtime of its own, play the buyers they are dealt.

mod buyer;
mod player;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

pub(crate) use buyer::{Buy, Ending};
pub(crate) use player::Effort;
use player::{Call, Player};

use crate::shop::Shop;
use crate::{Options, Progress, RehearseError, Stop, schedule};

/// Time for the players to be ready before the first buyer is due.
const LEAD: Duration = Duration::from_millis(100);
/// How long the pacer sleeps at most before it looks whether it is to stop.
const STOP_WITHIN: Duration = Duration::from_millis(50);
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// What came of the rush.
pub(crate) struct Rush {
    /// One for each buyer, in no order.
    pub(crate) buys: Vec<Buy>,
    /// The busiest player's effort.
    pub(crate) effort: Effort,
}

/// Plays all buyers; returns when each of them has an answer or has given up.
pub(crate) fn rush(
    shop: &Arc<Shop>,
    options: &Options,
    connections: usize,
    progress: &mut Progress,
    tell: &mut dyn FnMut(Progress),
) -> Result<Rush, RehearseError> {
    let moments = schedule::moments(options.seed, options.buyers, options.over);
    let start = Instant::now() + LEAD;
    let (results, buys) = channel();
    let started = Arc::new(AtomicU32::new(0));
    thread::scope(|scope| {
        let (mut callers, mut players) = (Vec::new(), Vec::new());
        for _ in 0..options.threads {
            // Room for every call: the pacer must never wait for a player.
            let (caller, calls) = mpsc::channel(moments.len());
            callers.push(caller);
            let player = Player {
                shop: Arc::clone(shop),
                calls,
                connections: (connections / options.threads).max(1),
                start,
                patience: options.patience,
                stop: options.stop.clone(),
                started: Arc::clone(&started),
                results: results.clone(),
            };
            let thread = thread::Builder::new().name("player".into());
            players.push(thread.spawn_scoped(scope, move || player.play())?);
        }
        drop(results);
        let thread = thread::Builder::new().name("pacer".into());
        thread.spawn_scoped(scope, move || pace(start, &moments, &callers, &options.stop))?;

        let buys = collect(&buys, start, &started, progress, tell);
        let mut effort = Effort::default();
        for player in players {
            let missing = (options.buyers as usize).saturating_sub(buys.len());
            effort = effort.max(player.join().map_err(|_| RehearseError::Crowd { missing })??);
        }
        if buys.len() != options.buyers as usize && !options.stop.is_given() {
            let missing = options.buyers as usize - buys.len();
            return Err(RehearseError::Crowd { missing });
        }
        Ok(Rush { buys, effort })
    })
}

/// Calls each buyer at their moment, dealing them to the players in turn.
fn pace(start: Instant, moments: &[Duration], callers: &[mpsc::Sender<Call>], stop: &Stop) {
    let deal = callers.iter().cycle();
    for ((buyer, due), caller) in (0..).zip(moments).zip(deal) {
        loop {
            let wait = (start + *due).saturating_duration_since(Instant::now());
            if stop.is_given() {
                return;
            }
            if wait.is_zero() {
                break;
            }
            thread::sleep(wait.min(STOP_WITHIN));
        }
        if caller.blocking_send(Call { buyer, due: *due }).is_err() {
            // The player died; the missing results will tell.
            return;
        }
    }
}

/// Gathers results until every player has gone home.
fn collect(
    results: &Receiver<Buy>,
    start: Instant,
    started: &AtomicU32,
    progress: &mut Progress,
    tell: &mut dyn FnMut(Progress),
) -> Vec<Buy> {
    let mut buys = Vec::new();
    loop {
        let end = loop {
            match results.try_recv() {
                Ok(buy) => {
                    count(progress, &buy.ending);
                    buys.push(buy);
                }
                Err(end) => break end,
            }
        };
        progress.started = started.load(Ordering::Relaxed);
        progress.elapsed = start.elapsed();
        tell(*progress);
        if end == TryRecvError::Disconnected {
            return buys;
        }
        // Polled, so that a player who delivers a result never has to wake this thread.
        thread::sleep(PROGRESS_EVERY);
    }
}

fn count(progress: &mut Progress, ending: &Ending) {
    let counter = match ending {
        Ending::Won(_) => &mut progress.won,
        Ending::Lost(_) => &mut progress.lost,
        Ending::Refused(_) => &mut progress.refused,
        Ending::Unanswered(_) => &mut progress.unanswered,
    };
    *counter += 1;
}
