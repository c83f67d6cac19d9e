//! Who may answer: never two, and nobody for an epoch that is over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_store::{Store, StoreError};

use super::{SECOND, Told, cluster, epoch, has, is_in_doubt, reaches, texts};
use crate::cluster::Node;
use crate::redis::Resync;

pub(super) fn a_master_that_nobody_follows() -> Told {
    let (mut cluster, log) = cluster(3, 2)?;
    cluster.append(0, log, "both know")?;
    // Node 0 stays with the old master; the others follow another, and node 1 goes on there.
    let net = cluster.net.clone();
    net.servers(|servers| (servers.promote(1), servers.attach(2, 1)));
    net.node(0, |it| it.has_no_control = true);
    reaches(&mut cluster, 1, 1);
    cluster.live(6 * SECOND);
    cluster.append(1, log, "node 0 does not know")?;
    let news = cluster.node(0).news();
    must!(matches!(news, Err(StoreError::Away(_))), "{news:?}");
    let said = cluster.append(0, log, "sold again");
    must!(said.is_err(), "{said:?}");
    Ok(())
}

pub(super) fn the_latest_epoch_wins() -> Told {
    let (mut cluster, log) = cluster(3, 2)?;
    cluster.append(0, log, "both know")?;
    let net = cluster.net.clone();
    // The master is cut off from its replicas, and node 0 goes on there.
    net.servers(|servers| (servers.detach(1), servers.detach(2)));
    for _ in 0..10 {
        let said = cluster.append(0, log, "nobody confirms");
        must!(matches!(said, Err(StoreError::Unconfirmed(_))), "{said:?}");
    }
    // It dies; another is promoted, and both nodes hand over what they know.
    net.servers(|servers| servers.kill(0));
    net.fail_over(1, &[2]);
    cluster.live(2 * SECOND);
    cluster.append(1, log, "confirmed in epoch 2")?;
    must!(epoch(&cluster) == 2, "epoch {}", epoch(&cluster));
    // The old master, whose log is the longest, is all that is left of Redis.
    net.servers(|servers| {
        servers.kill(1);
        servers.kill(2);
        servers.wipe(2);
        servers.restart(0);
        servers.restart(2);
    });
    net.fail_over(0, &[2]);
    cluster.live(20 * SECOND);
    for node in 0..2 {
        let texts = texts(&mut cluster, node, log)?;
        must!(has(&texts, "confirmed in epoch 2"), "what epoch 2 confirmed is gone: {texts:?}");
        must!(!has(&texts, "nobody confirms"), "{texts:?}");
    }
    Ok(())
}

pub(super) fn whoever_has_handed_over_is_silent() -> Told {
    let (mut cluster, log) = cluster(3, 2)?;
    let net = cluster.net.clone();
    // Another server is promoted, and node 1 wins the epoch; the old master lives on without a replica.
    net.servers(|servers| (servers.promote(2), servers.attach(1, 2)));
    reaches(&mut cluster, 1, 2);
    must!(epoch(&cluster) == 2, "node 1 gathers");
    // Node 0 sees the row and hands over.
    let _ = cluster.append(0, log, "unconfirmed");
    reaches(&mut cluster, 0, 2);
    // Before the new master reigns, the old one has a replica again, and node 0 reaches it: it would
    // confirm. Whoever else was there says nothing for more than five seconds.
    net.servers(|servers| servers.attach(1, 0));
    reaches(&mut cluster, 0, 0);
    let mut sold = Vec::new();
    for nth in 0..75 {
        net.pass(Duration::from_millis(100));
        let entry = format!("sold {nth}");
        if cluster.append(0, log, &entry).is_ok() {
            sold.push(entry);
        }
    }
    // Then the new master has it, and reigns with what node 0 had handed over.
    net.servers(|servers| servers.attach(1, 2));
    for node in [1, 0] {
        reaches(&mut cluster, node, 2);
    }
    cluster.live(10 * SECOND);
    let texts = texts(&mut cluster, 1, log)?;
    let gone = sold.iter().find(|entry| !has(&texts, entry) && !is_in_doubt(&texts));
    must!(gone.is_none(), "{gone:?} was confirmed and is gone without a word");
    Ok(())
}

pub(super) fn a_winner_that_slept() -> Told {
    let (mut cluster, log) = cluster(1, 2)?;
    cluster.append(0, log, "first")?;
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
    must!(epoch(&cluster) == 3, "epoch {}", epoch(&cluster));
    cluster.append(1, log, "sold in epoch 3")?;
    // Redis comes back empty, and the first to reach it is the one that slept.
    net.servers(|servers| (servers.kill(0), servers.wipe(0), servers.restart(0)));
    net.node(0, |it| it.is_frozen = false);
    for _ in 0..20 {
        net.pass(Duration::from_millis(60));
        let said = cluster.append(0, log, "for epoch 2");
        must!(said.is_err(), "{said:?}");
        if epoch(&cluster) > 3 {
            break;
        }
    }
    cluster.live(20 * SECOND);
    let texts = texts(&mut cluster, 0, log)?;
    must!(has(&texts, "sold in epoch 3"), "{texts:?}");
    must!(!has(&texts, "for epoch 2"), "{texts:?}");
    Ok(())
}

/// The winner is on nobody's roll, and stands still between its last call of Redis and the row. Meanwhile
/// another node loses patience and wins the next epoch: it will not wait for what the first one knows.
pub(super) fn a_winner_that_was_overtaken() -> Told {
    let (mut cluster, log) = cluster(1, 2)?;
    cluster.append(0, log, "first")?;
    let net = cluster.net.clone();
    // Node 0 is away until nobody counts on it any more. Then Redis is restarted, and node 0 wins epoch 2.
    net.node(0, |it| it.is_frozen = true);
    cluster.live(10 * SECOND);
    net.servers(|servers| servers.restart(0));
    net.node(0, |it| it.is_frozen = false);
    while epoch(&cluster) == 1 {
        net.pass(Duration::from_millis(60));
        let _ = cluster.node(0).news();
    }
    // Node 1 hands over; and before node 0 says in the row that epoch 2 is open, it wins epoch 3.
    let other = Arc::new(Mutex::new(None));
    let (there, meanwhile) = (Arc::clone(&other), net.clone());
    net.before_replacing(0, move || {
        let mut there = there.lock().unwrap_or_else(PoisonError::into_inner);
        while meanwhile.row().is_some_and(|row| row.epoch == 2) {
            meanwhile.pass(Duration::from_millis(60));
            there.iter_mut().for_each(Node::live);
        }
    });
    let mut said = Err(StoreError::Away("nothing yet".to_owned()));
    while epoch(&cluster) == 2 {
        net.pass(Duration::from_millis(60));
        let _ = cluster.node(1).news();
        net.pass(Duration::from_millis(60));
        *other.lock().unwrap_or_else(PoisonError::into_inner) = cluster.nodes[1].take();
        let _ = cluster.node(0).news();
        said = cluster.append(0, log, "sold in epoch 2");
        cluster.nodes[1] = other.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
    net.servers(|servers| (servers.kill(0), servers.wipe(0), servers.restart(0)));
    net.node(0, |it| it.is_frozen = true);
    cluster.live(20 * SECOND);
    let texts = texts(&mut cluster, 1, log)?;
    let is_lost = said.is_ok() && !has(&texts, "sold in epoch 2") && !is_in_doubt(&texts);
    must!(!is_lost, "what node 0 sold in epoch 2 is gone without a word: {texts:?}");
    Ok(())
}

pub(super) fn an_old_master_that_is_promoted_again() -> Told {
    let (mut cluster, log) = cluster(3, 2)?;
    let net = cluster.net.clone();
    cluster.append(0, log, "in epoch 1")?;
    cluster.live(SECOND);
    // Node 0 stands still, with everything that epoch 1 gave it.
    net.node(0, |it| it.is_frozen = true);
    let resync = net.servers(|servers| {
        servers.promote(1);
        servers.attach(2, 1);
        servers.attach(0, 1)
    });
    must!(resync == Resync::Partial, "its library is begun anew");
    net.node(1, |it| it.master = 1);
    cluster.live(6 * SECOND);
    cluster.append(1, log, "in epoch 2")?;
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
    must!(said.is_err(), "{said:?}");
    net.show_master(0);
    cluster.live(20 * SECOND);
    let texts = texts(&mut cluster, 0, log)?;
    must!(has(&texts, "in epoch 2"), "{texts:?}");
    must!(!has(&texts, "as if it were epoch 1"), "{texts:?}");
    Ok(())
}

pub(super) fn a_machine_that_is_set_back() -> Told {
    let (mut cluster, log) = cluster(1, 2)?;
    let net = cluster.net.clone();
    cluster.append(0, log, "both know")?;
    cluster.live(SECOND);
    let image = net.servers(|servers| servers.image(0));
    // Node 1 knows nothing of what node 0 sells after that.
    net.node(1, |it| it.is_frozen = true);
    cluster.append(0, log, "sold to the first")?;
    net.servers(|servers| servers.set_back(0, &image));
    net.node(1, |it| it.is_frozen = false);
    // It is the first to come.
    for _ in 0..5 {
        net.pass(Duration::from_millis(60));
        let said = cluster.append(1, log, "sold again");
        must!(said.is_err(), "{said:?}");
    }
    cluster.live(10 * SECOND);
    let texts = texts(&mut cluster, 1, log)?;
    must!(has(&texts, "sold to the first"), "{texts:?}");
    must!(!has(&texts, "sold again"), "{texts:?}");
    Ok(())
}
