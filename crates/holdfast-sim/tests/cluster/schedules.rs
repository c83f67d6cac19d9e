//! Schedules that broke earlier drafts of the design, and others that break simpler ones.

use std::time::Duration;

use holdfast_sim::cluster::Cluster;
use holdfast_store::{LogId, Store, StoreError};

const SECOND: Duration = Duration::from_secs(1);

/// So many servers and nodes, and a log that all nodes know.
fn cluster(servers: u32, nodes: usize) -> (Cluster, LogId) {
    let mut cluster = Cluster::new(servers);
    for _ in 0..nodes {
        cluster.join(30 * SECOND).unwrap();
    }
    let log = cluster.node(0).create("sale").unwrap();
    cluster.live(SECOND);
    (cluster, log)
}

/// The texts of a log as a node knows it after a current read.
fn texts(cluster: &mut Cluster, node: usize, log: LogId) -> Vec<String> {
    cluster.append(node, log, "end").unwrap();
    let entries = cluster.entries(node, log);
    entries.into_iter().map(|(_, text)| text).filter(|text| text != "end").collect()
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
    cluster.row().unwrap().epoch
}

#[test]
fn a_master_that_nobody_follows_any_more_has_no_news() {
    let (mut cluster, log) = cluster(3, 2);
    cluster.append(0, log, "both know").unwrap();
    // Node 0 stays with the old master; the others follow another, and node 1 goes on there.
    let net = cluster.net.clone();
    net.servers(|servers| (servers.promote(1), servers.attach(2, 1)));
    net.node(0, |it| it.has_no_control = true);
    reaches(&mut cluster, 1, 1);
    cluster.live(6 * SECOND);
    cluster.append(1, log, "node 0 does not know").unwrap();
    let news = cluster.node(0).news();
    assert!(matches!(news, Err(StoreError::Away(_))), "{news:?}");
}

#[test]
fn the_latest_epoch_wins_not_the_longest_log() {
    let (mut cluster, log) = cluster(3, 2);
    cluster.append(0, log, "both know").unwrap();
    // The master and node 0 are cut off from everyone else, and go on.
    let net = cluster.net.clone();
    net.servers(|servers| (servers.detach(1), servers.detach(2)));
    net.node(0, |it| it.has_no_control = true);
    for _ in 0..10 {
        let said = cluster.append(0, log, "nobody confirms");
        assert!(matches!(said, Err(StoreError::Unconfirmed(_))), "{said:?}");
    }
    net.servers(|servers| (servers.promote(1), servers.attach(2, 1)));
    reaches(&mut cluster, 1, 1);
    cluster.live(6 * SECOND);
    cluster.append(1, log, "confirmed in epoch 2").unwrap();
    assert_eq!(epoch(&cluster), 2);
    // The old master, whose log is the longest, comes back as the only one left.
    net.servers(|servers| {
        servers.kill(1);
        servers.kill(2);
        servers.attach(2, 0);
        servers.restart(2);
        servers.attach(2, 0);
    });
    net.node(0, |it| it.has_no_control = false);
    net.show_master(0);
    cluster.live(20 * SECOND);
    for node in 0..2 {
        let texts = texts(&mut cluster, node, log);
        assert!(texts.contains(&"confirmed in epoch 2".to_owned()), "{texts:?}");
        assert!(!texts.contains(&"nobody confirms".to_owned()), "{texts:?}");
    }
}

#[test]
fn whoever_has_handed_over_says_nothing_more_under_the_old_epoch() {
    let (mut cluster, log) = cluster(3, 2);
    let net = cluster.net.clone();
    // Another server is promoted, and node 1 wins the epoch; the old master lives on with a replica.
    net.servers(|servers| (servers.promote(2), servers.attach(1, 2)));
    reaches(&mut cluster, 1, 2);
    assert_eq!(epoch(&cluster), 2, "node 1 gathers");
    // Node 0 sees the row and hands over.
    let _ = cluster.append(0, log, "unconfirmed");
    reaches(&mut cluster, 0, 2);
    net.pass(Duration::from_millis(100));
    assert!(cluster.node(0).news().is_err());
    net.pass(Duration::from_millis(100));
    assert!(cluster.node(0).news().is_err());
    // The old master is whole again, and node 0 reaches it: it would confirm.
    net.servers(|servers| servers.attach(1, 0));
    net.node(0, |it| it.master = 0);
    for _ in 0..5 {
        net.pass(Duration::from_millis(100));
        let said = cluster.append(0, log, "once more");
        assert!(matches!(said, Err(StoreError::Away(_))), "{said:?}");
    }
    net.servers(|servers| servers.attach(1, 2));
    net.show_master(2);
    cluster.live(10 * SECOND);
    assert!(!texts(&mut cluster, 0, log).contains(&"once more".to_owned()));
}

#[test]
fn a_node_that_comes_back_empty_does_not_stand_for_what_it_knew() {
    let (mut cluster, log) = cluster(1, 2);
    cluster.append(1, log, "node 1 alone was told").unwrap();
    // Redis and node 1 die at once, and both come back empty. Node 0 had not read on.
    let net = cluster.net.clone();
    cluster.kill(1);
    net.servers(|servers| (servers.kill(0), servers.wipe(0), servers.restart(0)));
    cluster.restart(1, 30 * SECOND).unwrap();
    cluster.live(10 * SECOND);
    let texts = texts(&mut cluster, 0, log);
    assert!(texts.iter().any(|text| text.starts_with("doubt")), "{texts:?}");
}

#[test]
fn what_is_written_back_has_the_stamps_that_it_had() {
    let (mut cluster, log) = cluster(1, 2);
    let net = cluster.net.clone();
    for nth in 0..5 {
        net.pass(Duration::from_millis(137));
        cluster.append(nth % 2, log, &format!("entry {nth}")).unwrap();
    }
    cluster.live(SECOND);
    let before = cluster.entries(0, log);
    net.servers(|servers| (servers.kill(0), servers.wipe(0), servers.restart(0)));
    cluster.live(10 * SECOND);
    cluster.restart(1, 30 * SECOND).unwrap();
    let read_again = cluster.entries(1, log);
    assert_eq!(read_again[..before.len()], before);
    assert_eq!(epoch(&cluster), 2);
}

#[test]
fn the_clock_does_not_run_on_what_nobody_confirms() {
    let (mut cluster, log) = cluster(3, 2);
    let last = cluster.append(0, log, "last").unwrap();
    let net = cluster.net.clone();
    net.set_prompt(1, false);
    net.set_prompt(2, false);
    for nth in 0..2_400 {
        net.pass(Duration::from_millis(250));
        let said = cluster.append(nth % 2, log, "tick");
        assert!(said.is_err(), "{said:?}");
    }
    net.set_prompt(1, true);
    net.set_prompt(2, true);
    cluster.live(SECOND);
    let after = cluster.append(0, log, "after ten minutes").unwrap();
    let passed = after.clock_ms - last.clock_ms;
    // One step for the outage, and the second since.
    assert!(passed <= 500 + 1_100, "{passed} ms");
}

#[test]
fn a_winner_that_slept_does_not_answer_for_an_epoch_that_is_over() {
    let (mut cluster, log) = cluster(1, 2);
    cluster.append(0, log, "first").unwrap();
    cluster.live(SECOND);
    let net = cluster.net.clone();
    net.servers(|servers| servers.restart(0));
    // Node 0 wins epoch 2 and falls asleep before it opens it.
    while epoch(&cluster) == 1 {
        net.pass(Duration::from_millis(60));
        let _ = cluster.node(0).news();
    }
    net.node(0, |it| it.is_frozen = true);
    cluster.live(30 * SECOND);
    assert_eq!(epoch(&cluster), 3);
    cluster.append(1, log, "sold in epoch 3").unwrap();
    // Redis comes back empty, and the first to reach it is the one that slept.
    net.servers(|servers| (servers.kill(0), servers.wipe(0), servers.restart(0)));
    net.node(0, |it| it.is_frozen = false);
    for _ in 0..20 {
        net.pass(Duration::from_millis(60));
        let said = cluster.append(0, log, "for epoch 2");
        assert!(said.is_err(), "{said:?}");
        if epoch(&cluster) > 3 {
            break;
        }
    }
    cluster.live(20 * SECOND);
    let texts = texts(&mut cluster, 0, log);
    assert!(texts.contains(&"sold in epoch 3".to_owned()), "{texts:?}");
    assert!(!texts.contains(&"for epoch 2".to_owned()), "{texts:?}");
}

#[test]
fn an_old_master_that_rejoined_in_part_and_is_promoted_again_does_not_reign() {
    let (mut cluster, log) = cluster(3, 2);
    let net = cluster.net.clone();
    cluster.append(0, log, "in epoch 1").unwrap();
    cluster.live(SECOND);
    // Node 0 stands still, with everything that epoch 1 gave it.
    net.node(0, |it| it.is_frozen = true);
    net.servers(|servers| {
        servers.promote(1);
        servers.attach(2, 1);
        let resync = servers.attach(0, 1);
        assert_eq!(resync, holdfast_sim::redis::Resync::Partial, "its library is not begun anew");
    });
    net.node(1, |it| it.master = 1);
    cluster.live(6 * SECOND);
    cluster.append(1, log, "in epoch 2").unwrap();
    net.servers(|servers| {
        servers.settle(0);
        servers.settle(2);
        servers.promote(0);
        servers.attach(1, 0);
        servers.attach(2, 0);
    });
    net.node(0, |it| it.is_frozen = false);
    // Its library still has the variable of epoch 1, and its replicas would confirm.
    let said = cluster.append(0, log, "as if it were epoch 1");
    assert!(said.is_err(), "{said:?}");
    net.show_master(0);
    cluster.live(20 * SECOND);
    let texts = texts(&mut cluster, 0, log);
    assert!(texts.contains(&"in epoch 2".to_owned()), "{texts:?}");
    assert!(!texts.contains(&"as if it were epoch 1".to_owned()), "{texts:?}");
}

#[test]
fn nothing_is_trimmed_that_a_node_of_the_roll_has_not_seen() {
    let (mut cluster, log) = cluster(1, 2);
    let net = cluster.net.clone();
    net.node(1, |it| it.is_frozen = true);
    for nth in 0..40 {
        let last = cluster.append(0, log, &format!("entry {nth}")).unwrap();
        if nth % 10 == 9 {
            let records = cluster.node(0).records();
            records.save_snapshot(log, last, format!("up to {nth}").as_bytes()).unwrap();
            records.trim().unwrap();
        }
        net.pass(Duration::from_millis(50));
        let _ = cluster.node(0).news();
    }
    // It was not silent for five seconds: it reads on from where it was.
    net.node(1, |it| it.is_frozen = false);
    let _ = cluster.append(1, log, "here again");
    let known: Vec<String> = cluster.entries(1, log).into_iter().map(|(_, text)| text).collect();
    assert_eq!(known.len(), 41, "{known:?}");
    // The control: whoever is silent for longer does not keep the log from being trimmed, and begins
    // with the snapshot.
    net.node(1, |it| it.is_frozen = true);
    cluster.live(8 * SECOND);
    for nth in 0..3 {
        let last = cluster.append(0, log, &format!("more {nth}")).unwrap();
        let records = cluster.node(0).records();
        records.save_snapshot(log, last, b"later").unwrap();
        records.trim().unwrap();
    }
    net.node(1, |it| it.is_frozen = false);
    cluster.live(8 * SECOND);
    cluster.append(1, log, "here once more").unwrap();
    let records = cluster.node(1).records();
    assert!(records.snapshot_at(log).unwrap().is_some());
    assert!(matches!(records.read(log, 0, &mut |_, _| true), Err(StoreError::Trimmed { .. })));
}

#[test]
fn a_node_that_was_stopped_for_a_minute_says_nothing_old_and_does_no_harm() {
    let (mut cluster, log) = cluster(3, 3);
    let net = cluster.net.clone();
    net.node(2, |it| it.is_frozen = true);
    cluster.live(30 * SECOND);
    let between = cluster.append(0, log, "while it slept").unwrap();
    cluster.live(30 * SECOND);
    net.node(2, |it| it.is_frozen = false);
    // What it says first is of now, or nothing.
    match cluster.append(2, log, "awake") {
        Ok(stamp) => assert!(stamp.sequence > between.sequence),
        Err(error) => assert!(matches!(error, StoreError::Away(_)), "{error}"),
    }
    cluster.live(5 * SECOND);
    assert_eq!(epoch(&cluster), 1, "nobody had to recover anything");
    assert!(texts(&mut cluster, 2, log).contains(&"while it slept".to_owned()));
}

#[test]
fn without_the_control_row_there_is_no_recovery_and_with_it_there_is() {
    let (mut cluster, log) = cluster(1, 2);
    let net = cluster.net.clone();
    cluster.append(0, log, "first").unwrap();
    (0..2).for_each(|node| net.node(node, |it| it.has_no_control = true));
    cluster.append(0, log, "needs no ledger").unwrap();
    net.servers(|servers| servers.restart(0));
    cluster.live(30 * SECOND);
    let said = cluster.append(0, log, "nobody reigns").unwrap_err();
    assert!(said.to_string().contains("ledger is away"), "{said}");
    (0..2).for_each(|node| net.node(node, |it| it.has_no_control = false));
    cluster.live(5 * SECOND);
    assert_eq!(texts(&mut cluster, 1, log), ["first", "needs no ledger"]);
}

#[test]
fn a_machine_that_is_set_back_memory_and_all_is_not_believed_by_whoever_lagged() {
    let (mut cluster, log) = cluster(1, 2);
    let net = cluster.net.clone();
    cluster.append(0, log, "both know").unwrap();
    cluster.live(SECOND);
    let image = net.servers(|servers| servers.image(0));
    // Node 1 knows nothing of what node 0 sells after that.
    net.node(1, |it| it.is_frozen = true);
    cluster.append(0, log, "sold to the first").unwrap();
    net.servers(|servers| servers.set_back(0, &image));
    net.node(1, |it| it.is_frozen = false);
    let said = cluster.append(1, log, "sold again");
    assert!(said.is_err(), "{said:?}");
    cluster.live(10 * SECOND);
    let texts = texts(&mut cluster, 1, log);
    assert!(texts.contains(&"sold to the first".to_owned()), "{texts:?}");
    assert!(!texts.contains(&"sold again".to_owned()), "{texts:?}");
}

#[test]
fn nodes_of_two_versions_do_not_share_a_log_and_the_later_one_takes_over_from_the_dead() {
    let (mut cluster, log) = cluster(1, 2);
    cluster.append(0, log, "by version 3").unwrap();
    cluster.rules = 4;
    let why = cluster.join(8 * SECOND).unwrap_err().to_string();
    assert!(why.contains("another version"), "{why}");
    cluster.append(0, log, "version 3 goes on").unwrap();
    // They die without a word, and nobody of theirs is left to take them off the roll.
    cluster.kill(0);
    cluster.kill(1);
    cluster.restart(0, 20 * SECOND).unwrap();
    assert_eq!(texts(&mut cluster, 0, log), ["by version 3", "version 3 goes on"]);
    // Where their Redis has been restarted as well, it is a recovery like any other.
    cluster.kill(0);
    cluster.net.servers(|servers| servers.restart(0));
    cluster.rules = 5;
    cluster.restart(0, 20 * SECOND).unwrap();
    let texts = texts(&mut cluster, 0, log);
    assert!(texts.iter().any(|text| text.starts_with("doubt")), "{texts:?}");
}
