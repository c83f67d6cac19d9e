//! `holdfast-sim cluster`: stories of several nodes over Redis, on all cores.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use clap::ValueEnum;
use holdfast_sim::cluster::{self, story, whole};

use crate::say;

/// Steps of a story at the level of the store, and of one of whole sales.
pub(crate) const STORE_STEPS: usize = 200;
pub(crate) const SALES_STEPS: usize = 150;

/// What to tell.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Stories to tell. Each is told twice: of logs alone, and of whole sales.
    #[arg(long, default_value_t = 200)]
    stories: u64,
    /// The seed of the first; the others follow it.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// What may go wrong.
    #[arg(long, value_enum, default_value_t = Faults::All)]
    faults: Faults,
    /// Prints everything that happens in the sales, on one thread.
    #[arg(long)]
    show: bool,
}

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Faults {
    /// Everything; what is lost must be in doubt.
    All,
    /// What takes no node away, whatever becomes of Redis: nothing is lost or in doubt.
    Harmless,
    /// What takes fewer than half of the data nodes away, and no node: nothing is lost or in doubt.
    Minority,
    /// What takes fewer than half of the data nodes away, and any nodes: nothing is lost.
    Nodes,
    /// Nothing.
    None,
}

impl Faults {
    fn kind(self) -> cluster::Faults {
        match self {
            Self::All => cluster::Faults::All,
            Self::Harmless => cluster::Faults::Harmless,
            Self::Minority => cluster::Faults::Minority,
            Self::Nodes => cluster::Faults::Nodes,
            Self::None => cluster::Faults::None,
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

thread_local! {
    /// The story that this thread tells.
    static TOLD: Cell<Option<(u64, Faults)>> = const { Cell::new(None) };
}

/// The command that tells this thread's story again, if it tells one.
pub(crate) fn replay() -> Option<String> {
    TOLD.get().map(|(seed, faults)| command(seed, faults))
}

fn command(seed: u64, faults: Faults) -> String {
    format!("holdfast-sim cluster --from {seed} --stories 1 --faults {} --show", faults.name())
}

/// What all stories came to.
#[derive(Default)]
struct Sum {
    told: u64,
    store: story::Report,
    sales: whole::Report,
    /// What was wrong, by seeds.
    broken: BTreeMap<u64, String>,
}

/// Tells the stories and prints what they came to.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let started = Instant::now();
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Sum::default()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if arguments.show { 1 } else { cores };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| tell_all(arguments, &next, &sum, started));
        }
    });
    say::progress(format_args!("{:40}\r", ""));
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    print(&sum, arguments, started);
    if sum.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell_all(arguments: &Arguments, next: &AtomicU64, sum: &Mutex<Sum>, started: Instant) {
    let count = arguments.stories;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return;
        }
        let seed = arguments.from.wrapping_add(number);
        TOLD.set(Some((seed, arguments.faults)));
        let (kind, show) =
            (arguments.faults.kind(), arguments.show.then_some(say::text as fn(&str)));
        let store = story::tell(seed, kind.list(), STORE_STEPS);
        let sales = whole::tell(seed, kind.list(), SALES_STEPS, show);
        TOLD.set(None);
        let wrong = wrong(kind, &store, &sales);
        let mut sum = lock(sum);
        sum.told += 1;
        sum.store.add(&store.unwrap_or_default());
        sum.sales.add(&sales);
        if let Some(wrong) = wrong {
            sum.broken.insert(seed, wrong);
            // Those before it are told to their ends: the first that is broken is always the same.
            next.store(count, Ordering::Relaxed);
        }
        let (told, seconds) = (sum.told, started.elapsed().as_secs());
        drop(sum);
        say::progress(format_args!("{told} of {count} stories in {seconds} s "));
    }
}

/// What was wrong in a story, in words.
fn wrong(
    kind: cluster::Faults,
    store: &Result<story::Report, story::Breach>,
    sales: &whole::Report,
) -> Option<String> {
    let of_store = |wrong: &String| format!("the logs alone: {wrong}");
    let store = match store {
        Ok(report) => kind.may_cost(report.lost, report.doubts).err().as_ref().map(of_store),
        Err(breach) => Some(of_store(breach)),
    };
    let breach = || sales.breach.as_ref().map(ToString::to_string);
    let cost = || kind.may_cost(sales.lost, sales.doubts).err();
    store.or_else(breach).or_else(cost)
}

fn lock(sum: &Mutex<Sum>) -> MutexGuard<'_, Sum> {
    sum.lock().unwrap_or_else(PoisonError::into_inner)
}

fn print(sum: &Sum, arguments: &Arguments, started: Instant) {
    let Sum { told, store, sales, broken } = sum;
    let (from, faults) = (arguments.from, arguments.faults.name());
    say::line(format_args!("told        {told} stories from seed {from}, faults: {faults}"));
    say::line(format_args!(
        "logs        {} entries confirmed, {} unknown, {} refused; {} epochs, {} doubts, {} lost",
        store.confirmed, store.unknown, store.refused, store.epochs, store.doubts, store.lost
    ));
    say::line(format_args!("snapshots   {}, {} bytes trimmed", store.snapshots, store.trimmed));
    say::line(format_args!(
        "sales       {} answers, {} unknown, {} refused; {} epochs, {} doubts",
        sales.answered, sales.unknown, sales.refused, sales.epochs, sales.doubts
    ));
    say::line(format_args!(
        "words       {} true of the log, {} lost in a doubt; {} holds claimed, {} orders restored",
        sales.true_words, sales.lost, sales.claimed, sales.restored
    ));
    let mut struck = store.faults.clone();
    for (name, count) in &sales.faults {
        *struck.entry(name).or_default() += count;
    }
    say::text("faults");
    struck.iter().for_each(|(what, count)| say::line(format_args!("  {count:>9}  {what}")));
    say::line(format_args!("took        {:.1} s", started.elapsed().as_secs_f64()));
    say::line(format_args!("trace       {:016x}", sales.hash));
    if let Some((seed, wrong)) = broken.first_key_value() {
        say::line(format_args!("BROKEN      seed {seed}: {wrong}"));
        say::line(format_args!("replay      {}", command(*seed, arguments.faults)));
    }
}
