//! Durable decisions through the engine's handle, beside the disk's own flush and beside the same
//! handle with the cheapest command that is written.
//!
//! That command is not free of rules, so the rules' own share of both commands is measured in the
//! same run and printed: `resize_ns - resize_rules_ns` is what a decision costs without any rules,
//! and `holds/empty` holds the holds against that.

mod cpu;
mod crowd;
mod rules_alone;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use holdfast_core::{BuyerId, Command, Outcome, Reserve, TierId};

use crate::sample::{at, median};
use crowd::{Measured, measure};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Numbers of callers, each with one request at a time.
    #[arg(long, value_delimiter = ',', default_value = "64,1024,16384")]
    callers: Vec<usize>,
    /// Seconds of each run.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Alternating runs of each.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Where the journal goes; on the disk that is to be measured.
    #[arg(long, default_value = "target")]
    folder: std::path::PathBuf,
}

/// How long the disk alone is measured beside each run.
const FLUSH_SECONDS: f64 = 0.2;

/// A command to measure, and the only outcome that counts.
#[derive(Clone, Copy)]
struct Kind {
    make: fn(usize) -> anyhow::Result<Command>,
    is_right: fn(&Outcome) -> bool,
}

const HOLD: Kind = Kind { make: hold, is_right: |outcome| matches!(outcome, Outcome::Reserved(_)) };
const RESIZE: Kind = Kind { make: resize, is_right: |outcome| *outcome == Outcome::Resized };

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.folder)?;
    println!(
        "callers  holds/s    p50_us   p99_us   flush_p50 flush_p99  resizes/s  hold_rules_ns \
         resize_rules_ns  holds/resizes holds/empty  engine/callers/flusher_ns"
    );
    for &callers in &options.callers {
        row(options, callers)?;
    }
    Ok(())
}

/// What each run came to. Medians are taken over runs: a run that was fast has more samples, and
/// would outvote a slow one if they were thrown together.
#[derive(Default)]
struct Runs {
    holds: Vec<f64>,
    hold_p50: Vec<f64>,
    hold_p99: Vec<f64>,
    flush_p50: Vec<f64>,
    flush_p99: Vec<f64>,
    resizes: Vec<f64>,
    hold_rules_ns: Vec<f64>,
    resize_rules_ns: Vec<f64>,
    cpu: [Vec<f64>; 3],
}

fn row(options: &Options, callers: usize) -> anyhow::Result<()> {
    let seconds = Duration::from_secs_f64(options.seconds);
    let mut runs = Runs::default();
    // The first run of each warms up and does not count.
    for run in 0..=options.runs {
        let mut flushes = flush_times(&options.folder, Duration::from_secs_f64(FLUSH_SECONDS))?;
        let Measured { rate: holds, mut latencies, cpu } =
            measure(&options.folder, callers, seconds, HOLD)?;
        let resizes = measure(&options.folder, callers, seconds, RESIZE)?.rate;
        if run == 0 {
            continue;
        }
        flushes.sort_unstable();
        latencies.sort_unstable();
        runs.holds.push(holds);
        runs.hold_p50.push(at(&latencies, 0.5) as f64);
        runs.hold_p99.push(at(&latencies, 0.99) as f64);
        runs.flush_p50.push(at(&flushes, 0.5) as f64);
        runs.flush_p99.push(at(&flushes, 0.99) as f64);
        runs.resizes.push(resizes);
        runs.cpu.iter_mut().zip(cpu).for_each(|(all, ns)| all.push(ns));
        runs.hold_rules_ns.push(rules_alone::ns(HOLD)?);
        runs.resize_rules_ns.push(rules_alone::ns(RESIZE)?);
    }
    runs.print(callers);
    Ok(())
}

impl Runs {
    fn print(self, callers: usize) {
        let (holds, resizes) = (median(self.holds), median(self.resizes));
        let (hold_ns, resize_ns) = (median(self.hold_rules_ns), median(self.resize_rules_ns));
        let (p50, p99) = (median(self.hold_p50), median(self.hold_p99));
        let (flush_p50, flush_p99) = (median(self.flush_p50), median(self.flush_p99));
        let [engine, callers_ns, flusher] = self.cpu.map(median);
        // What a decision takes without any rules.
        let empty_ns = 1e9 / resizes - resize_ns;
        println!(
            "{callers:<8} {holds:<10.0} {p50:<8} {p99:<8} {flush_p50:<9} {flush_p99:<10} \
             {resizes:<10.0} {hold_ns:<13.0} {resize_ns:<16.0} {:<13.2} {:<12.2} \
             {engine:.0} {callers_ns:.0} {flusher:.0}",
            holds / resizes,
            empty_ns * holds / 1e9
        );
    }
}

/// A new hold for a buyer who was never seen before.
fn hold(number: usize) -> anyhow::Result<Command> {
    let mut digits = [b'0'; 16];
    for (at, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[number >> (4 * (15 - at)) & 15];
    }
    let buyer = BuyerId::new(std::str::from_utf8(&digits)?)?;
    let tier = TierId::new("standing")?;
    Ok(Command::Reserve(Reserve { buyer, tier, quantity: 1, key: None }))
}

/// The cheapest command that is written: it sets one number.
fn resize(number: usize) -> anyhow::Result<Command> {
    let capacity = 5_000_000 + u32::try_from(number % 5_000_000)?;
    Ok(Command::SetCapacity { tier: TierId::new("standing")?, capacity })
}

/// How long the disk takes to make 64 KiB of an allocated file durable, in microseconds.
fn flush_times(folder: &Path, seconds: Duration) -> anyhow::Result<Vec<u64>> {
    const BLOCK: usize = 64 << 10;
    const BLOCKS: usize = 256;
    let folder = tempfile::tempdir_in(folder)?;
    let file = File::create_new(folder.path().join("floor"))?;
    file.write_all_at(&vec![0; BLOCK * BLOCKS], 0)?;
    file.sync_all()?;
    let (block, started, mut times) = (vec![1; BLOCK], Instant::now(), Vec::new());
    while started.elapsed() < seconds {
        let begun = Instant::now();
        file.write_all_at(&block, (times.len() % BLOCKS * BLOCK) as u64)?;
        file.sync_data()?;
        times.push(u64::try_from(begun.elapsed().as_micros())?);
    }
    Ok(times)
}
