//! Nodes that lag, sleep, are of another version, or cannot reach the control row.

use std::time::Duration;

use holdfast_store::{Store, StoreError};

use super::{SECOND, Told, cluster, epoch, has, is_in_doubt, texts};

pub(super) fn nothing_is_trimmed_that_a_node_lacks() -> Told {
    let (mut cluster, log) = cluster(1, 2)?;
    let net = cluster.net.clone();
    net.node(1, |it| it.is_frozen = true);
    for nth in 0..40 {
        let last = cluster.append(0, log, &format!("entry {nth}"))?;
        if nth % 10 == 9 {
            let records = cluster.node(0).records();
            records.save_snapshot(log, last, format!("up to {nth}").as_bytes())?;
            records.trim()?;
        }
        net.pass(Duration::from_millis(50));
        let _ = cluster.node(0).news();
    }
    // It was not silent for five seconds: it reads on from where it was.
    net.node(1, |it| it.is_frozen = false);
    let _ = cluster.append(1, log, "here again");
    let known: Vec<String> = cluster.entries(1, log).into_iter().map(|(_, text)| text).collect();
    must!(known.len() == 41, "{known:?}");
    // The control: whoever is silent for longer does not keep the log from being trimmed, and begins
    // with the snapshot.
    net.node(1, |it| it.is_frozen = true);
    cluster.live(8 * SECOND);
    for nth in 0..3 {
        let last = cluster.append(0, log, &format!("more {nth}"))?;
        let records = cluster.node(0).records();
        records.save_snapshot(log, last, b"later")?;
        records.trim()?;
    }
    net.node(1, |it| it.is_frozen = false);
    cluster.live(8 * SECOND);
    cluster.append(1, log, "here once more")?;
    let records = cluster.node(1).records();
    must!(records.snapshot_at(log)?.is_some(), "node 1 has no snapshot");
    let read = records.read(log, 0, &mut |_, _| true);
    must!(matches!(read, Err(StoreError::Trimmed { .. })), "{read:?}");
    Ok(())
}

pub(super) fn a_node_that_was_stopped_for_a_minute() -> Told {
    let (mut cluster, log) = cluster(3, 3)?;
    let net = cluster.net.clone();
    net.node(2, |it| it.is_frozen = true);
    cluster.live(30 * SECOND);
    let between = cluster.append(0, log, "while it slept")?;
    cluster.live(30 * SECOND);
    net.node(2, |it| it.is_frozen = false);
    // What it says first is of now, or nothing.
    match cluster.append(2, log, "awake") {
        Ok(stamp) => must!(stamp.sequence > between.sequence, "{stamp:?} after {between:?}"),
        Err(error) => must!(matches!(error, StoreError::Away(_)), "{error}"),
    }
    cluster.live(5 * SECOND);
    must!(epoch(&cluster) == 1, "nobody had to recover anything");
    let texts = texts(&mut cluster, 2, log)?;
    must!(has(&texts, "while it slept"), "{texts:?}");
    Ok(())
}

pub(super) fn without_the_control_row() -> Told {
    let (mut cluster, log) = cluster(1, 2)?;
    let net = cluster.net.clone();
    cluster.append(0, log, "first")?;
    (0..2).for_each(|node| net.node(node, |it| it.has_no_control = true));
    cluster.append(0, log, "needs no ledger")?;
    net.servers(|servers| servers.restart(0));
    cluster.live(30 * SECOND);
    let said = format!("{:?}", cluster.append(0, log, "nobody reigns"));
    must!(said.contains("ledger is away"), "{said}");
    (0..2).for_each(|node| net.node(node, |it| it.has_no_control = false));
    cluster.live(5 * SECOND);
    let texts = texts(&mut cluster, 1, log)?;
    must!(texts == ["first", "needs no ledger"], "{texts:?}");
    Ok(())
}

pub(super) fn nodes_of_two_versions() -> Told {
    let (mut cluster, log) = cluster(1, 2)?;
    cluster.append(0, log, "by version 3")?;
    cluster.rules = 4;
    let why = format!("{:?}", cluster.join(8 * SECOND));
    must!(why.contains("another version"), "{why}");
    cluster.append(0, log, "version 3 goes on")?;
    // They die without a word, and nobody of theirs is left to take them off the roll.
    cluster.kill(0);
    cluster.kill(1);
    cluster.restart(0, 20 * SECOND)?;
    let known = texts(&mut cluster, 0, log)?;
    must!(known == ["by version 3", "version 3 goes on"], "{known:?}");
    // Where their Redis has been restarted as well, it is a recovery like any other.
    cluster.kill(0);
    cluster.net.servers(|servers| servers.restart(0));
    cluster.rules = 5;
    cluster.restart(0, 20 * SECOND)?;
    let texts = texts(&mut cluster, 0, log)?;
    must!(is_in_doubt(&texts), "{texts:?}");
    Ok(())
}
