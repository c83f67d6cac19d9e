//! `holdfast-sim run`: many runs, on all cores.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use holdfast_sim::plan::Plan;
use holdfast_sim::report::{Report, Stats};
use holdfast_sim::rng::seed_of;
use holdfast_sim::run::simulate;

use crate::say;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Sales to play, at least: a run has one, two or three, and none is broken off.
    #[arg(long, default_value_t = 1_000)]
    sales: u64,
    /// The seed of the whole series; without it, one is drawn from the time.
    #[arg(long)]
    seed: Option<u64>,
    /// Threads to play them on; without it, as many as there are cores.
    #[arg(long)]
    threads: Option<usize>,
    /// Panics in the run with this number, to see what comes of it.
    #[cfg(feature = "planted")]
    #[arg(long, hide = true)]
    panic_in: Option<u64>,
}

/// What all threads share.
struct Series<'a> {
    arguments: &'a Arguments,
    seed: u64,
    drawn: Mutex<Drawn>,
    stop: AtomicBool,
    /// Threads that still play.
    playing: AtomicUsize,
    sum: Mutex<Sum>,
}

/// What has been handed out so far.
#[derive(Default)]
struct Drawn {
    runs: u64,
    sales: u64,
}

#[derive(Default)]
struct Sum {
    stats: Stats,
    broken: Option<Report>,
}

/// Plays the series and prints what it came to.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let threads = arguments.threads.or_else(cores).unwrap_or(1).max(1);
    let series = Series {
        arguments,
        seed: arguments.seed.unwrap_or_else(seed_of_now),
        drawn: Mutex::default(),
        stop: AtomicBool::new(false),
        playing: AtomicUsize::new(threads),
        sum: Mutex::default(),
    };
    say::line(format_args!("seed        {}", series.seed));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| series.play());
        }
        series.watch(started);
    });
    let sum = series.sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    print_stats(&sum.stats, started.elapsed());
    match sum.broken {
        Some(report) => {
            print_breach(&report);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

impl Series<'_> {
    fn play(&self) {
        while let Some(seed) = self.next() {
            let report = simulate(seed, None);
            let mut sum = lock(&self.sum);
            sum.stats.add(&report.stats);
            if report.breach.is_some() {
                self.stop.store(true, Ordering::Relaxed);
                sum.broken.get_or_insert(report);
            }
        }
        self.playing.fetch_sub(1, Ordering::Relaxed);
    }

    /// The seed of the next run, while there are sales to play. Which runs a series has depends on
    /// its seed and its length only, not on the threads.
    fn next(&self) -> Option<u64> {
        let mut drawn = lock(&self.drawn);
        if drawn.sales >= self.arguments.sales || self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let seed = seed_of(self.seed, drawn.runs);
        #[cfg(feature = "planted")]
        if self.arguments.panic_in == Some(drawn.runs) {
            holdfast_sim::run::play_as(seed, || panic!("as was asked for"));
        }
        drawn.runs += 1;
        drawn.sales += Plan::of(seed).map_or(1, |plan| plan.sales.len() as u64);
        Some(seed)
    }

    /// Says how far it has come.
    fn watch(&self, started: Instant) {
        while self.playing.load(Ordering::Relaxed) > 0 {
            let (done, seconds) = (lock(&self.sum).stats.sales, started.elapsed().as_secs());
            let sales = self.arguments.sales;
            say::progress(format_args!("{done} of {sales} sales in {seconds} s "));
            std::thread::sleep(Duration::from_millis(20));
        }
        say::progress(format_args!("{:40}\r", ""));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cores() -> Option<usize> {
    std::thread::available_parallelism().ok().map(usize::from)
}

fn seed_of_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    seed_of(since.as_secs(), since.subsec_nanos().into())
}

fn print_stats(stats: &Stats, took: Duration) {
    let seconds = took.as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "rates for people")]
    let (runs, hours) = (stats.runs as f64, stats.simulated_us as f64 / 3.6e9);
    say::line(format_args!("played      {} sales in {} runs", stats.sales, stats.runs));
    say::line(format_args!(
        "commands    {}, {} replies, {} turns",
        stats.commands, stats.replies, stats.turns
    ));
    say::line(format_args!("snapshots   {}, {} bytes trimmed", stats.snapshots, stats.freed));
    say::line(format_args!("upkeep      {} times within an append", stats.within));
    say::line(format_args!("in flight   {} rounds while others were settled", stats.flights));
    let kinds =
        [("answers", &stats.answers), ("faults", &stats.faults), ("recoveries", &stats.recoveries)];
    for (title, counts) in kinds {
        say::text(title);
        counts.iter().for_each(|(what, count)| say::line(format_args!("  {count:>9}  {what}")));
    }
    say::text("checks");
    for (promise, count) in stats.checks.iter().enumerate().filter(|(_, count)| **count > 0) {
        say::line(format_args!("  {count:>9}  promise {promise}"));
    }
    say::line(format_args!(
        "took        {seconds:.1} s: {:.1} runs/s, {:.2} simulated hours/s",
        runs / seconds,
        hours / seconds
    ));
    say::line(format_args!("trace       {:016x}", stats.hash));
}

fn print_breach(report: &Report) {
    if let Some(breach) = &report.breach {
        say::line(format_args!("BROKEN      {breach}"));
        say::line(format_args!("replay      holdfast-sim replay --seed {}", report.seed));
    }
}
