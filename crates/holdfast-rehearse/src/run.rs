//! The order of a rehearsal: make and open a sale, let the crowd in, judge, close.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::{Builder, Runtime};

use crate::capacity::Capacity;
use crate::checkout::Paying;
use crate::crowd::Rush;
use crate::exchange::{Answer, Ask, Failure};
use crate::report::About;
use crate::shop::{Access, Shop, Terms};
use crate::verdict::MoneyCheck;
use crate::{Options, Phase, Progress, RehearseError, Report, Verdict, checkout, crowd, verdict};

/// Time that a single request outside the rush may take.
const ANSWER_SECONDS_MAX: u64 = 10;
/// Time in which the sale must be closed: more, since nobody else closes it.
const CLOSE_SECONDS_MAX: u64 = 30;
/// Time from the end of a hold in which its money may still come.
const CHECKOUT_GRACE_SECONDS: u32 = 120;
/// A buyer who is sent ahead, and has no moment.
pub(crate) const NOT_OF_THE_CROWD: u32 = u32::MAX;

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
        return Err(RehearseError::Stopped);
    }
    let terms = Terms {
        capacity: options.capacity,
        hold_seconds: options.hold_seconds,
        checkout_grace_seconds: CHECKOUT_GRACE_SECONDS,
    };
    let made = step(&shop, "make the sale", shop.create(terms));
    let made = runtime.block_on(unless_stopped(options, made));
    // A request that was cut off may have made the sale all the same.
    let held = match made {
        Some(Err(error)) => return Err(error),
        None => Err(RehearseError::Stopped),
        Some(Ok(())) => hold(&shop, options, capacity, &runtime, &mut now, &mut progress),
    };

    // The sale is closed whatever came of the rush: nobody else would.
    now.phase = Phase::Closing;
    progress(now);
    let closed = runtime.block_on(close(&shop));
    let Held { rush, mut verdict, paid } = match (held, &closed) {
        (Ok(held), _) => held,
        (Err(error), Ok(())) => return Err(error),
        (Err(error), Err(reason)) => {
            let (sale, reason) = (shop.sale().to_owned(), reason.clone());
            return Err(RehearseError::LeftOpen { error: Box::new(error), sale, reason });
        }
    };
    let late_shop = paid.as_ref().and_then(|paid| paid.paying.late_shop.as_deref());
    let late_closed = late_shop.map_or(Ok(()), |shop| runtime.block_on(close(shop)));
    for reason in [closed, late_closed].into_iter().filter_map(Result::err) {
        verdict.unverified.push(format!("the sale may still be open: {reason}"));
    }
    let about = About { started_at, capacity, sale: shop.sale() };
    Ok(Report::new(options, about, &rush, paid.as_ref(), verdict))
}

/// What was played, and what was found.
struct Held {
    rush: Rush,
    verdict: Verdict,
    paid: Option<Paid>,
}

/// What came of the checkout, and how its money was found.
#[derive(Default)]
pub(crate) struct Paid {
    pub(crate) paying: Paying,
    pub(crate) checks: Vec<MoneyCheck>,
    pub(crate) orders: u64,
    pub(crate) amount: u64,
}

/// Lets one buyer in, then all of them; judges what they got; then lets them pay, and judges that.
fn hold(
    shop: &Arc<Shop>,
    options: &Options,
    capacity: Capacity,
    runtime: &Runtime,
    now: &mut Progress,
    progress: &mut dyn FnMut(Progress),
) -> Result<Held, RehearseError> {
    let opened = async {
        look_as_buyer(shop, options).await?;
        step(shop, "open the sale", shop.step("open")).await
    };
    runtime.block_on(unless_stopped(options, opened)).unwrap_or(Err(RehearseError::Stopped))?;
    now.phase = Phase::Rush;
    let rush = crowd::rush(shop, options, capacity, now, progress)?;
    now.phase = Phase::Verdict;
    progress(*now);
    let mut verdict = runtime.block_on(verdict::reach(shop, options, &rush));
    let mut paid = None;
    if !options.payments.is_none() && !verdict.cut_short && !verdict.server_gone {
        paid = Some(runtime.block_on(pay(shop, options, &rush, &mut verdict, now, progress)));
    }
    Ok(Held { rush, verdict, paid })
}

async fn pay(
    shop: &Arc<Shop>,
    options: &Options,
    rush: &Rush,
    verdict: &mut Verdict,
    now: &mut Progress,
    progress: &mut dyn FnMut(Progress),
) -> Paid {
    let paying = checkout::play(shop, options, rush, now, progress).await;
    let money = verdict::follow_money(shop, options, &paying, verdict);
    let followed = unless_stopped(options, money).await;
    if followed.is_none() {
        verdict.cut_short("not everybody had paid, and the money was not followed");
    }
    let (checks, orders, amount) = followed.unwrap_or_default();
    Paid { paying, checks, orders, amount }
}

/// `None`: it was stopped before it was done.
async fn unless_stopped<T>(options: &Options, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = options.stop.given() => None,
        done = work => Some(done),
    }
}

/// A name that no earlier rehearsal against this server has used.
fn sale_name() -> String {
    format!("rehearsal-{:016x}", rand::random::<u64>())
}

/// One buyer ahead of the crowd: where none is let in, nobody needs to hear it from all of them.
async fn look_as_buyer(shop: &Shop, options: &Options) -> Result<(), RehearseError> {
    let reason = match answer(shop, shop.me(NOT_OF_THE_CROWD), 0).await {
        Ok(answer) if answer.status.is_success() => return Ok(()),
        Ok(answer) => said(&answer),
        Err(failure) => failure.to_string(),
    };
    Err(RehearseError::Buyers { reason, with_tokens: options.buyer_secret.is_some() })
}

/// Closes the sale, or says why it could not be closed in time.
async fn close(shop: &Shop) -> Result<(), String> {
    let ask = shop.step("close").map_err(|failure| failure.to_string())?;
    match shop.ask(&ask, 0, Duration::from_secs(CLOSE_SECONDS_MAX)).await {
        Ok(answer) if answer.status.is_success() => Ok(()),
        Ok(answer) => Err(said(&answer)),
        Err(failure) => Err(failure.to_string()),
    }
}

/// What the server said, with its reason.
fn said(answer: &Answer) -> String {
    let (summary, problem) = (answer.summary(), answer.problem());
    if problem.code.is_empty() {
        return format!("the server said {summary} without a code: it may be no Holdfast");
    }
    let detail = if problem.detail.is_empty() { "" } else { ": " };
    format!("the server said {summary}{detail}{}", problem.detail)
}

async fn step(
    shop: &Shop,
    step: &'static str,
    ask: Result<Ask, Failure>,
) -> Result<(), RehearseError> {
    let reason = match answer(shop, ask, 0).await {
        Ok(answer) if answer.status.is_success() => return Ok(()),
        Ok(answer) => said(&answer),
        Err(failure) => format!("{failure} (asked {})", shop.target()),
    };
    Err(RehearseError::Sale { step, reason })
}

/// One request outside the rush, and its answer.
pub(crate) async fn answer(
    shop: &Shop,
    ask: Result<Ask, Failure>,
    turn: u32,
) -> Result<Answer, Failure> {
    shop.ask(&ask?, turn, Duration::from_secs(ANSWER_SECONDS_MAX)).await
}
