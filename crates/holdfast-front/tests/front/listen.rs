//! Who gets a port, and who waits at it.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use holdfast_front::{Front, Options};

use crate::support::{REQUEST, Running, bind, connect, options, rest};

/// How many of a rush the kernel takes while nobody accepts.
fn taken(address: SocketAddr) -> usize {
    let mut rush = Vec::new();
    while rush.len() < 1_000 {
        let Ok(stream) = connect(address) else { break };
        rush.push(stream);
    }
    rush.len()
}

#[test]
fn a_rush_waits_in_the_backlog_where_a_common_listener_turns_it_away() {
    let front = bind(Options { listeners: 1, ..options() });
    assert_eq!(taken(front.address()), 1_000);
    let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    assert!(taken(control.local_addr().unwrap()) < 1_000);
}

#[test]
fn a_second_server_does_not_get_the_port() {
    for listeners in [1, 2] {
        let options = Options { listeners, ..options() };
        let first = bind(options);
        let refused = Front::bind(first.address(), options).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AddrInUse);
        let address = first.address();
        drop(first);
        Front::bind(address, options).unwrap();
    }
}

#[test]
fn a_port_can_be_had_again_right_after_its_server() {
    let running = Running::start(bind(options()));
    let address = running.address;
    let mut buyer = running.connect();
    buyer.write_all(REQUEST).unwrap();
    // The server closes first, which leaves its side of the connection waiting.
    assert!(rest(&mut buyer).contains("done"));
    running.stop();
    Front::bind(address, options()).unwrap();
}

#[test]
fn every_listener_gets_its_part_of_the_connections() {
    let running = Running::start(bind(options()));
    let mut buyers: Vec<_> = (0..64).map(|_| running.connect()).collect();
    for buyer in &mut buyers {
        buyer.write_all(REQUEST).unwrap();
    }
    let who = |answer: String| answer.rsplit(' ').next().unwrap().to_owned();
    let names: BTreeSet<_> = buyers.iter_mut().map(|buyer| who(rest(buyer))).collect();
    assert_eq!(names, BTreeSet::from(["front-1".to_owned(), "front-2".to_owned()]));
    running.stop();
}
