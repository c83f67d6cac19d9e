//! How fast the crowd itself is, against the honest shop. Not part of the suite:
//! `cargo test --release -p holdfast-rehearse rush -- --ignored --nocapture --test-threads 1`.

use std::time::Duration;

use holdfast_rehearse::{Bottleneck, Options, Report, run};

use crate::support::{MERCHANT_KEY, Server, Ways};

fn rush(buyers: u32, over: Duration, threads: usize) -> Report {
    let server = Server::start(Ways::Honest);
    let target = server.address.into();
    let report =
        run(&Options { buyers, over, threads, ..Options::new(target, MERCHANT_KEY) }, |_| {});
    let report = report.unwrap();
    println!("{}", report.render());
    assert!(report.ok());
    report
}

#[test]
#[ignore = "takes every core for seconds"]
fn fifty_thousand_in_a_second() {
    for threads in [1, 2] {
        rush(50_000, Duration::from_secs(1), threads);
    }
}

#[test]
#[ignore = "needs an idle machine"]
fn the_default_rate_does_not_strain_the_crowd() {
    let report = rush(5_000, Duration::from_secs(3), 1);
    assert_eq!(report.load.bottleneck, Bottleneck::None);
}
