//! How fast the crowd itself is, against the honest shop. Not part of the suite:
//! `cargo test --release -p holdfast-rehearse rush -- --ignored --nocapture --test-threads 1`.

use std::time::Duration;

use holdfast_rehearse::{Arrivals, Bottleneck, Options, Report, run};

use crate::support::{MERCHANT_KEY, Server, Ways};

fn rush(buyers: u32, over: Duration) -> Report {
    let server = Server::start(Ways::Honest);
    let target = server.address.into();
    let arrivals = Arrivals::uniform(buyers, over);
    let options = Options { arrivals, ..Options::new(target, MERCHANT_KEY) };
    let report = run(&options, |_| {}).unwrap();
    println!("{}", report.render());
    assert!(report.ok());
    report
}

#[test]
#[ignore = "takes every core for seconds"]
fn fifty_thousand_in_a_second() {
    rush(50_000, Duration::from_secs(1));
}

#[test]
#[ignore = "needs an idle machine"]
fn the_default_rate_does_not_strain_the_crowd() {
    let report = rush(5_000, Duration::from_secs(3));
    assert_eq!(report.load.bottleneck, Bottleneck::None);
}
