//! `holdfast-sim run`: many runs, on all cores.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use holdfast_sim::report::{Report, Stats};
use holdfast_sim::rng::seed_of;
use holdfast_sim::run::simulate;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Runs to play; most have one sale, some have two or three.
    #[arg(long, default_value_t = 1_000)]
    sales: u64,
    /// The seed of the whole series; without it, one is drawn from the time.
    #[arg(long)]
    seed: Option<u64>,
    /// Threads to play them on; without it, as many as there are cores.
    #[arg(long)]
    threads: Option<usize>,
}

/// What all threads share.
struct Series {
    seed: u64,
    runs: u64,
    next: AtomicU64,
    stop: AtomicBool,
    sum: Mutex<Sum>,
}

#[derive(Default)]
struct Sum {
    stats: Stats,
    broken: Option<Report>,
}

/// Plays the series and prints what it came to.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let series = Series {
        seed: arguments.seed.unwrap_or_else(seed_of_now),
        runs: arguments.sales,
        next: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        sum: Mutex::default(),
    };
    println!("seed        {}", series.seed);
    let threads = arguments.threads.or_else(cores).unwrap_or(1).max(1);
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

impl Series {
    fn play(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.runs {
                return;
            }
            let report = simulate(seed_of(self.seed, number), false);
            let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
            sum.stats.add(&report.stats);
            if report.breach.is_some() {
                self.stop.store(true, Ordering::Relaxed);
                sum.broken.get_or_insert(report);
            }
        }
    }

    /// Says on the standard error how far it has come.
    fn watch(&self, started: Instant) {
        while !self.stop.load(Ordering::Relaxed) {
            let done = self.sum.lock().unwrap_or_else(PoisonError::into_inner).stats.runs;
            if done >= self.runs {
                break;
            }
            eprint!("\r{done} of {} in {} s ", self.runs, started.elapsed().as_secs());
            std::thread::sleep(Duration::from_millis(20));
        }
        eprint!("\r{:40}\r", "");
    }
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
    println!("runs        {} with {} sales", stats.runs, stats.sales);
    println!("commands    {}, {} replies, {} turns", stats.commands, stats.replies, stats.turns);
    println!("snapshots   {}, {} bytes trimmed", stats.snapshots, stats.freed);
    println!("faults");
    stats.faults.iter().for_each(|(what, count)| println!("  {count:>9}  {what}"));
    println!("recoveries");
    stats.recoveries.iter().for_each(|(what, count)| println!("  {count:>9}  {what}"));
    println!("checks");
    for (promise, count) in stats.checks.iter().enumerate().filter(|(_, count)| **count > 0) {
        println!("  {count:>9}  promise {promise}");
    }
    println!(
        "took        {seconds:.1} s: {:.1} runs/s, {:.2} simulated hours/s",
        runs / seconds,
        hours / seconds
    );
    println!("trace       {:016x}", stats.hash);
}

fn print_breach(report: &Report) {
    if let Some(breach) = &report.breach {
        println!("BROKEN      {breach}");
        println!("replay      holdfast-sim replay --seed {}", report.seed);
    }
}
