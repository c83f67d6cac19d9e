//! What a data node must be set to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_store::redis::{RedisStore, inspect};
use holdfast_store::{Clock, SystemClock};
use holdfast_testkit::{Persistence, Redis, RedisOptions};

use crate::rig::{Row, at, node, options};

/// How long a node tries to begin. What does not pass by itself is refused at once, however busy the machine
/// is.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a node does not begin, if it does not.
fn refused(server: &Redis, allow_volatile: bool, data_nodes: u32) -> Option<String> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut options = options(data_nodes);
    options.allow_volatile = allow_volatile;
    let control = Box::new(Row::default());
    let begun = Instant::now();
    let rest = &mut |_: &str| std::thread::sleep(Duration::from_millis(10));
    let opened = RedisStore::open(options, at(&[server.port()]), control, &clock, PATIENCE, rest);
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    opened.err().map(|error| error.to_string())
}

#[test]
fn a_data_node_that_forgets_is_refused_by_name() {
    for (options, setting) in [
        (
            RedisOptions { persistence: Persistence::None, ..RedisOptions::default() },
            "appendonly no",
        ),
        (
            RedisOptions { persistence: Persistence::Rdb, ..RedisOptions::default() },
            "appendonly no",
        ),
        (
            RedisOptions { persistence: Persistence::EverySecond, ..RedisOptions::default() },
            "appendfsync everysec",
        ),
        (
            RedisOptions {
                maxmemory_policy: Some("allkeys-lru".to_owned()),
                ..RedisOptions::default()
            },
            "maxmemory-policy allkeys-lru",
        ),
    ] {
        let server = Redis::start(&options).unwrap();
        let why = refused(&server, false, 1).unwrap();
        assert!(why.contains(setting) && why.contains("the master"), "{why}");
        assert_eq!(refused(&server, true, 1), None, "the control: it is taken if that is said");
    }
}

#[test]
fn a_replica_that_forgets_is_refused_by_its_address() {
    let master = Redis::start(&RedisOptions::default()).unwrap();
    let replica = RedisOptions {
        persistence: Persistence::None,
        replica_of: Some(master.port()),
        ..RedisOptions::default()
    };
    let replica = Redis::start(&replica).unwrap();
    replica.await_link().unwrap();
    let why = refused(&master, false, 2).unwrap();
    assert!(why.contains(&format!("127.0.0.1:{}", replica.port())), "{why}");
}

#[test]
fn more_data_nodes_than_were_declared_are_refused() {
    let master = Redis::start(&RedisOptions::default()).unwrap();
    let replica = RedisOptions { replica_of: Some(master.port()), ..RedisOptions::default() };
    let replica = Redis::start(&replica).unwrap();
    replica.await_link().unwrap();
    let why = refused(&master, false, 1).unwrap();
    assert!(why.contains("2 data nodes"), "{why}");
    let why = inspect(at(&[master.port()]).as_ref(), 1).unwrap_err();
    assert!(why.is_lasting() && why.words().contains("2 data nodes"), "{why}");
    // The control.
    inspect(at(&[master.port()]).as_ref(), 2).unwrap();
    let _ = node(&at(&[master.port()]), &Row::default(), 2);
}

#[test]
fn a_data_node_that_is_set_otherwise_later_is_seen_by_whoever_looks() {
    let master = Redis::start(&RedisOptions::default()).unwrap();
    let dial = at(&[master.port()]);
    inspect(dial.as_ref(), 1).unwrap();
    let _: String = master.ask(&["CONFIG", "SET", "appendfsync", "everysec"]).unwrap();
    let why = inspect(dial.as_ref(), 1).unwrap_err();
    assert!(why.words().contains("appendfsync everysec"), "{why}");
}
