//! Three servers and their Sentinels, cut apart and put together again.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::thread::sleep;
use std::time::{Duration, Instant};

use holdfast_testkit::{Program, Redis, RedisOptions, SentinelOptions, Trio};

/// Waits until a server has become a replica and has this of its master. In between it breaks
/// connections.
fn until_it_has(redis: &Redis, value: u32) {
    let begun = Instant::now();
    while redis.ask(&["GET", "key"]).unwrap_or(None) != Some(value) {
        assert!(begun.elapsed() < Duration::from_secs(20), "it did not become a replica");
        sleep(Duration::from_millis(5));
    }
}

/// Sets a key on the master; how many replicas have it within the time.
fn set(master: &Redis, value: u32, within_ms: u32) -> u32 {
    let mut connection = master.connect().unwrap();
    redis::cmd("SET").arg("key").arg(value).exec(&mut connection).unwrap();
    redis::cmd("WAIT").arg(2).arg(within_ms).query(&mut connection).unwrap()
}

fn get(redis: &Redis) -> Option<u32> {
    redis.ask(&["GET", "key"]).unwrap()
}

/// Guards the tests of a failover: a write that replication did not bring is lost when the master
/// dies, one that it brought is not (the control), and the old master comes back as a replica.
#[test]
fn a_killed_master_is_replaced() {
    let mut trio = Trio::start(&RedisOptions::default(), &SentinelOptions::default()).unwrap();
    assert_eq!(trio.master().unwrap(), 0);
    assert_eq!(set(&trio.servers[0], 1, 5_000), 2);
    trio.cut_replication_from(0).unwrap();
    assert_eq!(set(&trio.servers[0], 2, 50), 0);
    assert_eq!(trio.master().unwrap(), 0, "the Sentinels must not notice a cut between servers");
    trio.servers[0].kill();
    let new = trio.await_other_master(0).unwrap();
    assert_eq!(get(&trio.servers[new]), Some(1));
    trio.proxies[0].cut();
    trio.servers[0].restart().unwrap();
    assert_eq!(get(&trio.servers[0]), Some(2), "nobody has told it yet");
    trio.heal();
    until_it_has(&trio.servers[0], 1);
    trio.await_whole().unwrap();
    assert_eq!(set(&trio.servers[new], 3, 5_000), 2);
}

/// Guards the tests of a split brain: clients reach both masters, until it is healed.
#[test]
fn an_isolated_master_goes_on_by_itself() {
    let options = RedisOptions::of(Program::Valkey8);
    let trio = Trio::start(&options, &SentinelOptions::default()).unwrap();
    trio.isolate(0).unwrap();
    let new = trio.await_other_master(0).unwrap();
    set(&trio.servers[0], 1, 1);
    set(&trio.servers[new], 2, 1);
    assert_eq!((get(&trio.servers[0]), get(&trio.servers[new])), (Some(1), Some(2)));
    trio.heal();
    until_it_has(&trio.servers[0], 2);
}
