//! kill -9 under load: what a client was told is true after the restart, and nothing is sold twice.
//!
//! `HOLDFAST_KILLS=50` kills fifty times; without it ten times. The moments are drawn from a
//! seed that is printed; `HOLDFAST_SEED` draws the same ones again.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::crowd::{CALLERS, Deed, Told, Visit, live_holds};
use crate::support::{Server, command};

/// More than all crowds together can take.
const AMPLE: u32 = 10_000_000;

/// Small enough that the crowd meets new segments and new snapshots all the time.
const SEGMENT_BYTES: &str = "8192";
const SNAPSHOT_BYTES: &str = "1024";

#[test]
fn what_was_told_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let lost = kill_and_count(folder.path(), kills(10), &small_steps);
    assert_eq!(lost, BTreeSet::new());
    let (segments, snapshots) = journal_files(folder.path());
    println!("segment {segments} is the newest, {snapshots} snapshots");
    assert!(segments > kills(10) && snapshots > 0, "the kills met no new segment or no snapshot");
}

/// The control: a server that answers before it writes is caught.
#[cfg(feature = "planted")]
#[test]
fn a_server_that_answers_before_it_writes_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let planted = |folder: &Path| {
        let mut command = small_steps(folder);
        command.env("HOLDFAST_PLANTED", "answers_first");
        command
    };
    // Each kill alone catches it with even chances at least.
    assert!(!kill_and_count(folder.path(), 40, &planted).is_empty(), "a lost hold went unnoticed");
}

#[test]
fn a_small_sale_that_fills_across_kills_is_full_to_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let kills = fill_across_kills(folder.path(), &command).unwrap();
    assert!(kills >= 4, "only {kills} kills before it was full");
}

/// The control: a server that gives one unit too many is caught.
#[cfg(feature = "planted")]
#[test]
fn a_server_that_gives_one_unit_too_many_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let planted = |folder: &Path| {
        let mut command = command(folder);
        command.env("HOLDFAST_PLANTED", "one_too_many");
        command
    };
    println!("{}", fill_across_kills(folder.path(), &planted).unwrap_err());
}

/// Lets crowds fill a small sale, and kills the server again and again meanwhile; returns how often
/// it was killed until the sale was full, or what was wrong.
fn fill_across_kills(folder: &Path, command: &dyn Fn(&Path) -> Command) -> Result<u32, String> {
    const CAPACITY: usize = 400;
    let (mut random, mut told) = (seeded(), Told::default());
    let mut server = Server::spawn(&mut command(folder));
    server.open_sale(u32::try_from(CAPACITY).unwrap(), 86_400);
    for kills in 1.. {
        // A fifth of the units or so, and then the kill.
        let deeds = random.random_range(50..=90);
        let visit = Visit { prefix: format!("{kills}"), deeds: vec![Deed::Buy] };
        let crowd = visit.until_kill(server, Some(deeds), Duration::ZERO);
        told.add(crowd.told);
        server = Server::spawn(&mut command(folder));
        let live = live_holds(&server);
        let lost = told.settle(&live);
        let (count, gone) = (told.len(), lost.len());
        if count > CAPACITY || gone > 0 {
            return Err(format!("{count} units of {CAPACITY} were told, and {gone} are gone"));
        }
        if crowd.told_all_held {
            assert_counts(&server, live.len());
            let full = live.len() == CAPACITY && server.tier()["free"] == 0;
            return if full { Ok(kills) } else { Err("it was full, and then it was not".into()) };
        }
    }
    unreachable!("it fills in the end")
}

/// Kills the server again and again under load; returns what was told and is not so. Stops at the
/// first round in which something was lost.
fn kill_and_count(
    folder: &Path,
    kills: u64,
    command: &dyn Fn(&Path) -> Command,
) -> BTreeSet<String> {
    let (mut random, mut told, mut restarts) = (seeded(), Told::default(), Vec::new());
    let mut server = Server::spawn(&mut command(folder));
    server.open_sale(AMPLE, 86_400);
    for round in 0..kills {
        // At once after the first answer, or some time later.
        let (least, most) = [(50, 400), (0, 0), (0, 5), (5, 50)][(round % 4) as usize];
        let moment = Duration::from_micros(random.random_range(least * 1_000..=most * 1_000));
        let deeds = vec![Deed::Buy, Deed::Buy, Deed::BuyAndGiveBack];
        let visit = Visit { prefix: format!("{round}"), deeds };
        let crowd = visit.until_kill(server, None, moment);
        assert!(!crowd.told.is_empty(), "round {round}: nobody was told anything");
        told.add(crowd.told);
        if random.random_bool(0.5) {
            kill_a_start(&mut command(folder), &mut random);
        }
        server = Server::spawn(&mut command(folder));
        restarts.push(server.started_in);
        let there = live_holds(&server);
        assert_counts(&server, there.len());
        let known = told.len();
        let lost = told.settle(&there);
        if !lost.is_empty() {
            return lost;
        }
        // Whoever was not answered may hold a unit: each caller once, since they stop there.
        let untold = told.len() - known;
        assert!(untold <= CALLERS, "round {round}: {untold} holds that nobody was told of");
    }
    restarts.sort_unstable();
    let (median, longest) = (restarts[restarts.len() / 2], restarts[restarts.len() - 1]);
    println!("{} holds told, restart median {median:?}, longest {longest:?}", told.len());
    BTreeSet::new()
}

/// Starts the server and kills it while it still reads its journal, or soon after.
fn kill_a_start(command: &mut Command, random: &mut StdRng) {
    let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    sleep(Duration::from_micros(random.random_range(0..30_000)));
    child.kill().unwrap();
    child.wait().unwrap();
}

fn small_steps(folder: &Path) -> Command {
    let mut command = command(folder);
    command.args(["--journal-segment-bytes", SEGMENT_BYTES, "--snapshot-bytes", SNAPSHOT_BYTES]);
    command
}

fn kills(default: u64) -> u64 {
    let named = std::env::var("HOLDFAST_KILLS").ok().and_then(|kills| kills.parse().ok());
    named.unwrap_or(default)
}

fn seeded() -> StdRng {
    let named = std::env::var("HOLDFAST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = named.unwrap_or_else(rand::random::<u64>);
    println!("HOLDFAST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// Promise 1, on what everyone can see.
fn assert_counts(server: &Server, live: usize) {
    let tier = server.tier();
    let count = |name: &str| tier[name].as_u64().unwrap();
    assert_eq!(count("held"), live as u64);
    let all = ["free", "held", "sold", "withheld"].map(count).iter().sum::<u64>();
    assert_eq!(all, count("capacity"), "{tier}");
}

/// The number of the newest segment, and how many snapshots there are.
fn journal_files(folder: &Path) -> (u64, usize) {
    let names = std::fs::read_dir(folder.join("journal")).unwrap();
    let names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let number = |name: &String| {
        let number = name.strip_prefix("journal-")?.strip_suffix(".log")?;
        number.parse().ok()
    };
    let snapshots = names.iter().filter(|name| name.ends_with(".snap")).count();
    (names.iter().filter_map(number).max().unwrap(), snapshots)
}

#[test]
fn a_second_server_on_the_same_folder_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(folder.path());
    let second = command(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    assert!(said.contains(&format!("in use by process {}", first.child.id())), "{said}");
}
