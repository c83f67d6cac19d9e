//! From one epoch to the next: what is known is written back, and what is not known is said.

use holdfast_store::{Epoch, Store};

use crate::rig::{Row, Server, append, at, entries, node, until};

#[test]
fn several_nodes_have_one_order() {
    let server = Server::start();
    let (dial, row) = (at(&[&server]), Row::default());
    let (mut one, mut two) = (node(&dial, &row, 1), node(&dial, &row, 1));
    let log = one.create("sale").unwrap();
    assert_eq!(two.create("sale").unwrap(), log);
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
    let mut server = Server::start();
    let (dial, row) = (at(&[&server]), Row::default());
    let (mut one, mut two) = (node(&dial, &row, 1), node(&dial, &row, 1));
    let log = one.create("sale").unwrap();
    until(&mut [&mut one, &mut two], |nodes| (!nodes[1].logs().is_empty()).then_some(()));
    append(&mut one, log, "first").unwrap();
    append(&mut two, log, "second").unwrap();
    server.kill();
    server.wipe();
    assert!(append(&mut one, log, "nobody").is_err());
    server.resume(&[]);
    let sequence = until(&mut [&mut one, &mut two], |nodes| append(nodes[0], log, "third").ok());
    assert_eq!(sequence, 3);
    until(&mut [&mut one, &mut two], |nodes| nodes[1].news().ok());
    assert_eq!(entries(&mut two, log), ["first", "second", "third"]);
    assert_eq!(two.logs()[0].epoch, Epoch(2));
}
