//! Nodes that come, go, wait or wake while something else happens.

use std::time::Duration;

use holdfast_store::Store;

use crate::redis::Reply;

use super::{SECOND, Told, cluster, has, is_in_doubt, texts};

/// The process is set back to before a node joined: it is not known there, and has sold.
pub(super) fn a_machine_that_is_set_back_to_before_a_node_came() -> Told {
    let (mut cluster, log) = cluster(1, 1)?;
    let net = cluster.net.clone();
    cluster.append(0, log, "both know")?;
    cluster.live(SECOND);
    let image = net.servers(|servers| servers.image(0));
    cluster.join(30 * SECOND)?;
    cluster.live(3 * SECOND);
    net.node(0, |it| it.is_frozen = true);
    cluster.append(1, log, "sold to the first")?;
    net.servers(|servers| servers.set_back(0, &image));
    net.node(0, |it| it.is_frozen = false);
    for _ in 0..5 {
        net.pass(Duration::from_millis(60));
        let said = cluster.append(0, log, "sold again");
        must!(said.is_err(), "{said:?}");
    }
    cluster.live(10 * SECOND);
    let texts = texts(&mut cluster, 0, log)?;
    must!(has(&texts, "sold to the first") && !has(&texts, "sold again"), "{texts:?}");
    Ok(())
}

/// All nodes are stopped in order, one right after the other, and then Redis is restarted.
pub(super) fn all_nodes_leave() -> Told {
    let (mut cluster, log) = cluster(1, 3)?;
    let net = cluster.net.clone();
    cluster.append(0, log, "one")?;
    cluster.live(20 * SECOND);
    for node in 0..3 {
        cluster.node(node).leave();
        cluster.kill(node);
        cluster.live(Duration::from_millis(50));
    }
    net.servers(|servers| servers.restart(0));
    cluster.restart(0, 30 * SECOND)?;
    let texts = texts(&mut cluster, 0, log)?;
    must!(!is_in_doubt(&texts), "nothing can be lost: {texts:?}");
    Ok(())
}

/// A node of another version waits, and is the first to see that Redis was restarted.
pub(super) fn another_version_waits_while_redis_restarts() -> Told {
    let (mut cluster, log) = cluster(1, 2)?;
    cluster.append(0, log, "by version 3")?;
    cluster.live(SECOND);
    cluster.net.servers(|servers| (servers.kill(0), servers.wipe(0), servers.restart(0)));
    cluster.rules = 4;
    let why = format!("{:?}", cluster.join(30 * SECOND));
    must!(why.contains("another version"), "{why}");
    for node in 0..2 {
        cluster.append(node, log, "version 3 goes on")?;
    }
    let texts = texts(&mut cluster, 0, log)?;
    must!(has(&texts, "by version 3") && !is_in_doubt(&texts), "{texts:?}");
    Ok(())
}

/// A node of another version waits: nothing waits for it.
pub(super) fn another_version_is_not_counted() -> Told {
    let mut came = Vec::new();
    for waits in [false, true] {
        let (mut cluster, log) = cluster(1, 2)?;
        if waits {
            cluster.rules = 4;
            let joined = cluster.join(2 * SECOND);
            must!(joined.is_err(), "two versions share a log");
        }
        for _ in 0..4 {
            cluster.append(0, log, "x")?;
            let last = cluster.append(1, log, "y")?;
            cluster.append(0, log, "z")?;
            cluster.live(Duration::from_millis(200));
            let records = cluster.node(0).records();
            records.save_snapshot(log, last, b"up to here")?;
            records.trim()?;
        }
        let range = ["XRANGE", "{holdfast:1}:log", "-", "+"].map(|word| word.as_bytes().to_vec());
        let left = cluster.net.servers(|servers| {
            let mut connection = servers.connect(0).ok()?;
            servers.call(&mut connection, &range.to_vec()).ok()
        });
        let Some(Reply::List(left)) = left else { return Err("the log is not there".into()) };
        cluster.live(2 * SECOND);
        let living = cluster.node(0).nodes().map_or(0, |nodes| nodes.living.len());
        came.push((living, left.len()));
    }
    must!(came[0] == came[1] && came[0].0 == 2, "alone, and with another version: {came:?}");
    Ok(())
}

/// All nodes have left; whoever comes first says how many data nodes there are now.
pub(super) fn another_number_of_data_nodes() -> Told {
    let (mut cluster, log) = cluster(5, 1)?;
    cluster.append(0, log, "one")?;
    cluster.live(2 * SECOND);
    cluster.node(0).leave();
    cluster.kill(0);
    cluster.data_nodes = 3;
    cluster.restart(0, 30 * SECOND)?;
    cluster.join(10 * SECOND)?;
    cluster.data_nodes = 5;
    let why = format!("{:?}", cluster.join(10 * SECOND));
    must!(why.contains("all must say the same"), "5 and 3 sell together: {why}");
    Ok(())
}

/// A node stands still while it makes a snapshot, of what is lost meanwhile.
pub(super) fn a_snapshot_of_what_was_lost() -> Told {
    let (mut cluster, log) = cluster(1, 2)?;
    let net = cluster.net.clone();
    cluster.append(0, log, "both know")?;
    cluster.live(SECOND);
    let at = cluster.append(0, log, "node 0 alone was told")?;
    let records = cluster.node(0).records();
    net.node(0, |it| it.is_frozen = true);
    net.servers(|servers| (servers.kill(0), servers.wipe(0), servers.restart(0)));
    cluster.live(15 * SECOND);
    net.node(0, |it| it.is_frozen = false);
    cluster.live(15 * SECOND);
    let last = cluster.append(1, log, "after the loss")?;
    cluster.node(1).records().save_snapshot(log, last, b"of the log as it is")?;
    let saved = records.save_snapshot(log, at, b"with what was lost");
    let kept = records.snapshot(log)?.map(|(at, _)| at);
    must!(kept != Some(at), "{saved:?}: the snapshot of another log is kept");
    Ok(())
}

/// The ledger's answer is lost when a node wins an epoch.
pub(super) fn a_winner_that_does_not_hear_of_it() -> Told {
    let (mut cluster, log) = cluster(1, 2)?;
    let net = cluster.net.clone();
    cluster.append(0, log, "one")?;
    cluster.live(SECOND);
    net.node(0, |it| it.loses_control = 1);
    net.servers(|servers| servers.restart(0));
    cluster.live(2 * SECOND);
    cluster.append(0, log, "two")?;
    must!(net.node(0, |it| it.loses_control) == 0, "the answer was not lost");
    Ok(())
}
