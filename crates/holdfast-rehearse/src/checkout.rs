//! The checkout: after the rush and its verdict, the winners pay, or do not.
//!
//! It begins when nothing of the rush is measured any more, so that it cannot disturb that. Every
//! checkout says how the simulated provider is to behave. No other provider takes that, so that a
//! crowd can pay nowhere else: one buyer goes ahead to find out.

mod late;
mod payer;
mod settle;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout_at};

pub(crate) use payer::{Said, Way};
pub(crate) use settle::Settled;

use crate::crowd::Rush;
use crate::payments::{Fate, Intent};
use crate::shop::Shop;
use crate::wire::Hold;
use crate::{Options, Phase, Progress};

/// Payers who ask at a time.
const AT_A_TIME: usize = 256;
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// What came of the checkout.
#[derive(Default)]
pub(crate) struct Paying {
    /// One for each winner who has done what they wanted, in no order.
    pub(crate) ways: Vec<Way>,
    /// Winners who had not, when the time was over or it was cut short.
    pub(crate) not_done: usize,
    /// The same in the sale of those who pay late.
    pub(crate) late_ways: Vec<Way>,
    /// What each sale's audit counted when nothing was under way any more.
    pub(crate) settled: Option<Settled>,
    pub(crate) late_settled: Option<Settled>,
    /// The sale of those who pay late.
    pub(crate) late_shop: Option<Arc<Shop>>,
    /// Why nobody paid.
    pub(crate) nobody: Option<Nobody>,
    /// Why not everybody paid late who was to.
    pub(crate) late_failed: Option<String>,
    /// From the first thought until all winners were done, and until nothing was under way.
    pub(crate) took: Duration,
    pub(crate) settled_after: Duration,
}

/// Why nobody paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Nobody {
    /// The provider is not the simulated one.
    RealProvider,
    /// No winner wanted to.
    NoPayer,
    /// The one who went ahead could not.
    Failed(String),
}

/// What all payers share.
struct Till {
    shop: Arc<Shop>,
    turns: Arc<Semaphore>,
    begun: Instant,
    deadline: Instant,
    counters: Arc<Counters>,
}

/// How far they are, for whoever wants to know meanwhile.
#[derive(Default)]
struct Counters {
    at_checkout: AtomicU32,
    paid: AtomicU32,
    declined: AtomicU32,
}

/// A winner and what they will do.
struct Payer {
    buyer: u32,
    hold: Hold,
    intent: Intent,
}

/// Lets the winners pay, and waits until nothing is under way, until it is time or all are to stop.
pub(crate) async fn play(
    shop: &Arc<Shop>,
    options: &Options,
    rush: &Rush,
    progress: &mut Progress,
    tell: &mut dyn FnMut(Progress),
) -> Paying {
    let (till, mut payers) = prepare(shop, options, rush);
    progress.phase = Phase::Paying;
    progress.payers = u32::try_from(payers.len()).unwrap_or(u32::MAX);
    let paying = Paying::default();
    // Whoever pays first goes ahead, without a thought.
    let first = payers.iter().position(|payer| payer.intent.fate == Fate::Pays);
    let Some(first) = first.map(|first| payers.swap_remove(first)) else {
        return Paying { nobody: Some(Nobody::NoPayer), ..paying };
    };
    let late = late::shop(&till, options);
    let mut paying = Paying { not_done: payers.len() + 1, late_shop: late.clone(), ..paying };
    let ahead = till.go_ahead(first);
    let ahead = attended(ahead, options, &till.counters, progress, tell).await;
    let Some((first, ahead)) = ahead else { return paying };
    if let Err(said) = &ahead.began {
        return Paying { nobody: Some(Nobody::after(said)), ..Paying::default() };
    }
    let mut going = JoinSet::new();
    let till = Arc::new(till);
    let this = Arc::clone(&till);
    going.spawn(async move { this.follow_up(first, ahead).await });
    for payer in payers {
        let this = Arc::clone(&till);
        going.spawn(async move { this.go(payer).await });
    }
    let crowd = async {
        while let Some(way) = going.join_next().await {
            // One who died is not done.
            paying.ways.extend(way);
        }
        paying.took = till.begun.elapsed();
        settle::settle(shop, till.deadline).await
    };
    let late = late::play(&till, late, options.payments.late);
    let work = async { tokio::join!(crowd, late) };
    let done = attended(work, options, &till.counters, progress, tell).await;
    if let Some((settled, late)) = done {
        paying.settled = Some(settled);
        paying.take(late);
        paying.settled_after = till.begun.elapsed();
    }
    paying.not_done = paying.not_done.saturating_sub(paying.ways.len());
    paying
}

fn prepare(shop: &Arc<Shop>, options: &Options, rush: &Rush) -> (Till, Vec<Payer>) {
    let begun = Instant::now();
    let till = Till {
        shop: Arc::clone(shop),
        turns: Arc::new(Semaphore::new(AT_A_TIME)),
        begun,
        deadline: begun + options.payments.settle_max(),
        counters: Arc::default(),
    };
    let winners = rush.buys.iter().filter_map(|buy| Some((buy.buyer, buy.kept()?)));
    let payer = |(buyer, hold): (u32, &Hold)| {
        let intent = options.payments.of(options.seed, buyer);
        Payer { buyer, hold: hold.clone(), intent }
    };
    (till, winners.map(payer).collect())
}

/// Tells how far they are until the work is done; `None`: it was stopped before.
async fn attended<T>(
    work: impl Future<Output = T>,
    options: &Options,
    counters: &Counters,
    progress: &mut Progress,
    tell: &mut dyn FnMut(Progress),
) -> Option<T> {
    tokio::pin!(work);
    let mut ticks = interval(PROGRESS_EVERY);
    loop {
        tokio::select! {
            biased;
            () = options.stop.given() => return None,
            done = &mut work => return Some(done),
            _ = ticks.tick() => {
                progress.at_checkout = counters.at_checkout.load(Ordering::Relaxed);
                progress.paid = counters.paid.load(Ordering::Relaxed);
                progress.declined = counters.declined.load(Ordering::Relaxed);
                tell(*progress);
            }
        }
    }
}

impl Nobody {
    /// Of the one who went ahead, and was told this.
    fn after(said: &Said) -> Self {
        match said {
            Said::NotSimulated => Self::RealProvider,
            Said::Refused(said) | Said::Unclear(said) => Self::Failed(said.clone()),
            said => Self::Failed(format!("{said:?}")),
        }
    }
}

impl Paying {
    fn take(&mut self, late: late::Late) {
        self.late_ways = late.ways;
        self.late_settled = late.settled;
        self.late_failed = late.failed;
    }
}

impl Till {
    /// Whether it is time to give up.
    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Sleeps, but not beyond the deadline.
    async fn sleep(&self, time: Duration) {
        let _ = timeout_at(self.deadline, tokio::time::sleep(time)).await;
    }
}
