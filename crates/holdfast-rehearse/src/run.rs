//! The order of a rehearsal: make and open a sale, let the crowd in, judge, close.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::capacity::Capacity;
use crate::exchange::{Answer, Ask, Failure};
use crate::report::About;
use crate::shop::{Access, Shop};
use crate::{Options, Phase, Progress, RehearseError, Report, Verdict, crowd, verdict};

/// Time that a single request outside the rush may take.
pub(crate) const ANSWER_SECONDS_MAX: u64 = 10;

/// Holds a rehearsal. Blocks until it is over: on threads of its own, so it needs no runtime and
/// must not be called on one (use `spawn_blocking`). `progress` is told how far it is.
///
/// # Errors
/// When the rehearsal could not be held. Everything that went wrong *in* it is in the report.
pub fn run(options: &Options, mut progress: impl FnMut(Progress)) -> Result<Report, RehearseError> {
    options.check()?;
    let buyers = options.arrivals.moments(options.seed).len();
    let capacity = Capacity::of(options, buyers);
    let shop = Arc::new(Shop::new(Access::new(options, sale_name())?));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut now = Progress::new(u32::try_from(buyers).unwrap_or(u32::MAX));
    let started_at = Timestamp::now();

    progress(now);
    if options.stop.is_given() {
        return Err(RehearseError::Stopped { sale_left_open: None });
    }
    let opened = runtime.block_on(unless_stopped(options, open(&shop, options)));
    let judged = match opened {
        Some(Err(error)) => return Err(error),
        // A request that was cut off may have made the sale all the same.
        None => Ok(None),
        Some(Ok(())) => {
            now.phase = Phase::Rush;
            let rush = crowd::rush(&shop, options, capacity, &mut now, &mut progress);
            rush.map(|rush| {
                now.phase = Phase::Verdict;
                progress(now);
                let verdict = verdict::reach(&shop, options, &rush);
                let verdict = runtime.block_on(unless_stopped(options, verdict));
                verdict.map(|verdict| (rush, verdict))
            })
        }
    };

    // The sale is closed whatever came of the rush: nobody else would.
    now.phase = Phase::Closing;
    progress(now);
    let closed = runtime.block_on(step(&shop, "close the sale", shop.step("close")));
    if options.stop.is_given() {
        let sale_left_open = closed.err().map(|error| format!("{}: {error}", shop.sale()));
        return Err(RehearseError::Stopped { sale_left_open });
    }
    let (rush, mut verdict) = judged?.ok_or(RehearseError::Stopped { sale_left_open: None })?;
    note_close(&mut verdict, closed);
    let about = About { started_at, capacity, sale: shop.sale() };
    Ok(Report::new(options, about, &rush, verdict))
}

/// `None`: it was stopped before it was done.
async fn unless_stopped<T>(options: &Options, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = options.stop.given() => None,
        done = work => Some(done),
    }
}

fn note_close(verdict: &mut Verdict, closed: Result<(), RehearseError>) {
    if let Err(error) = closed {
        verdict.unverified.push(format!("the sale may still be open: {error}"));
    }
}

/// A name that no earlier rehearsal against this server has used.
fn sale_name() -> String {
    format!("rehearsal-{:016x}", rand::random::<u64>())
}

async fn open(shop: &Shop, options: &Options) -> Result<(), RehearseError> {
    step(shop, "make the sale", shop.create(options)).await?;
    step(shop, "open the sale", shop.step("open")).await
}

async fn step(
    shop: &Shop,
    step: &'static str,
    ask: Result<Ask, Failure>,
) -> Result<(), RehearseError> {
    let reason = match answer(shop, ask, 0).await {
        Ok(answer) if answer.status.is_success() => return Ok(()),
        Ok(answer) => format!("the server said {} {}", answer.summary(), answer.problem().detail),
        Err(failure) => failure.to_string(),
    };
    Err(RehearseError::Sale { step, reason: reason.trim_end().to_owned() })
}

/// One request outside the rush, and its answer.
pub(crate) async fn answer(
    shop: &Shop,
    ask: Result<Ask, Failure>,
    turn: u32,
) -> Result<Answer, Failure> {
    let ask = ask?;
    let asked = shop.ask(&ask, turn);
    timeout(Duration::from_secs(ANSWER_SECONDS_MAX), asked).await.unwrap_or(Err(Failure::Late))
}
