//! What a world can do to servers, and what the library makes of it.

use holdfast_sim::redis::{Connection, Reply, Resync, Servers, command};

use crate::script::{call, show};
use crate::side::LIBRARY;

/// A server on which node `a` has opened log 1 in epoch 5 and written up to sequence 2.
fn reigning() -> (Servers, Connection) {
    let mut servers = Servers::new();
    let server = servers.start();
    let mut connection = servers.connect(server).unwrap();
    servers.call(&mut connection, &command(&["FUNCTION", "LOAD", LIBRARY])).unwrap();
    for what in ["a reign shop a b", "a open 1 0 0 10 1 x", "a append 1 0 1 20 1 1 y"] {
        assert!(on(&mut servers, server, what).starts_with("OK "), "{what}");
    }
    (servers, connection)
}

fn on(servers: &mut Servers, server: usize, what: &str) -> String {
    let mut connection = servers.connect(server).unwrap();
    show(&servers.call(&mut connection, &call(what)).unwrap())
}

fn wait(servers: &mut Servers, connection: &mut Connection) -> Reply {
    servers.call(connection, &command(&["WAIT", "1", "50"])).unwrap()
}

#[test]
fn data_that_are_set_back_under_a_reign_are_noticed() {
    let (mut servers, _) = reigning();
    let before = servers.data(0).clone();
    assert_eq!(on(&mut servers, 0, "a append 1 0 2 30 1 1 z"), "OK 3 30 1 []");
    servers.set_data(0, before);
    assert_eq!(on(&mut servers, 0, "b append 1 0 2 30 1 1 z"), "ROLLED_BACK 2");
}

/// All that is left is what the nodes have seen: the process is what it was.
#[test]
fn a_process_that_is_set_back_is_noticed_by_who_has_seen_more() {
    let (mut servers, mut connection) = reigning();
    let before = servers.image(0);
    assert_eq!(on(&mut servers, 0, "a append 1 0 2 30 1 1 z"), "OK 3 30 1 []");
    servers.set_back(0, &before);
    assert!(servers.call(&mut connection, &call("a roll")).is_err());
    assert_eq!(on(&mut servers, 0, "a roll"), "OK a 0 b 0");
    // Whoever knows no more than is there cannot notice.
    assert_eq!(on(&mut servers, 0, "b append 1 0 2 40 1 0 ''"), "OK 3 40 0 []");
    assert_eq!(on(&mut servers, 0, "a news 0 1 3"), "ROLLED_BACK 2");
    assert_eq!(on(&mut servers, 0, "b append 1 0 2 40 1 1 other"), "NO_REIGN 0");
}

#[test]
fn what_was_not_flushed_is_lost_with_the_process() {
    let (mut servers, mut connection) = reigning();
    servers.set_flushes(0, false);
    assert_eq!(on(&mut servers, 0, "a append 1 0 2 30 1 1 z"), "OK 3 30 1 []");
    servers.restart(0);
    assert!(servers.call(&mut connection, &call("a roll")).is_err());
    assert_eq!(on(&mut servers, 0, "a reign shop a"), "FENCED 5");
    assert_eq!(on(&mut servers, 0, "a:u:6 reign shop a"), "OK *");
    assert_eq!(on(&mut servers, 0, "a:u:6 position 1"), "OK 5 2 20 0");
}

#[test]
fn an_emptied_server_knows_no_epoch() {
    let (mut servers, _) = reigning();
    servers.kill(0);
    servers.wipe(0);
    servers.restart(0);
    let mut connection = servers.connect(0).unwrap();
    servers.call(&mut connection, &command(&["FUNCTION", "LOAD", LIBRARY])).unwrap();
    assert_eq!(on(&mut servers, 0, "a append 1 0 2 30 1 1 z"), "NO_REIGN 0");
    assert_eq!(on(&mut servers, 0, "a:t:3 reign shop a"), "OK *");
    assert_eq!(on(&mut servers, 0, "a:t:3 position 1"), "OK 0 0 0 0");
}

#[test]
fn a_replica_acknowledges_what_it_has_flushed() {
    let (mut servers, mut connection) = reigning();
    let replica = servers.start();
    assert_eq!(servers.attach(replica, 0), Resync::Full);
    servers.call(&mut connection, &call("a append 1 0 2 30 1 1 z")).unwrap();
    assert_eq!(wait(&mut servers, &mut connection), Reply::Number(0));
    assert_eq!(servers.deliver(replica, 9), 1);
    assert_eq!(wait(&mut servers, &mut connection), Reply::Number(0));
    servers.flush(replica);
    assert_eq!(wait(&mut servers, &mut connection), Reply::Number(1));
    // A link that is cut counts for nothing, whatever was acknowledged.
    servers.detach(replica);
    assert_eq!(wait(&mut servers, &mut connection), Reply::Number(0));
    servers.call(&mut connection, &call("a append 1 0 3 40 1 1 z")).unwrap();
    assert_eq!(servers.deliver(replica, 9), 0);
    assert_eq!(servers.attach(replica, 0), Resync::Partial);
    servers.settle(replica);
    assert_eq!(wait(&mut servers, &mut connection), Reply::Number(1));
    servers.detach(replica);
    servers.call(&mut connection, &call("a append 1 0 4 40 1 1 z")).unwrap();
    servers.forget_backlog(0);
    assert_eq!(servers.attach(replica, 0), Resync::Full);
    servers.promote(replica);
    assert_eq!(on(&mut servers, replica, "a append 1 0 5 40 1 1 z"), "NO_REIGN 0");
    assert_eq!(on(&mut servers, replica, "a:u:6 reign shop a"), "OK *");
    assert_eq!(on(&mut servers, replica, "a:u:6 position 1"), "OK 5 5 40 0");
}
