//! How long a restart takes with many holds: from the journal's folder to the first answer, and
//! from the start of the real process to its first line; beside reading and checksumming the same
//! bytes and nothing else.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use holdfast_core::{BuyerId, Command, Outcome, Reserve, SaleId, Status, TierId};
use holdfast_engine::{Engine, Request, SaleRef, keep};
use holdfast_store::journal::{self, Journal};
use holdfast_store::{SystemClock, SystemDisk};

use crate::rules::config;
use crate::sample::median;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Holds to restart with.
    #[arg(long, default_value_t = 1_000_000)]
    holds: usize,
    /// Holds that were written together, with one flush: the fewer, the more there is to read.
    #[arg(long, default_value_t = 32)]
    frame: usize,
    /// Alternating restarts of each kind.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Where the journal goes.
    #[arg(long, default_value = "target")]
    folder: PathBuf,
    /// The server to start as a process; by default the one beside this program, if it was built.
    #[arg(long)]
    server: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.folder)?;
    let folder = tempfile::tempdir_in(&options.folder)?;
    fill(&journal_in(folder.path()), options.holds, options.frame)?;
    // A server does not start without the key under which its holds were told.
    std::fs::write(folder.path().join("receipt.key"), "0".repeat(64))?;
    println!("holds      from        MiB     restart_ms  process_ms  floor_ms  restart/floor");
    row(options, folder.path(), "the log")?;
    let engine = open(&journal_in(folder.path()))?;
    keep(engine.records().as_ref(), &engine.logs(), 0)?;
    drop(engine);
    row(options, folder.path(), "a snapshot")
}

fn journal_in(folder: &Path) -> PathBuf {
    folder.join("journal")
}

fn row(options: &Options, folder: &Path, from: &str) -> anyhow::Result<()> {
    let server = options.server.clone().or_else(server_beside);
    let (mut restarts, mut processes, mut floors) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = 0;
    // The first run of each warms up and does not count.
    for run in 0..=options.runs {
        let restart = restart(&journal_in(folder))?;
        let process = server.as_deref().map(|server| process(server, folder)).transpose()?;
        let (read, floor) = floor(&journal_in(folder))?;
        if run > 0 {
            restarts.push(restart.as_secs_f64() * 1_000.0);
            processes.extend(process.map(|time| time.as_secs_f64() * 1_000.0));
            floors.push(floor.as_secs_f64() * 1_000.0);
            bytes = read;
        }
    }
    let (restart, floor) = (median(restarts), median(floors));
    let process =
        if processes.is_empty() { "-".to_owned() } else { format!("{:.0}", median(processes)) };
    let (holds, mib, ratio) = (options.holds, bytes >> 20, restart / floor);
    println!(
        "{holds:<10} {from:<11} {mib:<7} {restart:<11.0} {process:<11} {floor:<9.0} {ratio:.1}"
    );
    Ok(())
}

fn open(journal: &Path) -> anyhow::Result<Engine<Journal, ()>> {
    let clock = Arc::new(SystemClock::new());
    let disk = Arc::new(SystemDisk::open(journal)?);
    let journal = Journal::open(disk, clock.clone(), journal::Options::default())?;
    Ok(Engine::open(journal, clock, 1)?)
}

/// From the folder to an engine that has answered.
fn restart(journal: &Path) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let mut engine = open(journal)?;
    ask(&mut engine, [Command::Open], |outcome| *outcome == Outcome::Moved(Status::Open))?;
    Ok(started.elapsed())
}

/// From the start of the process until it says where it listens.
fn process(server: &Path, folder: &Path) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let mut child = Process::new(server)
        .args(["serve", "--listen", "127.0.0.1:0", "--config", "/dev/null"])
        // No snapshot in between: every restart reads the same.
        .args(["--snapshot-bytes", "1099511627776", "--data-dir"])
        .arg(folder)
        .env("RUST_LOG", "error")
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", server.display()))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.as_mut() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    let took = started.elapsed();
    child.kill()?;
    child.wait()?;
    ensure!(line.starts_with("listening on"), "the server did not start");
    Ok(took)
}

fn server_beside() -> Option<PathBuf> {
    let server = std::env::current_exe().ok()?.parent()?.join("holdfast");
    server.is_file().then_some(server)
}

/// Reads and checksums every file of a journal; how many bytes that were, and the time it took.
fn floor(journal: &Path) -> anyhow::Result<(u64, Duration)> {
    let started = Instant::now();
    let (mut window, mut all) = (vec![0; 256 << 10], 0);
    for entry in std::fs::read_dir(journal)? {
        let path = entry?.path();
        if path.ends_with("journal-spare.log") {
            continue;
        }
        let (mut file, mut checksum) = (File::open(path)?, crc32fast::Hasher::new());
        loop {
            let read = file.read(&mut window)?;
            if read == 0 {
                break;
            }
            checksum.update(&window[..read]);
            all += read as u64;
        }
        std::hint::black_box(checksum.finalize());
    }
    Ok((all, started.elapsed()))
}

fn fill(journal: &Path, holds: usize, frame: usize) -> anyhow::Result<()> {
    let tier = TierId::new("standing")?;
    let mut engine = open(journal)?;
    let config = Command::Configure(Box::new(config(tier, u32::try_from(holds)?)));
    let configured = |outcome: &Outcome| *outcome == Outcome::Configured { created: true };
    ask(&mut engine, [config], configured)?;
    ask(&mut engine, [Command::Open], |outcome| *outcome == Outcome::Moved(Status::Open))?;
    let numbers: Vec<usize> = (0..holds).collect();
    for batch in numbers.chunks(frame.max(1)) {
        let reserve = |&number: &usize| {
            let buyer = BuyerId::new(&format!("{number:016x}"))?;
            Ok(Command::Reserve(Reserve { buyer, tier, quantity: 1, key: None }))
        };
        let commands = batch.iter().map(reserve).collect::<anyhow::Result<Vec<_>>>()?;
        ask(&mut engine, commands, |outcome| matches!(outcome, Outcome::Reserved(_)))?;
    }
    Ok(())
}

/// Asks all at once, and fails unless every one of them is answered as it should be.
fn ask(
    engine: &mut Engine<Journal, ()>,
    commands: impl IntoIterator<Item = Command>,
    is_right: fn(&Outcome) -> bool,
) -> anyhow::Result<()> {
    let sale = SaleRef::Id(SaleId::new("benchmark")?);
    let request = |command| Request::Do { sale, command, reply: () };
    let mut requests: Vec<_> = commands.into_iter().map(request).collect();
    let (asked, mut replies) = (requests.len(), Vec::new());
    engine.turn(&mut requests, &mut replies);
    ensure!(replies.len() == asked, "{} answers to {asked} questions", replies.len());
    for (_, reply) in replies {
        let outcome = reply?.outcome;
        ensure!(is_right(&outcome), "another outcome: {outcome:?}");
    }
    Ok(())
}
