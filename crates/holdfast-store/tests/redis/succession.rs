//! From one epoch to the next: what is known is written back, and what is not known is said.

use std::time::Instant;

use holdfast_store::redis::RedisStore;
use holdfast_store::{Epoch, LogId, Store};
use holdfast_testkit::{Redis, RedisOptions};

use crate::rig::{Row, append, at, entries, node, open, options, until};

/// A server, a control row, two nodes and a sale that both know.
fn two_nodes(server: &Redis) -> (Row, RedisStore, RedisStore, LogId) {
    let (dial, row) = (at(&[server.port()]), Row::default());
    let mut one = node(&dial, &row, 1);
    let log = one.create("sale").unwrap();
    let mut two = open(&dial, &row, options(1), &mut [&mut one]);
    assert_eq!(two.create("sale").unwrap(), log);
    (row, one, two, log)
}

#[test]
fn several_nodes_have_one_order() {
    let server = Redis::start(&RedisOptions::default()).unwrap();
    let (_, mut one, mut two, log) = two_nodes(&server);
    for round in 0..10 {
        let (writer, name) = if round % 2 == 0 { (&mut one, "one") } else { (&mut two, "two") };
        append(writer, log, &format!("{name} {round}")).unwrap();
    }
    let all = entries(&mut one, log);
    assert_eq!(all.len(), 10);
    assert_eq!(entries(&mut two, log), all);
}

#[test]
fn a_redis_that_comes_back_empty_is_filled_again() {
    let mut server = Redis::start(&RedisOptions::default()).unwrap();
    let (_, mut one, mut two, log) = two_nodes(&server);
    append(&mut one, log, "first").unwrap();
    append(&mut two, log, "second").unwrap();
    server.kill();
    server.wipe().unwrap();
    let asked = Instant::now();
    assert!(append(&mut one, log, "nobody").is_err());
    assert!(asked.elapsed().as_secs() < 2);
    server.restart().unwrap();
    let sequence = until(&mut [&mut one, &mut two], |nodes| append(nodes[0], log, "third").ok());
    assert_eq!(sequence, 3);
    until(&mut [&mut one, &mut two], |nodes| nodes[1].news().ok());
    assert_eq!(entries(&mut two, log), ["first", "second", "third"]);
    assert_eq!(two.logs()[0].epoch, Epoch(2));
}

#[test]
fn where_a_node_is_lost_with_its_redis_the_log_says_so_and_no_sequence_comes_twice() {
    let mut server = Redis::start(&RedisOptions::default()).unwrap();
    let (_, mut one, two, log) = two_nodes(&server);
    append(&mut one, log, "first").unwrap();
    server.kill();
    drop(two);
    server.wipe().unwrap();
    server.restart().unwrap();
    let sequence = until(&mut [&mut one], |nodes| append(nodes[0], log, "second").ok());
    assert!(sequence > 1 << 24, "{sequence}");
    assert_eq!(entries(&mut one, log), ["first", "doubt from 2", "second"]);
}

#[test]
fn a_node_that_left_in_order_is_not_waited_for() {
    let mut server = Redis::start(&RedisOptions::default()).unwrap();
    let (_, mut one, mut two, log) = two_nodes(&server);
    append(&mut two, log, "first").unwrap();
    two.leave();
    drop(two);
    // Whoever stays reads what it wrote, and takes it off the row.
    let begun = Instant::now();
    until(&mut [&mut one], |_| (begun.elapsed().as_millis() > 2_500).then_some(()));
    server.kill();
    server.restart().unwrap();
    until(&mut [&mut one], |nodes| append(nodes[0], log, "second").ok());
    assert_eq!(entries(&mut one, log), ["first", "second"]);
}

#[test]
fn a_store_that_all_have_left_is_taken_up_as_it_was_left_or_not_at_all() {
    let mut server = Redis::start(&RedisOptions::default()).unwrap();
    let (dial, row) = (at(&[server.port()]), Row::default());
    let mut one = node(&dial, &row, 1);
    let log = one.create("sale").unwrap();
    append(&mut one, log, "first").unwrap();
    one.leave();
    drop(one);
    server.kill();
    server.restart().unwrap();
    let mut two = node(&dial, &row, 1);
    assert_eq!(entries(&mut two, log), ["first"]);
    append(&mut two, log, "second").unwrap();
    two.leave();
    drop(two);
    server.kill();
    server.wipe().unwrap();
    server.restart().unwrap();
    let clock: std::sync::Arc<dyn holdfast_store::Clock> =
        std::sync::Arc::new(holdfast_store::SystemClock::new());
    // It may come back: so it is waited for, and said meanwhile.
    let patience = std::time::Duration::from_secs(2);
    let mut whys = Vec::new();
    let rest = &mut |why: &str| {
        whys.push(why.to_owned());
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    let opened = RedisStore::open(options(1), dial, Box::new(row), &clock, patience, rest);
    assert!(opened.is_err());
    assert!(whys.iter().any(|why| why.contains("Redis has lost what it had")), "{whys:?}");
}

#[test]
fn a_node_that_leaves_while_the_row_is_away_is_not_waited_for_in_redis() {
    let server = Redis::start(&RedisOptions::default()).unwrap();
    let (row, one, mut two, _) = two_nodes(&server);
    let function = format!("holdfast_{}_roll", row.says("library"));
    let on_roll = || -> usize {
        let words = ["FCALL", &function, "0", &row.says("token"), "1", one.name()];
        let roll: Vec<String> = server.ask(&words).unwrap();
        assert_eq!(roll[0], "OK");
        (roll.len() - 1) / 2
    };
    assert_eq!(on_roll(), 2);
    row.go_away();
    two.leave();
    assert_eq!(on_roll(), 1);
}
