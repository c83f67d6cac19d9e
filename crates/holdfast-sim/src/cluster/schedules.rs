//! Schedules that broke earlier drafts of the design, and others that break simpler ones: scripts at the
//! level of the store, in which everything happens at its moment.
//!
//! In reading order: `reign` (who may answer), `recovery` (what is written back, and what is in doubt),
//! `nodes` (nodes that lag, sleep, are of another version, or cannot reach the control row), `comers` (nodes
//! that come, go, wait or wake while something else happens).

/// Ends a schedule where something is not so.
macro_rules! must {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+).into());
        }
    };
}

mod comers;
mod nodes;
mod recovery;
mod reign;

use std::error::Error;
use std::time::Duration;

use holdfast_store::{LogId, Result, Store};

use super::Cluster;

/// What came of a schedule; in words what was wrong.
pub type Told = std::result::Result<(), Box<dyn Error>>;

/// Plays a schedule.
pub type Play = fn() -> Told;

/// All of them, each with what it shows.
pub const ALL: &[(&str, Play)] = &[
    ("a master that nobody follows has no news", reign::a_master_that_nobody_follows),
    ("the latest epoch wins, not the longest log", reign::the_latest_epoch_wins),
    ("who has handed over is silent", reign::whoever_has_handed_over_is_silent),
    ("a winner that slept does not answer", reign::a_winner_that_slept),
    ("a winner that nobody knows does not answer", reign::a_winner_that_was_overtaken),
    ("an old master does not reign again", reign::an_old_master_that_is_promoted_again),
    ("a machine that is set back is not believed", reign::a_machine_that_is_set_back),
    ("who comes back empty stands for nothing", recovery::a_node_that_comes_back_empty),
    ("what is written back has its stamps", recovery::what_is_written_back),
    ("sequences jump over what is lost", recovery::sequences_jump_over_what_is_lost),
    ("the clock needs confirmations", recovery::the_clock_does_not_run_on_what_nobody_confirms),
    ("nothing is trimmed that a node lacks", nodes::nothing_is_trimmed_that_a_node_lacks),
    ("a node sleeps for a minute", nodes::a_node_that_was_stopped_for_a_minute),
    ("the control row is away", nodes::without_the_control_row),
    ("nodes of two versions", nodes::nodes_of_two_versions),
    ("set back to before a node came", comers::a_machine_that_is_set_back_to_before_a_node_came),
    ("all nodes leave", comers::all_nodes_leave),
    ("another version waits", comers::another_version_waits_while_redis_restarts),
    ("another version is not counted", comers::another_version_is_not_counted),
    ("another number of data nodes", comers::another_number_of_data_nodes),
    ("a snapshot of what was lost", comers::a_snapshot_of_what_was_lost),
    ("a winner does not hear of it", comers::a_winner_that_does_not_hear_of_it),
];

const SECOND: Duration = Duration::from_secs(1);

/// So many servers and nodes, and a log that all nodes know.
fn cluster(servers: u32, nodes: usize) -> Result<(Cluster, LogId)> {
    let mut cluster = Cluster::new(servers);
    for _ in 0..nodes {
        cluster.join(30 * SECOND)?;
    }
    let log = cluster.node(0).create("sale")?;
    cluster.live(SECOND);
    Ok((cluster, log))
}

/// The texts of a log as a node knows it after a current read.
fn texts(cluster: &mut Cluster, node: usize, log: LogId) -> Result<Vec<String>> {
    cluster.append(node, log, "end")?;
    let entries = cluster.entries(node, log);
    Ok(entries.into_iter().map(|(_, text)| text).filter(|text| text != "end").collect())
}

/// A node loses its connection, finds another master, and looks after itself a few times.
fn reaches(cluster: &mut Cluster, node: usize, master: usize) {
    let net = cluster.net.clone();
    net.node(node, |it| (it.is_cut, it.master) = (true, master));
    let _ = cluster.node(node).news();
    net.node(node, |it| it.is_cut = false);
    for _ in 0..3 {
        net.pass(Duration::from_millis(60));
        let _ = cluster.node(node).news();
    }
}

fn epoch(cluster: &Cluster) -> u32 {
    cluster.row().map_or(0, |row| row.epoch)
}

/// Whether a text is among them.
fn has(texts: &[String], text: &str) -> bool {
    texts.iter().any(|it| it == text)
}

/// Whether one of them says that something may be lost.
fn is_in_doubt(texts: &[String]) -> bool {
    texts.iter().any(|it| it.starts_with("doubt"))
}
