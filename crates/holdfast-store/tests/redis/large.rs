//! A sale that is large: its snapshot takes longer to write than a server may be silent.

use holdfast_store::Store;
use holdfast_testkit::{Redis, RedisOptions, SentinelOptions, Trio};

use crate::rig::{Row, append, at, entries, node, open, options, until};

const SNAPSHOT_BYTES: usize = 64 << 20;

fn snapshot() -> Vec<u8> {
    (0..SNAPSHOT_BYTES).map(|at| (at >> 8).to_le_bytes()[0]).collect()
}

#[test]
fn a_large_snapshot_is_kept_on_three_servers_while_entries_are_appended() {
    let trio = Trio::start(&RedisOptions::default(), &SentinelOptions::default()).unwrap();
    let ports: Vec<u16> = trio.servers.iter().map(Redis::port).collect();
    let (dial, row) = (at(&ports), Row::default());
    let mut one = node(&dial, &row, 3);
    let log = one.create("sale").unwrap();
    append(&mut one, log, "first").unwrap();
    let (last, records, bytes) = (one.logs()[0].last, one.records(), snapshot());
    let keep = std::thread::spawn(move || {
        // A busy machine may take longer than a node waits for its replicas.
        let kept = (0..20).any(|_| records.save_snapshot(log, last, &bytes).is_ok());
        assert!(kept && records.snapshot(log).unwrap() == Some((last, bytes)));
    });
    let mut appended = 0;
    while !keep.is_finished() {
        appended += usize::from(append(&mut one, log, "more").is_ok());
        let _ = one.news();
    }
    keep.join().unwrap();
    assert!(appended >= 20, "{appended}");
}

#[test]
fn a_large_snapshot_is_read_by_whoever_joins_and_written_back_where_it_is_lost() {
    let mut server = Redis::start(&RedisOptions::default()).unwrap();
    let (dial, row) = (at(&[server.port()]), Row::default());
    let mut one = node(&dial, &row, 1);
    let log = one.create("sale").unwrap();
    append(&mut one, log, "first").unwrap();
    let (last, bytes) = (one.logs()[0].last, snapshot());
    one.records().save_snapshot(log, last, &bytes).unwrap();
    let mut two = open(&dial, &row, options(1), &mut [&mut one]);
    assert!(two.records().snapshot(log).unwrap() == Some((last, bytes.clone())));
    server.kill();
    server.wipe().unwrap();
    server.restart().unwrap();
    until(&mut [&mut one, &mut two], |nodes| append(nodes[0], log, "second").ok());
    assert_eq!(entries(&mut one, log), ["first", "second"]);
    assert!(one.records().snapshot(log).unwrap() == Some((last, bytes)));
}
