//! What is written back, what is in doubt, and what the clock does meanwhile.

use std::time::Duration;

use super::{SECOND, Told, cluster, epoch, is_in_doubt, texts};

pub(super) fn a_node_that_comes_back_empty() -> Told {
    let (mut cluster, log) = cluster(1, 2)?;
    cluster.append(1, log, "node 1 alone was told")?;
    // Redis and node 1 die at once, and both come back empty. Node 0 had not read on.
    let net = cluster.net.clone();
    cluster.kill(1);
    net.servers(|servers| (servers.kill(0), servers.wipe(0), servers.restart(0)));
    cluster.restart(1, 30 * SECOND)?;
    cluster.live(10 * SECOND);
    let texts = texts(&mut cluster, 0, log)?;
    must!(is_in_doubt(&texts), "a confirmed entry is gone without a word: {texts:?}");
    Ok(())
}

pub(super) fn what_is_written_back() -> Told {
    let (mut cluster, log) = cluster(1, 2)?;
    let net = cluster.net.clone();
    for round in 1..=3 {
        for nth in 0..5 {
            net.pass(Duration::from_millis(137));
            cluster.append(nth % 2, log, &format!("entry {nth} of epoch {round}"))?;
        }
        cluster.live(SECOND);
        let before = cluster.entries(0, log);
        net.servers(|servers| (servers.kill(0), servers.wipe(0), servers.restart(0)));
        cluster.live(10 * SECOND);
        cluster.restart(1, 30 * SECOND)?;
        let after = cluster.entries(1, log);
        must!(after.starts_with(&before), "{before:?} was written back as {after:?}");
        must!(epoch(&cluster) == round + 1, "epoch {}", epoch(&cluster));
    }
    Ok(())
}

pub(super) fn sequences_jump_over_what_is_lost() -> Told {
    let (mut cluster, log) = cluster(1, 2)?;
    let net = cluster.net.clone();
    let mut highest = 0;
    for _ in 0..3 {
        // Node 1 alone is told of an entry; then it dies, and Redis comes back empty.
        highest = cluster.append(1, log, "node 1 alone was told")?.sequence.max(highest);
        cluster.kill(1);
        net.servers(|servers| (servers.kill(0), servers.wipe(0), servers.restart(0)));
        cluster.live(10 * SECOND);
        let next = cluster.append(0, log, "sold after that")?.sequence;
        must!(next > highest + 1_000, "entry {next} comes after the lost {highest}");
        highest = next;
        cluster.restart(1, 30 * SECOND)?;
    }
    Ok(())
}

pub(super) fn the_clock_does_not_run_on_what_nobody_confirms() -> Told {
    let (mut cluster, log) = cluster(3, 2)?;
    let last = cluster.append(0, log, "last")?;
    let net = cluster.net.clone();
    net.set_prompt(1, false);
    net.set_prompt(2, false);
    for nth in 0..2_400 {
        net.pass(Duration::from_millis(250));
        let said = cluster.append(nth % 2, log, "tick");
        must!(said.is_err(), "{said:?}");
    }
    net.set_prompt(1, true);
    net.set_prompt(2, true);
    cluster.live(SECOND);
    let after = cluster.append(0, log, "after ten minutes")?;
    let passed = after.clock_ms - last.clock_ms;
    // One step for the outage, and the second since.
    must!(passed <= 500 + 1_100, "{passed} ms have passed on the sale clock");
    Ok(())
}
